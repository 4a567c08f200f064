//! The engines' words, turned into ours. Each engine has a dialect of its own.

pub(crate) mod noweb;
