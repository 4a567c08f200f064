//! Settings that WAHA-like servers share.
pub mod environment;
pub mod listen;
pub mod logging;
pub mod variables;
