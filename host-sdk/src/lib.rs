//! A gateway that speaks WAHA's HTTP API: what the author of a WAHA-like server embeds.

#![deny(unsafe_code)]

mod activity;
mod clock;
mod engine;
pub mod loader;

pub use activity::Activity;
pub use clock::{Clock, Pace, SystemClock, VirtualClock};
pub use engine::{Engine, EngineError, EngineEvents, Me, QUEUE_DEPTH, SessionStatus};
pub use host_abi::{EngineStatus, PresenceUpdate};
pub use loader::{LoadError, LoadedPlugin, PluginInfo};
