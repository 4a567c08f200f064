//! The HTTP interface: what a gateway answers, and which of it a plugin answers.

pub(crate) mod router;
mod server;
mod sessions;

mod openapi;
pub mod websocket;

pub(crate) mod browsers;
pub(crate) mod connections;

mod error;
pub mod extract;
mod key;

pub use self::{
    error::HttpError,
    key::{ApiKey, ApiKeyError},
};
