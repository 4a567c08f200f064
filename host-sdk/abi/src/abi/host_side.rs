//! The host's side: [`HostSide`] and [`LivePlugin`] in plain Rust, [`HostCalls`] and [`Instance`]
//! towards the plugin, every callback guarded.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{RArc, ROption, RSlice, RStr, RVec},
};
use async_ffi::{FfiFuture, FutureExt};

use super::{
    EmissionAbi, FfiReply, FfiResult, HostCalls, HostCalls_TO, HostHandle, InstanceHandle, Level,
    PluginError, PluginModule_Ref, PresenceUpdate, Request, Response, Snapshot, StoreOp,
};
use crate::guard::{CatchDrop, guard, guard_async};

/// A boxed future that borrows nothing.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A host's services for one plugin; [`crate::Host`] documents each call.
pub trait HostSide: Send + Sync + 'static {
    /// Whether a log line of this level and target would be written.
    fn log_enabled(&self, level: Level, target: &str) -> bool;
    /// Writes a log line.
    fn log(&self, level: Level, target: &str, message: &str);
    /// Publishes an event; must not block.
    ///
    /// # Errors
    ///
    /// When the session does not exist.
    fn emit(&self, emission: &EmissionAbi<'_>) -> Result<(), PluginError>;
    /// Asks the session's engine to do `op`.
    fn engine(
        &self,
        op: &str,
        session: &str,
        args: Vec<u8>,
    ) -> BoxFuture<Result<Vec<u8>, PluginError>>;
    /// Reads or writes the plugin's own store.
    fn store(
        &self,
        op: StoreOp,
        key: &str,
        value: Vec<u8>,
    ) -> BoxFuture<Result<Option<Vec<u8>>, PluginError>>;
    /// The time, in Unix milliseconds.
    fn now_ms(&self) -> u64;
    /// Waits on the host's clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;
    /// Runs a task for the plugin.
    fn spawn(&self, name: &str, task: BoxFuture<()>);
}

/// Wraps `host` in the handle that is passed to a plugin.
pub fn host_handle(host: impl HostSide) -> HostHandle {
    HostCalls_TO::from_ptr(RArc::new(Shim(CatchDrop::new(host))), TD_Opaque)
}

struct Shim<H>(CatchDrop<H>);

impl<H: HostSide> HostCalls for Shim<H> {
    fn log_enabled(&self, level: Level, target: RStr<'_>) -> bool {
        let enabled = guard("log_enabled", || Ok(self.0.get().log_enabled(level, target.as_str())));
        enabled.unwrap_or(false)
    }

    fn log(&self, level: Level, target: RStr<'_>, message: RStr<'_>) {
        let host = self.0.get();
        let _ = guard("log", || {
            host.log(level, target.as_str(), message.as_str());
            Ok(())
        });
    }

    fn emit(&self, emission: EmissionAbi<'_>) -> FfiResult<()> {
        guard("emit", || self.0.get().emit(&emission))
    }

    fn engine(&self, op: RStr<'_>, session: RStr<'_>, args: RVec<u8>) -> FfiReply<RVec<u8>> {
        let host = self.0.get();
        guard_async("engine", || {
            let answer = host.engine(op.as_str(), session.as_str(), args.into());
            async move { answer.await.map(RVec::from) }
        })
    }

    fn store(&self, op: StoreOp, key: RStr<'_>, value: RVec<u8>) -> FfiReply<ROption<RVec<u8>>> {
        let host = self.0.get();
        guard_async("store", || {
            let answer = host.store(op, key.as_str(), value.into());
            async move { answer.await.map(|value| value.map(RVec::from).into()) }
        })
    }

    fn now_ms(&self) -> u64 {
        guard("now_ms", || Ok(self.0.get().now_ms())).unwrap_or(0)
    }

    fn sleep(&self, ms: u64) -> FfiFuture<()> {
        let host = self.0.get();
        let sleep = guard_async("sleep", || {
            let sleep = host.sleep(Duration::from_millis(ms));
            async move {
                sleep.await;
                Ok(())
            }
        });
        async move { drop(sleep.await) }.into_ffi()
    }

    fn spawn(&self, name: RStr<'_>, task: FfiFuture<()>) {
        let host = self.0.get();
        let _ = guard("spawn", || {
            host.spawn(name.as_str(), Box::pin(task));
            Ok(())
        });
    }
}

/// An instance of a loaded plugin, in plain Rust.
pub struct LivePlugin(InstanceHandle);

impl LivePlugin {
    /// Creates an instance; `config` is JSON or empty, `restore` the state of the previous instance.
    ///
    /// # Errors
    ///
    /// When the plugin refuses its configuration or the state.
    pub fn create(
        module: PluginModule_Ref,
        host: impl HostSide,
        config: &[u8],
        restore: Option<Snapshot>,
    ) -> Result<Self, PluginError> {
        let create = module.create();
        create(host_handle(host), config.into(), restore.into()).into_result().map(Self)
    }

    /// Passes a request to the plugin.
    ///
    /// # Errors
    ///
    /// The error that the plugin returns, or its panic.
    pub fn handle(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response, PluginError>> + Send + 'static + use<> {
        let reply = self.0.handle(request);
        async move { reply.await.into_result() }
    }

    /// Passes one presence event to the plugin.
    ///
    /// # Errors
    ///
    /// When the plugin refuses the event.
    pub fn on_presence(
        &self,
        session: &str,
        chat: &str,
        updates: &[PresenceUpdate<'_>],
    ) -> Result<(), PluginError> {
        self.0.on_presence(session.into(), chat.into(), updates.into()).into_result()
    }

    /// Passes any other engine event to the plugin.
    ///
    /// # Errors
    ///
    /// When the plugin refuses the event.
    pub fn on_event(&self, kind: &str, session: &str, data: &[u8]) -> Result<(), PluginError> {
        self.0.on_event(kind.into(), session.into(), RSlice::from(data)).into_result()
    }

    /// Exports the plugin's state.
    ///
    /// # Errors
    ///
    /// When the plugin keeps no state, or cannot write it.
    pub fn export_state(
        &self,
    ) -> impl Future<Output = Result<Snapshot, PluginError>> + Send + 'static + use<> {
        let reply = self.0.export_state();
        async move { reply.await.into_result() }
    }

    /// Stops the plugin.
    ///
    /// # Errors
    ///
    /// When the plugin fails to stop.
    pub fn stop(
        &self,
        deadline: Duration,
    ) -> impl Future<Output = Result<(), PluginError>> + Send + 'static + use<> {
        let reply = self.0.stop(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX));
        async move { reply.await.into_result() }
    }
}

impl fmt::Debug for LivePlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LivePlugin")
    }
}
