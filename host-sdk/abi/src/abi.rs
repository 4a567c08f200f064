//! Everything that crosses the boundary; only this file and those below it use `abi_stable`.
//!
//! Ownership: a borrowed argument (`RStr`, `RSlice`) lives for the call; an owned one belongs to the
//! callee. Change: a `#[repr(C)]` struct and a newtype's width are frozen for all of 1.x; the prefix
//! types ([`PluginModule`], [`Manifest`]) and the two traits ([`HostCalls`], [`Instance`]) grow at
//! their end only, each new method with a default body. A newtype may gain constants: both sides must
//! accept values that they do not know.

#![allow(
    non_local_definitions,
    non_camel_case_types,
    missing_debug_implementations,
    unsafe_code,
    clippy::wildcard_imports,
    reason = "abi_stable's derives and sabi_trait generate such code"
)]

mod events;
mod host_side;
mod http;
mod plugin_side;

use std::fmt;

use abi_stable::{
    StableAbi,
    library::RootModule,
    package_version_strings, sabi_trait,
    sabi_types::VersionStrings,
    std_types::{ROption, RResult, RSlice, RStr, RString, RVec},
};
use async_ffi::{FfiFuture, FutureExt};

/// The kind of a [`PluginError`]; the host maps each to one HTTP status.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorKind(pub u16);

impl ErrorKind {
    /// The request is not valid: 400.
    pub const INVALID: Self = Self(1);
    /// The requested thing does not exist: 404.
    pub const NOT_FOUND: Self = Self(2);
    /// Temporarily not possible: 503.
    pub const UNAVAILABLE: Self = Self(3);
    /// A panic was caught: 500.
    pub const PANIC: Self = Self(4);
    /// Any other internal failure: 500.
    pub const INTERNAL: Self = Self(5);
    /// Not implemented by this plugin, host or engine: 422.
    pub const UNSUPPORTED: Self = Self(6);
    /// The engine refused: 502.
    pub const ENGINE: Self = Self(7);
    /// The engine did not answer in time: 504.
    pub const TIMEOUT: Self = Self(8);
}

/// The severity of a log line: 1 error, 2 warn, 3 info, 4 debug, 5 trace.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Level(pub u8);

/// An operation on a key of the plugin's store: 1 get, 2 put, 3 delete.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreOp(pub u8);

impl StoreOp {
    /// Reads a value.
    pub const GET: Self = Self(1);
    /// Writes a value and returns the previous one.
    pub const PUT: Self = Self(2);
    /// Removes a value and returns it.
    pub const DELETE: Self = Self(3);
}

/// The failure of a plugin, or of the host that it asked.
#[repr(C)]
#[derive(StableAbi, Clone, PartialEq, Eq, Debug)]
pub struct PluginError {
    kind: ErrorKind,
    message: RString,
}

impl PluginError {
    /// Creates an error; the message says what was wrong and what would be right.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into().into() }
    }

    /// The kind, which decides the HTTP status.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message, for people to read.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PluginError {}

/// A plugin's state, written by one instance for the next.
#[repr(C)]
#[derive(StableAbi, Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    schema: u32,
    bytes: RVec<u8>,
}

impl Snapshot {
    /// Creates a snapshot in the plugin's format number `schema`.
    #[must_use]
    pub fn new(schema: u32, bytes: impl Into<Vec<u8>>) -> Self {
        Self { schema, bytes: bytes.into().into() }
    }

