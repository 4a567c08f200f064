//! Plugins: how a library is opened, how an instance of it lives in a gateway, and what it may ask.

pub(crate) mod host;
pub mod loader;
pub(crate) mod mounted;
