//! WAHA's presence feature as a plugin: who is online, offline since when, typing or recording.
//!
//! [`PresencePlugin`] takes the NOWEB engine's events, keeps the last known presence of every
//! participant, answers the presence endpoints and emits `presence.update`. It owns no runtime,
//! thread, clock or socket: it asks its [`host_abi::Host`].
//!
//! An event goes `dialect` (engine words in) → [`state`] → [`payload`] (documented words out); those
//! two are the only places where JSON changes shape.

#![forbid(unsafe_code)]

mod plugin;

pub mod presence;

pub mod payload;

pub mod jid;

pub mod state;

mod dialect;

mod requests;

mod events;

mod subscriptions;

mod session;

mod context;

mod config;

mod counts;

pub use config::Config;
pub use counts::Counts;
pub use plugin::PresencePlugin;

host_abi::export_plugin!(PresencePlugin);
