//! A plugin in its place: its instance, the events and requests that reach it, and what its panics
//! lead to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use host_abi::{
    ErrorKind, PluginError, PresenceUpdate, Request, Response, Snapshot, abi::LivePlugin,
};
use parking_lot::RwLock;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    host::{PluginHost, Surroundings},
    loader::{LoadedPlugin, PluginInfo},
};
use crate::sessions::listener::Listener;

/// After this many panics an instance counts as broken, and is restarted from its own snapshot.
pub(crate) const PANIC_BUDGET: u32 = 8;

/// A plugin of a gateway.
///
/// Owned by the gateway's parts and by the sessions' workers. Requests and workers call the instance
/// side by side; only a restart writes `instance`, and calls that are under way finish on the old one.
#[derive(Debug)]
pub(crate) struct Mounted {
    plugin: LoadedPlugin,
    config: Vec<u8>,
    around: Arc<Surroundings>,
    instance: RwLock<Arc<Instance>>,
    panics: AtomicU32,
}

/// An instance, whose tasks end with it.
#[derive(Debug)]
struct Instance {
    live: LivePlugin,
    _tasks: DropGuard,
}

impl Mounted {
    /// Creates the plugin's first instance; `config` is JSON or empty.
    pub(crate) fn new(
        plugin: LoadedPlugin,
        config: Vec<u8>,
        around: Arc<Surroundings>,
    ) -> Result<Arc<Self>, PluginError> {
        let instance = RwLock::new(create(&plugin, &config, &around, None)?);
        let panics = AtomicU32::new(0);
        Ok(Arc::new(Self { plugin, config, around, instance, panics }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.info().name
    }

    pub(crate) fn info(&self) -> &PluginInfo {
        self.plugin.info()
    }

    pub(crate) async fn handle(
        self: &Arc<Self>,
        request: Request,
    ) -> Result<Response, PluginError> {
        let instance = self.instance();
        let answer = instance.live.handle(request).await;
        self.watch(&answer);
        answer
    }

    pub(crate) async fn stop(&self, deadline: Duration) {
        if let Err(error) = self.instance().live.stop(deadline).await {
            tracing::warn!(plugin = self.name(), %error, "the plugin failed to stop");
        }
    }

    fn instance(&self) -> Arc<Instance> {
        self.instance.read().clone()
    }

    fn report(self: &Arc<Self>, session: &str, kind: &str, result: Result<(), PluginError>) {
        self.watch(&result);
        if let Err(error) = result {
            tracing::warn!(plugin = self.name(), session, kind, %error, "the plugin refused an event");
        }
    }

    /// Counts panics; past the budget, has the instance restarted.
    fn watch<T>(self: &Arc<Self>, result: &Result<T, PluginError>) {
        let panicked = matches!(result, Err(error) if error.kind() == ErrorKind::PANIC);
        if panicked {
            self.around.bus.metrics().plugin_panicked(self.name());
            if self.panics.fetch_add(1, Ordering::Relaxed) + 1 == PANIC_BUDGET {
                let mounted = self.clone();
                self.around.clock.spawn(Box::pin(async move { mounted.restart().await }));
            }
        }
    }

    async fn restart(&self) {
        let snapshot = match self.instance().live.export_state().await {
            Ok(snapshot) => Some(snapshot),
            Err(error) => {
                tracing::error!(plugin = self.name(), %error, "the plugin's state is lost");
                None
            }
        };
        match create(&self.plugin, &self.config, &self.around, snapshot) {
            Ok(instance) => {
                *self.instance.write() = instance;
                tracing::warn!(plugin = self.name(), "restarted after {PANIC_BUDGET} panics");
            }
            Err(error) => {
                tracing::error!(plugin = self.name(), %error, "failed to restart; continues as it is");
            }
        }
        self.panics.store(0, Ordering::Relaxed);
    }
}

fn create(
    plugin: &LoadedPlugin,
    config: &[u8],
    around: &Arc<Surroundings>,
    snapshot: Option<Snapshot>,
) -> Result<Arc<Instance>, PluginError> {
    let tasks = CancellationToken::new();
    let host = PluginHost::new(&plugin.info().name, around.clone(), tasks.clone());
    let live = plugin.create(host, config, snapshot)?;
    Ok(Arc::new(Instance { live, _tasks: tasks.drop_guard() }))
}

impl Listener for Arc<Mounted> {
    fn works_with(&self, engine: &str) -> bool {
        self.info().works_with(engine)
    }

    fn on_presence(&self, session: &str, chat: &str, updates: &[PresenceUpdate<'_>]) {
        let result = self.instance.read().live.on_presence(session, chat, updates);
        self.report(session, "presence", result);
    }

    fn on_event(&self, kind: &str, session: &str, data: &[u8]) {
        if self.info().consumes.iter().any(|consumed| consumed == kind) {
            let result = self.instance.read().live.on_event(kind, session, data);
            self.report(session, kind, result);
        }
    }
}
