//! All that crosses the boundary, and the only file that knows `abi_stable`.
//!
//! Ownership: a borrowed argument (`RStr`, `RSlice`) lives for the call; an owned one belongs to the
//! callee. Change: a `#[repr(C)]` struct and a newtype's width are frozen for all of 1.x; the prefix
//! types ([`PluginModule`], [`Manifest`]) and the two traits ([`HostCalls`], [`Instance`]) grow at
//! their end only, a new method with a default body. A newtype may gain constants: both sides must
//! take a value that they do not know.

#![allow(
    non_local_definitions,
    non_camel_case_types,
    missing_debug_implementations,
    unsafe_code,
    clippy::wildcard_imports,
    reason = "abi_stable's derives and sabi_trait generate such code"
)]

mod host_side;
mod plugin_side;

use std::fmt;

use abi_stable::{
    StableAbi,
    library::RootModule,
    package_version_strings, sabi_trait,
    sabi_types::VersionStrings,
    std_types::{ROption, RResult, RSlice, RStr, RString, RVec, Tuple2},
};
use async_ffi::{FfiFuture, FutureExt};

/// What an engine says of a participant, in the words of Baileys (`WAPresence`).
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineStatus(pub u8);

impl EngineStatus {
    /// A word that this version does not know.
    pub const UNKNOWN: Self = Self(0);
    /// `available`.
    pub const AVAILABLE: Self = Self(1);
    /// `unavailable`.
    pub const UNAVAILABLE: Self = Self(2);
    /// `composing`.
    pub const COMPOSING: Self = Self(3);
    /// `recording`.
    pub const RECORDING: Self = Self(4);
    /// `paused`.
    pub const PAUSED: Self = Self(5);
}

/// What kind of failure a [`PluginError`] is; the host answers each with one HTTP status.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorKind(pub u16);

impl ErrorKind {
    /// The request is wrong: 400.
    pub const INVALID: Self = Self(1);
    /// There is no such thing: 404.
    pub const NOT_FOUND: Self = Self(2);
    /// Not now: 503.
    pub const UNAVAILABLE: Self = Self(3);
    /// A panic was caught: 500.
    pub const PANIC: Self = Self(4);
    /// Anything else that went wrong inside: 500.
    pub const INTERNAL: Self = Self(5);
    /// Not implemented by this plugin, host or engine: 422.
    pub const UNSUPPORTED: Self = Self(6);
    /// The engine refused: 502.
    pub const ENGINE: Self = Self(7);
    /// The engine did not answer in time: 504.
    pub const TIMEOUT: Self = Self(8);
}

/// How urgent a line of log is: 1 error, 2 warn, 3 info, 4 debug, 5 trace.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Level(pub u8);

/// What to do with a key of the plugin's store: 1 get, 2 put, 3 delete.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreOp(pub u8);

impl StoreOp {
    /// Reads a value.
    pub const GET: Self = Self(1);
    /// Writes a value and answers the one before it.
    pub const PUT: Self = Self(2);
    /// Removes a value and answers it.
    pub const DELETE: Self = Self(3);
}

/// One participant's news, borrowed from the engine for the length of a call.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct PresenceUpdate<'a> {
    participant: RStr<'a>,
    status: EngineStatus,
    last_seen: ROption<u64>,
}

impl<'a> PresenceUpdate<'a> {
    /// News of `participant`, an engine's jid; `last_seen` in Unix seconds.
    #[must_use]
    pub fn new(participant: &'a str, status: EngineStatus, last_seen: Option<u64>) -> Self {
        Self { participant: participant.into(), status, last_seen: last_seen.into() }
    }

    /// The participant, as the engine writes it.
    #[must_use]
    pub fn participant(&self) -> &'a str {
        self.participant.as_str()
    }

    /// The participant's status.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        self.status
    }

    /// When the participant was last online, in Unix seconds, if the engine says so.
    #[must_use]
    pub fn last_seen(&self) -> Option<u64> {
        self.last_seen.into_option()
    }
}

