//! Translates the engines' words into documented ones. Each engine has its own dialect.

pub(crate) mod noweb;
