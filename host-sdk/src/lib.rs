//! A gateway that speaks WAHA's HTTP API: what the author of a WAHA-like server embeds.
//!
//! [`Gateway`] puts an [`Engine`] (what speaks WhatsApp) and plugins (what a feature does) together
//! and serves both over HTTP. A plugin is a library that [`loader`] opens at run time through the
//! stable interface of [`host_abi`]; the gateway knows none of the features.
//!
//! ```text
//! engine event   EngineEvents -> the session's queue -> plugins -> event bus -> webhooks, websockets
//! HTTP request   key -> router -> the session works? -> plugin -> answer
//! ```

#![deny(unsafe_code)]

mod gateway;

mod engine;
mod sessions;

pub mod loader;
mod mounted;
mod store;

pub mod envelope;
pub mod event_bus;
pub mod webhook;
pub mod websocket;

pub mod egress;
pub mod metrics;

mod auth;
pub mod extract;
mod http_error;
mod openapi;
mod router;
mod server;

mod activity;
mod clock;

pub use activity::Activity;
pub use auth::{ApiKey, ApiKeyError};
pub use clock::{Clock, Pace, SPEEDS, SystemClock, VirtualClock};
pub use engine::{Engine, EngineError, EngineEvents, Me, QUEUE_DEPTH, SessionStatus};
pub use extract::BODY_LIMIT;
pub use gateway::{BuildError, Gateway, GatewayBuilder, SHUTDOWN_GRACE, ServeError};
pub use host_abi::{self, EngineStatus, PresenceUpdate};
pub use http_error::HttpError;
pub use loader::{LoadError, LoadedPlugin, PluginInfo};
pub use sessions::{
    IgnoreConfig, MAX_SESSIONS, SessionConfig, SessionError, SessionSpec, is_session_name,
};
pub use store::{MemoryStore, Store, StoreError};
