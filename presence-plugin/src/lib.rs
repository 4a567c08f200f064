//! WAHA's presence feature as a plugin: who is online, offline since when, typing or recording.
//!
//! [`PresencePlugin`] consumes the events of the NOWEB engine, keeps the last known presence of every
//! participant, answers the presence endpoints and emits `presence.update`. It owns no runtime, thread,
//! clock or socket: it asks its [`host_abi::Host`].
//!
//! An event passes `dialect` (engine words in) → [`state`] → [`payload`] (documented words out). JSON
//! changes shape in the first and the last of these only.

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
