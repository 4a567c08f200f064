//! The HTTP interface: the gateway's own paths, those of plugins, and what all requests share.

pub(crate) mod router;
pub(crate) mod routes;

mod body;
mod endpoint;
mod gate;
mod pairing;
mod server;
mod sessions;

mod openapi;
pub mod websocket;

mod access;
mod browsers;
mod connections;
mod docs;
mod error;
pub mod extract;
mod key;

pub(crate) use self::router::Own;
pub(crate) use self::{
    access::Access,
    connections::{ConnectionCounts, Connections},
};
pub use self::{
    browsers::{BrowserRuleError, BrowserRules},
    connections::ConnectionLimits,
    docs::Docs,
    error::HttpError,
    key::{ApiKey, ApiKeyError},
    routes::{RouteError, RouteProblem},
};
