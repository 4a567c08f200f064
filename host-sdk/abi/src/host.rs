//! What a plugin may ask of its host.

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
    /// What must stay in order, for example a chat.
    pub lane: &'a str,
    /// What it tells the newest state of, for example participants.
    pub keys: &'a [Key<'a>],
    /// The payload, JSON.
    pub payload: Vec<u8>,
}

/// The host, as a plugin sees it. Cheap to clone.
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

    /// Waits on the host's clock.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.0.sleep(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    /// Runs a task on the host's runtime. It ends by itself or with the instance; a panic in it is
    /// logged under `name`.
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

    /// Publishes an event to whoever listens; never blocks.
    ///
    /// # Errors
    ///
    /// When the session does not exist (any more).
    pub fn emit(&self, emission: Emission<'_>) -> Result<(), PluginError> {
        self.0.emit(EmissionAbi::new(emission)).into_result()
    }

    /// Asks the session's engine for `op`, with arguments and an answer in JSON.
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

    /// Writes a value of the plugin's own store; answers the one before it.
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

    /// Removes a value of the plugin's own store; answers it.
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
