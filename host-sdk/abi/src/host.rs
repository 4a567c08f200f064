//! The host's services for a plugin.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use crate::{
    abi::{EmissionAbi, HostHandle, Key, Level, PluginError, StoreOp, cross_async},
    forward,
    guard::guard_async,
};

/// An event for the session's webhooks and websockets.
///
/// The host keeps the emissions of one lane in order, those with keys and those without. When a receiver is
/// too slow for all of them, a later emission may replace a waiting one of the same lane and keys; one
/// without keys is never replaced.
#[derive(Debug)]
pub struct Emission<'a> {
    /// The session that it belongs to.
    pub session: &'a str,
    /// The event's name, one of the manifest's `emits`.
    pub event: &'a str,
    /// The lane, for example a chat: emissions of one lane stay in order.
    pub lane: &'a str,
    /// The keys whose newest state it carries, for example participants.
    pub keys: &'a [Key<'a>],
    /// The payload, JSON.
    pub payload: Vec<u8>,
}

/// A plugin's handle to its host. Cheap to clone; usable from any thread.
#[derive(Clone)]
pub struct Host(Arc<HostHandle>);

impl Host {
    /// Wraps the handle that crossed the boundary.
    #[must_use]
    pub fn new(handle: HostHandle) -> Self {
        Self(Arc::new(handle))
    }

    /// The handle, for the library's log.
    pub(crate) fn handle(&self) -> &Arc<HostHandle> {
        &self.0
    }

    /// The host's time, in Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }

    /// Waits on the host's clock, which counts whole milliseconds; a fraction counts as a whole one.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        let ms = duration.as_nanos().div_ceil(1_000_000);
        // Over 500 million years are as good as for ever.
        self.0.sleep(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    /// Runs a task on the host's runtime until it ends or the instance is dropped. A panic in it is logged
    /// under `name`.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let guarded = guard_async(name, move || async move {
            task.await;
            Ok(())
        });
        let logged = async move {
            if let Err(error) = guarded.await.into_result() {
                forward::write(Level(1), name, error.message());
            }
        };
        self.0.spawn(name.into(), cross_async(logged));
    }

    /// Publishes an event to webhooks and websockets; never blocks.
    ///
    /// # Errors
    ///
    /// When the session does not exist, or no longer does.
    pub fn emit(&self, emission: Emission<'_>) -> Result<(), PluginError> {
        self.0.emit(EmissionAbi::new(emission)).into_result()
    }

    /// Asks the session's engine to do `op`; the arguments and the answer are JSON.
    ///
    /// # Errors
    ///
    /// When the engine refuses, does not answer in time, or does not know `op` or the session.
    pub fn engine(
        &self,
        op: &str,
        session: &str,
        args: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, PluginError>> + Send + 'static + use<> {
        let reply = self.0.engine(op.into(), session.into(), args.into());
        async move { reply.await.into_result().map(Vec::from) }
    }

    /// Reads a value of the plugin's own store.
    ///
    /// # Errors
    ///
    /// When the host's store fails.
    pub fn get(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, PluginError>> + Send + 'static + use<> {
        self.store(StoreOp::GET, key, Vec::new())
    }

    /// Writes a value of the plugin's own store and returns the previous one.
    ///
    /// # Errors
    ///
    /// When the host's store fails.
    pub fn put(
        &self,
        key: &str,
        value: Vec<u8>,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, PluginError>> + Send + 'static + use<> {
        self.store(StoreOp::PUT, key, value)
    }

    /// Removes a value of the plugin's own store and returns it.
    ///
    /// # Errors
    ///
    /// When the host's store fails.
    pub fn delete(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, PluginError>> + Send + 'static + use<> {
        self.store(StoreOp::DELETE, key, Vec::new())
    }

    fn store(
        &self,
        op: StoreOp,
        key: &str,
        value: Vec<u8>,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, PluginError>> + Send + 'static + use<> {
        let reply = self.0.store(op, key.into(), value.into());
        async move { reply.await.into_result().map(|value| value.into_option().map(Vec::from)) }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}
