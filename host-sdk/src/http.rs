//! The HTTP interface: what a gateway answers, and which of it a plugin answers.

pub(crate) mod router;
mod server;
mod sessions;

mod openapi;
pub mod websocket;

mod error;
pub mod extract;
mod key;

pub use self::{
    error::HttpError,
    key::{ApiKey, ApiKeyError},
};
