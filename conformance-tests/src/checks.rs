//! The checks, in files named after the sections of the documentation and of WAHA's documentation.

pub(crate) mod engines;
pub(crate) mod envelope;
pub(crate) mod errors;
pub(crate) mod fields;
pub(crate) mod get_all;
pub(crate) mod get_chat;
pub(crate) mod headers;
pub(crate) mod hmac;
pub(crate) mod retries;
pub(crate) mod sessions;
pub(crate) mod set_presence;
pub(crate) mod subscribe;
pub(crate) mod webhook;
pub(crate) mod websocket;