/// What a later emission in the same lane supersedes, for example a participant.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key<'a>(RStr<'a>);

impl<'a> Key<'a> {
    /// The key called `name`.
    #[must_use]
    pub fn new(name: &'a str) -> Self {
        Self(name.into())
    }

    /// The key's name.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0.as_str()
    }
}

/// An event on its way to webhooks and websockets; authors of plugins write [`crate::Emission`].
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct EmissionAbi<'a> {
    pub(crate) session: RStr<'a>,
    pub(crate) event: RStr<'a>,
    pub(crate) lane: RStr<'a>,
    pub(crate) keys: RSlice<'a, Key<'a>>,
    pub(crate) payload: RVec<u8>,
}

impl<'a> EmissionAbi<'a> {
    pub(crate) fn new(emission: crate::Emission<'a>) -> Self {
        Self {
            session: emission.session.into(),
            event: emission.event.into(),
            lane: emission.lane.into(),
            keys: emission.keys.into(),
            payload: emission.payload.into(),
        }
    }

    /// The session that the event belongs to.
    #[must_use]
    pub fn session(&self) -> &'a str {
        self.session.as_str()
    }

    /// The event's name, for example `session.status`.
    #[must_use]
    pub fn event(&self) -> &'a str {
        self.event.as_str()
    }

    /// What must stay in order.
    #[must_use]
    pub fn lane(&self) -> &'a str {
        self.lane.as_str()
    }

    /// What a later emission supersedes; none if this one must never be superseded.
    #[must_use]
    pub fn keys(&self) -> &'a [Key<'a>] {
        self.keys.as_slice()
    }

    /// The payload, JSON.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// A path that a plugin answers.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    id: u16,
    method: RStr<'static>,
    path: RStr<'static>,
}

impl Route {
    /// The route that comes back as [`Request::route`] `id`. `path` has its variables in braces, and
    /// `{session}` is the host's: it is resolved, and checked to be working, before the plugin is asked.
    #[must_use]
    pub const fn new(id: u16, method: &'static str, path: &'static str) -> Self {
        Self { id, method: RStr::from_str(method), path: RStr::from_str(path) }
    }

    /// The number by which a request names this route.
    #[must_use]
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// The HTTP method, in capitals.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.method.as_str()
    }

    /// The path, its variables in braces.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path.as_str()
    }
}

type Pairs = RVec<Tuple2<RString, RString>>;

fn find(pairs: &Pairs, matches: impl Fn(&str) -> bool) -> Option<&str> {
    pairs.iter().find(|pair| matches(&pair.0)).map(|pair| pair.1.as_str())
}

/// An HTTP request to one of the plugin's routes.
#[repr(C)]
#[derive(StableAbi, Clone, PartialEq, Eq, Debug)]
pub struct Request {
    route: u16,
    session: RString,
    params: RVec<RString>,
    query: Pairs,
    headers: Pairs,
    body: RVec<u8>,
}

impl Request {
    /// A request to route `route` for `session`, with nothing else in it.
    #[must_use]
    pub fn new(route: u16, session: impl Into<String>) -> Self {
        Self {
            route,
            session: session.into().into(),
            params: RVec::new(),
            query: RVec::new(),
            headers: RVec::new(),
            body: RVec::new(),
        }
    }

    /// Adds the next path variable, decoded.
    #[must_use]
    pub fn with_param(mut self, value: impl Into<String>) -> Self {
        self.params.push(value.into().into());
        self
    }

    /// Adds a query parameter, decoded.
    #[must_use]
    pub fn with_query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push(Tuple2(name.into().into(), value.into().into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Tuple2(name.into().into(), value.into().into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into().into();
        self
    }

    /// The [`Route::id`] that was asked for.
    #[must_use]
    pub fn route(&self) -> u16 {
        self.route
    }

    /// The session's name; empty where the route has no `{session}`.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The path's variables without `{session}`, in the path's order, percent-decoded.
    #[must_use]
    pub fn param(&self, index: usize) -> Option<&str> {
        self.params.get(index).map(RString::as_str)
    }

    /// The first query parameter called `name`, decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, |found| found == name)
    }

    /// The first header called `name`, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, |found| found.eq_ignore_ascii_case(name))
    }

