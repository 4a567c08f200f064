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
mod http;
mod parts;

mod plugins;
mod sessions;

mod engine;
mod store;

pub use engine::{Engine, EngineError, EngineEvents, Me, QUEUE_DEPTH, SessionStatus};
pub use gateway::{BuildError, Gateway, GatewayBuilder, SHUTDOWN_GRACE, ServeError};
pub use host_abi::{self, EngineStatus, PresenceUpdate};
pub use host_delivery::{
    clock::{Clock, SystemClock},
    egress, envelope, event_bus, event_names, lane, metrics, tls, webhook,
};
pub use http::{
    ApiKey, ApiKeyError, BrowserRuleError, BrowserRules, ConnectionLimits, Docs, HttpError,
    RouteError, RouteProblem,
    extract::{self, BODY_LIMIT},
    websocket,
};
pub use plugins::loader::{self, LoadError, LoadedPlugin, PluginInfo};
pub use sessions::{
    IgnoreConfig, MAX_METADATA, MAX_OTHER_SETTINGS, MAX_SESSIONS, MAX_SESSIONS_PER_MINUTE,
    SessionConfig, SessionError, SessionSpec, is_session_name,
};
pub use store::{MemoryStore, Store, StoreError};
