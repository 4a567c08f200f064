//! A plugin in its place: its instance, what it may ask of the gateway, and what its panics lead to.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use host_abi::{
    ErrorKind, Level, PluginError, PresenceUpdate, Request, Response,
    abi::{BoxFuture, EmissionAbi, HostSide, LivePlugin, StoreOp},
};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use super::loader::LoadedPlugin;
use crate::gateway::Shared;

/// After so many panics an instance is taken to be broken, and is made anew from its own snapshot.
pub(crate) const PANIC_BUDGET: u32 = 8;

#[derive(Debug)]
pub(crate) struct Mounted {
    plugin: LoadedPlugin,
    config: Vec<u8>,
    gateway: Weak<Shared>,
    live: RwLock<Arc<LivePlugin>>,
    panics: AtomicU32,
}

impl Mounted {
    pub(crate) fn new(
        plugin: LoadedPlugin,
        config: Vec<u8>,
        gateway: Weak<Shared>,
    ) -> Result<Arc<Self>, PluginError> {
        let host = PluginHost::new(&plugin, gateway.clone());
        let live = plugin.create(host, &config, None)?;
        let live = RwLock::new(Arc::new(live));
        Ok(Arc::new(Self { plugin, config, gateway, live, panics: AtomicU32::new(0) }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.plugin.info().name
    }

    pub(crate) fn info(&self) -> &crate::PluginInfo {
        self.plugin.info()
    }

    pub(crate) fn works_with(&self, engine: &str) -> bool {
        let engines = &self.info().engines;
        engines.is_empty() || engines.iter().any(|name| name == engine)
    }

    pub(crate) async fn handle(
        self: &Arc<Self>,
        request: Request,
    ) -> Result<Response, PluginError> {
        let live = self.live.read().clone();
        let answer = live.handle(request).await;
        self.watch(answer)
    }

    pub(crate) fn on_presence(
        self: &Arc<Self>,
        session: &str,
        chat: &str,
        updates: &[PresenceUpdate<'_>],
    ) {
        let result = self.live.read().on_presence(session, chat, updates);
        self.report(session, "presence", result);
    }

    pub(crate) fn on_event(self: &Arc<Self>, kind: &str, session: &str, data: &[u8]) {
        if !self.info().consumes.iter().any(|consumed| consumed == kind) {
            return;
        }
        let result = self.live.read().on_event(kind, session, data);
        self.report(session, kind, result);
    }

    pub(crate) async fn stop(&self, deadline: Duration) {
        let live = self.live.read().clone();
        if let Err(error) = live.stop(deadline).await {
            tracing::warn!(plugin = self.name(), %error, "the plugin failed to stop");
        }
    }

    fn report(self: &Arc<Self>, session: &str, kind: &str, result: Result<(), PluginError>) {
        if let Err(error) = self.watch(result) {
            tracing::warn!(plugin = self.name(), session, kind, %error, "the plugin refused an event");
        }
    }

    /// Counts panics; past the budget, has the instance made anew.
    fn watch<T>(self: &Arc<Self>, result: Result<T, PluginError>) -> Result<T, PluginError> {
        let panicked = matches!(&result, Err(error) if error.kind() == ErrorKind::PANIC);
        if panicked && let Some(gateway) = self.gateway.upgrade() {
            gateway.bus.metrics().plugin_panicked(self.name());
            if self.panics.fetch_add(1, Ordering::Relaxed) + 1 == PANIC_BUDGET {
                let mounted = self.clone();
                gateway.clock.spawn(Box::pin(async move { mounted.make_anew().await }));
            }
        }
        result
    }

    async fn make_anew(self: Arc<Self>) {
        let old = self.live.read().clone();
        let snapshot = match old.export_state().await {
            Ok(snapshot) => Some(snapshot),
            Err(error) => {
                tracing::error!(plugin = self.name(), %error, "the plugin's state is lost");
                None
            }
        };
        let host = PluginHost::new(&self.plugin, self.gateway.clone());
        match self.plugin.create(host, &self.config, snapshot) {
            Ok(live) => {
                *self.live.write() = Arc::new(live);
                tracing::warn!(plugin = self.name(), "made anew after {PANIC_BUDGET} panics");
            }
            Err(error) => {
                tracing::error!(plugin = self.name(), %error, "could not be made anew; goes on as it is");
            }
        }
        self.panics.store(0, Ordering::Relaxed);
    }
}

/// What one instance may ask of the gateway. Its tasks end with it.
struct PluginHost {
    plugin: Arc<str>,
    gateway: Weak<Shared>,
    /// Ends its tasks.
    cancelled: CancellationToken,
}

impl PluginHost {
    fn new(plugin: &LoadedPlugin, gateway: Weak<Shared>) -> Self {
        let plugin = plugin.info().name.as_str().into();
        Self { plugin, gateway, cancelled: CancellationToken::new() }
    }

    fn gateway(&self) -> Result<Arc<Shared>, PluginError> {
        let stopped = || PluginError::new(ErrorKind::UNAVAILABLE, "the gateway is shutting down");
        self.gateway.upgrade().ok_or_else(stopped)
    }
}

fn failed<T: Send + 'static>(error: PluginError) -> BoxFuture<Result<T, PluginError>> {
    Box::pin(std::future::ready(Err(error)))
}

impl HostSide for PluginHost {
    fn log_enabled(&self, level: Level, _: &str) -> bool {
        level_of(level) <= tracing::level_filters::LevelFilter::current()
    }

    fn log(&self, level: Level, target: &str, message: &str) {
        let plugin = &*self.plugin;
        match level_of(level) {
            tracing::Level::ERROR => tracing::error!(plugin, target, "{message}"),
            tracing::Level::WARN => tracing::warn!(plugin, target, "{message}"),
            tracing::Level::INFO => tracing::info!(plugin, target, "{message}"),
            tracing::Level::DEBUG => tracing::debug!(plugin, target, "{message}"),
            tracing::Level::TRACE => tracing::trace!(plugin, target, "{message}"),
        }
    }

    fn emit(&self, emission: &EmissionAbi<'_>) -> Result<(), PluginError> {
        let session = self.gateway()?.sessions.get(emission.session()).ok_or_else(|| {
            let message = format!("there is no session {:?}", emission.session());
            PluginError::new(ErrorKind::NOT_FOUND, message)
        })?;
        session.emit(emission);
        Ok(())
    }

    fn engine(
        &self,
        op: &str,
        session: &str,
        args: Vec<u8>,
    ) -> BoxFuture<Result<Vec<u8>, PluginError>> {
        let gateway = match self.gateway() {
            Ok(gateway) => gateway,
            Err(error) => return failed(error),
        };
        let Some(found) = gateway.sessions.get(session) else {
            let message = format!("there is no session {session:?}");
            return failed(PluginError::new(ErrorKind::NOT_FOUND, message));
        };
        let call = found.engine().call(op, session, Bytes::from(args));
        let subscribes = op.ends_with("Subscribe");
        Box::pin(async move {
            let answer = call.await?;
            if subscribes {
                gateway.bus.metrics().subscribed(found.name());
            }
            Ok(Vec::from(answer))
        })
    }

    fn store(
        &self,
        op: StoreOp,
        key: &str,
        value: Vec<u8>,
    ) -> BoxFuture<Result<Option<Vec<u8>>, PluginError>> {
        let store = match self.gateway() {
            Ok(gateway) => gateway.store.clone(),
            Err(error) => return failed(error),
        };
        let answer = match op {
            StoreOp::GET => store.get(&self.plugin, key),
            StoreOp::PUT => store.set(&self.plugin, key, Some(value)),
            StoreOp::DELETE => store.set(&self.plugin, key, None),
            StoreOp(other) => {
                let message = format!("this host has no store operation {other}");
                return failed(PluginError::new(ErrorKind::UNSUPPORTED, message));
            }
        };
        Box::pin(async move {
            answer.await.map_err(|error| PluginError::new(ErrorKind::INTERNAL, error.to_string()))
        })
    }

    fn now_ms(&self) -> u64 {
        self.gateway.upgrade().map_or(0, |gateway| gateway.clock.now_ms())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        match self.gateway.upgrade() {
            Some(gateway) => gateway.clock.sleep(duration),
            // The task that sleeps ends with the gateway.
            None => Box::pin(std::future::pending()),
        }
    }

    fn spawn(&self, _: &str, task: BoxFuture<()>) {
        let Some(gateway) = self.gateway.upgrade() else { return };
        let cancelled = self.cancelled.clone();
        gateway.clock.spawn(Box::pin(async move {
            cancelled.run_until_cancelled(task).await;
        }));
    }
}

impl Drop for PluginHost {
    fn drop(&mut self) {
        self.cancelled.cancel();
    }
}

fn level_of(level: Level) -> tracing::Level {
    match level.0 {
        0 | 1 => tracing::Level::ERROR,
        2 => tracing::Level::WARN,
        3 => tracing::Level::INFO,
        4 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    }
}