    /// The number of the format.
    #[must_use]
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// The state.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A result that crosses the boundary.
pub type FfiResult<T> = RResult<T, PluginError>;
/// A future that crosses the boundary.
pub type FfiReply<T> = FfiFuture<FfiResult<T>>;

/// The description of a plugin. A prefix type: fields may be appended.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = Manifest_Ref)))]
pub struct Manifest {
    /// The plugin's name.
    pub name: RStr<'static>,
    /// The plugin's version.
    pub version: RStr<'static>,
    /// The version of this interface that the plugin was built against.
    pub sdk_version: RStr<'static>,
    /// The compiler that built it.
    pub rustc: RStr<'static>,
    /// The engines that it works with; empty means any.
    pub engines: RSlice<'static, RStr<'static>>,
    /// The routes that it handles.
    pub routes: RSlice<'static, Route>,
    /// The kinds of engine event that it consumes.
    pub consumes: RSlice<'static, RStr<'static>>,
    /// The events that it emits.
    pub emits: RSlice<'static, RStr<'static>>,
    /// Its part of the OpenAPI document, in JSON; may be empty.
    #[sabi(last_prefix_field)]
    pub openapi: RStr<'static>,
}

/// The host's side of the boundary. Called by the plugin; every method is guarded by the host.
#[sabi_trait]
pub trait HostCalls: Send + Sync + 'static {
    /// Whether a log line of this level and target would be written.
    fn log_enabled(&self, level: Level, target: RStr<'_>) -> bool;
    /// Writes a log line.
    fn log(&self, level: Level, target: RStr<'_>, message: RStr<'_>);
    /// Publishes an event; never blocks.
    fn emit(&self, emission: EmissionAbi<'_>) -> FfiResult<()>;
    /// Asks the session's engine to do something.
    fn engine(&self, op: RStr<'_>, session: RStr<'_>, args: RVec<u8>) -> FfiReply<RVec<u8>>;
    /// Reads or writes the plugin's own store.
    fn store(&self, op: StoreOp, key: RStr<'_>, value: RVec<u8>) -> FfiReply<ROption<RVec<u8>>>;
    /// The host's time, in Unix milliseconds.
    fn now_ms(&self) -> u64;
    /// Waits on the host's clock, in milliseconds.
    fn sleep(&self, ms: u64) -> FfiFuture<()>;
    /// Runs a task on the host's runtime until it ends or the instance is dropped.
    #[sabi(last_prefix_field)]
    fn spawn(&self, name: RStr<'_>, task: FfiFuture<()>);
}

/// A handle to the host.
pub type HostHandle = HostCalls_TO<abi_stable::std_types::RArc<()>>;

/// The plugin's side of the boundary. Called by the host; every method is guarded by the plugin.
#[sabi_trait]
pub trait Instance: Send + Sync + 'static {
    /// Handles a request. Cold: a new endpoint is a new route, not a new method.
    fn handle(&self, request: Request) -> FfiReply<Response>;
    /// Handles presence updates of one chat. Hot: typed and borrowed.
    fn on_presence(
        &self,
        session: RStr<'_>,
        chat: RStr<'_>,
        updates: RSlice<'_, PresenceUpdate<'_>>,
    ) -> FfiResult<()>;
    /// Handles any other engine event, in JSON.
    fn on_event(&self, kind: RStr<'_>, session: RStr<'_>, data: RSlice<'_, u8>) -> FfiResult<()>;
    /// Writes the state for the next instance.
    fn export_state(&self) -> FfiReply<Snapshot>;
    /// Stops within `deadline_ms` milliseconds.
    #[sabi(last_prefix_field)]
    fn stop(&self, deadline_ms: u64) -> FfiReply<()>;
}

/// A handle to a plugin's instance.
pub type InstanceHandle = Instance_TO<abi_stable::std_types::RArc<()>>;

/// The root module of a plugin's library. A prefix type: fields may be appended.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModule_Ref)))]
pub struct PluginModule {
    /// Returns the manifest.
    pub manifest: extern "C" fn() -> Manifest_Ref,
    /// Creates an instance from a configuration in JSON and, optionally, the state of an earlier one.
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn(
        host: HostHandle,
        config: RSlice<'_, u8>,
        restore: ROption<Snapshot>,
    ) -> FfiResult<InstanceHandle>,
}

impl RootModule for PluginModule_Ref {
    abi_stable::declare_root_module_statics! {PluginModule_Ref}
    const BASE_NAME: &'static str = "host_abi_plugin";
    const NAME: &'static str = "host_abi_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

#[doc(inline)]
pub use events::{EmissionAbi, EngineStatus, Key, PresenceUpdate};

#[doc(inline)]
pub use http::{OwnedBody, Request, Response, Route};

#[doc(hidden)]
pub use plugin_side::{create, linked, manifest};

#[doc(inline)]
pub use host_side::{BoxFuture, HostSide, LivePlugin, host_handle};

/// Turns a plain result into one that crosses.
pub(crate) fn cross<T>(result: Result<T, PluginError>) -> FfiResult<T> {
    result.into()
}

/// Turns a plain future into one that crosses.
pub(crate) fn cross_async<T>(future: impl Future<Output = T> + Send + 'static) -> FfiFuture<T> {
    future.into_ffi()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_plugin_is_exported_under_the_name_that_a_host_looks_for() {
        let name = abi_stable::library::ROOT_MODULE_LOADER_NAME;
        assert_eq!(name, "_1as_0lib_1header_0root_bmodule_bloader");
        assert!(include_str!("plugin.rs").contains(name));
    }
}
