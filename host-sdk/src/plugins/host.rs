//! What a plugin may ask of the gateway: to log, emit, call engines, store, wait and run tasks.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use host_abi::{
    ErrorKind, Level, PluginError,
    abi::{BoxFuture, EmissionAbi, HostSide, StoreOp},
};
use host_delivery::{clock::Clock, event_bus::EventBus};
use tokio_util::sync::CancellationToken;

use crate::{
    sessions::{Session, Sessions},
    store::Store,
};

/// What every plugin uses of the gateway.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bus: EventBus,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) store: Arc<dyn Store>,
}

/// What one instance may ask of the gateway.
pub(super) struct PluginHost {
    plugin: Arc<str>,
    around: Arc<Surroundings>,
    /// Cancelled when the instance is dropped.
    tasks: CancellationToken,
}

impl PluginHost {
    pub(super) fn new(plugin: &str, around: Arc<Surroundings>, tasks: CancellationToken) -> Self {
        Self { plugin: plugin.into(), around, tasks }
    }

    fn session(&self, name: &str) -> Result<Arc<Session>, PluginError> {
        self.around.sessions.get_near(name).ok_or_else(|| {
            PluginError::new(ErrorKind::NOT_FOUND, format!("there is no session {name:?}"))
        })
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
        self.session(emission.session())?.emit(emission);
        Ok(())
    }

    fn engine(
        &self,
        op: &str,
        session: &str,
        args: Vec<u8>,
    ) -> BoxFuture<Result<Vec<u8>, PluginError>> {
        match self.session(session) {
            Ok(found) => {
                let call = found.engine().call(op, session, Bytes::from(args));
                Box::pin(async move { Ok(Vec::from(call.await?)) })
            }
            Err(error) => failed(error),
        }
    }

    fn store(
        &self,
        op: StoreOp,
        key: &str,
        value: Vec<u8>,
    ) -> BoxFuture<Result<Option<Vec<u8>>, PluginError>> {
        let store = &self.around.store;
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
        self.around.clock.now_ms()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.around.clock.sleep(duration)
    }

    fn spawn(&self, _: &str, task: BoxFuture<()>) {
        let tasks = self.tasks.clone();
        self.around.clock.spawn(Box::pin(async move {
            tasks.run_until_cancelled(task).await;
        }));
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
