//! Plugins: how a library is opened, and how an instance of it lives in a gateway.

pub mod loader;
pub(crate) mod mounted;