    /// The body; empty if there was none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// The answer to a [`Request`].
#[repr(C)]
#[derive(StableAbi, Clone, PartialEq, Eq, Debug)]
pub struct Response {
    status: u16,
    headers: Pairs,
    body: RVec<u8>,
}

impl Response {
    /// An answer with a status and nothing else.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: RVec::new(), body: RVec::new() }
    }

    /// An answer with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status)
            .with_header("content-type", "application/json; charset=utf-8")
            .with_body(body)
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Tuple2(name.into().into(), value.into().into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into().into();
        self
    }

    /// The HTTP status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|pair| (pair.0.as_str(), pair.1.as_str()))
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Gives the body away, without copying it out of the other side's memory.
    #[must_use]
    pub fn into_body(self) -> OwnedBody {
        OwnedBody(self.body)
    }
}

/// A body that stays where the side that wrote it put it.
#[derive(Debug)]
pub struct OwnedBody(RVec<u8>);

impl AsRef<[u8]> for OwnedBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Why a plugin, or the host that it asked, could not do something.
#[repr(C)]
#[derive(StableAbi, Clone, PartialEq, Eq, Debug)]
pub struct PluginError {
    kind: ErrorKind,
    message: RString,
}

impl PluginError {
    /// An error whose message says what was wrong and what would be right.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into().into() }
    }

    /// The kind, which decides the HTTP status.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message, for a person.
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
    /// A state in the plugin's format number `schema`.
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

/// What a plugin is and does. A prefix type: fields may be appended.
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
    /// The engines that it works with; none means any.
    pub engines: RSlice<'static, RStr<'static>>,
    /// The paths that it answers.
    pub routes: RSlice<'static, Route>,
    /// The kinds of engine event that it wants to see.
    pub consumes: RSlice<'static, RStr<'static>>,
    /// The events that it emits.
    pub emits: RSlice<'static, RStr<'static>>,
    /// Its part of the OpenAPI document, JSON, or nothing.
    #[sabi(last_prefix_field)]
    pub openapi: RStr<'static>,
}

/// What a host does for a plugin. Called from the plugin; every method is guarded by the host.
#[sabi_trait]
pub trait HostCalls: Send + Sync + 'static {
    /// Whether a line of this level and target would be written.
    fn log_enabled(&self, level: Level, target: RStr<'_>) -> bool;
    /// Writes a line of log.
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

/// A living plugin. Called from the host; every method is guarded by the plugin.
#[sabi_trait]
pub trait Instance: Send + Sync + 'static {
    /// Answers a request. Cold: a new endpoint is a new route, not a new method.
    fn handle(&self, request: Request) -> FfiReply<Response>;
    /// Takes presence news of one chat. Hot: typed and borrowed.
    fn on_presence(
        &self,
        session: RStr<'_>,
        chat: RStr<'_>,
        updates: RSlice<'_, PresenceUpdate<'_>>,
    ) -> FfiResult<()>;
    /// Takes any other engine event, as JSON.
    fn on_event(&self, kind: RStr<'_>, session: RStr<'_>, data: RSlice<'_, u8>) -> FfiResult<()>;
    /// Writes the state for the next instance.
    fn export_state(&self) -> FfiReply<Snapshot>;
    /// Winds down within so many milliseconds.
    #[sabi(last_prefix_field)]
    fn stop(&self, deadline_ms: u64) -> FfiReply<()>;
}

/// A handle to a plugin's instance.
pub type InstanceHandle = Instance_TO<abi_stable::std_types::RArc<()>>;

/// What a plugin's library exports. A prefix type: fields may be appended.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModule_Ref)))]
pub struct PluginModule {
    /// Says what the plugin is.
    pub manifest: extern "C" fn() -> Manifest_Ref,
    /// Makes an instance, from a configuration in JSON and perhaps from an earlier state.
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
