//! The stable ABI between a WAHA-like gateway and its plugins.
//!
//! A plugin is a type that implements [`Plugin`], and one line, [`export_plugin!`], in a library of
//! crate type `cdylib`. It is plain Rust: no unsafe code, no ABI types. Its [`Host`] provides everything
//! outside the plugin: the engine, events, time, tasks, storage.
//!
//! ```
//! use host_abi::{
//!     Emission, Host, Key, Manifest, Plugin, PluginError, PresenceUpdate, Request, Response, Route,
//!     Snapshot,
//! };
//! use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
//!
//! /// Counts the presence updates of all sessions.
//! struct Counter { host: Host, seen: AtomicU64 }
//!
//! impl Plugin for Counter {
//!     const MANIFEST: Manifest = Manifest {
//!         name: "counter",
//!         version: "1.0.0",
//!         routes: &[Route::new(0, "GET", "/api/{session}/counter")],
//!         emits: &["counter.changed"],
//!         ..Manifest::EMPTY
//!     };
//!
//!     fn create(host: Host, _config: &[u8], _: Option<Snapshot>) -> Result<Self, PluginError> {
//!         Ok(Self { host, seen: AtomicU64::new(0) })
//!     }
//!
//!     async fn handle(self: Arc<Self>, _request: Request) -> Result<Response, PluginError> {
//!         let seen = self.seen.load(Ordering::Relaxed);
//!         Ok(Response::json(200, format!(r#"{{"seen":{seen}}}"#)))
//!     }
//!
//!     fn on_presence(&self, session: &str, chat: &str, updates: &[PresenceUpdate<'_>]) -> Result<(), PluginError> {
//!         let seen = self.seen.fetch_add(updates.len() as u64, Ordering::Relaxed);
//!         let payload = format!("{seen}").into_bytes();
//!         self.host.emit(Emission { session, event: "counter.changed", lane: chat, keys: &[Key::new("seen")], payload })
//!     }
//! }
//! host_abi::export_plugin!(Counter);
//! # fn main() {}
//! ```
//!
//! # The promise
//!
//! Any plugin built against 1.x loads on any host of 1.y. The structs of [`abi`] are frozen; the module,
//! the manifest and the two traits may grow at their end, which an older side does not read.
//!
//! # What a plugin must not do
//!
//! A plugin has its own copy of every library that it links. Its tokio has no runtime, so
//! `tokio::spawn` and `tokio::time` panic there; [`Host::spawn`] and [`Host::sleep`] stand in for them.
//! `tokio::sync` works. Logging by `tracing` reaches the host's subscriber.

#![deny(unsafe_code)]

pub mod abi;
mod plugin;

mod host;

pub mod guard;

mod forward;

pub mod testing;

#[doc(inline)]
pub use abi::{
    EngineStatus, ErrorKind, Key, Level, PluginError, PresenceUpdate, Request, Response, Route,
    Snapshot,
};
#[doc(hidden)]
pub use abi_stable;
pub use host::{Emission, Host};
pub use plugin::{Manifest, Plugin};
#[doc(hidden)]
pub use plugin::{create, manifest};

/// The version of this interface.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
