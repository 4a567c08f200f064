//! The HTTP interface: what a gateway answers, and which of it a plugin answers.

pub(crate) mod router;
mod server;
mod sessions;

mod openapi;
pub mod websocket;

mod browsers;
mod connections;
mod error;
pub mod extract;
mod key;

pub use self::{
    browsers::{BrowserRuleError, BrowserRules},
    connections::ConnectionLimits,
    error::HttpError,
    key::{ApiKey, ApiKeyError},
};
pub(crate) use self::{
    connections::{ConnectionCounts, Connections},
    key::Access,
};
