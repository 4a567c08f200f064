//! The builder of a gateway.

use std::{collections::BTreeSet, fmt, sync::Arc};

use axum::Router;
use host_delivery::{
    clock::{Clock, SystemClock},
    event_bus::{DeliverySettings, EventBus},
    webhook::WebhookConfig,
};
use indexmap::IndexMap;
use serde_json::Value;
use tokio::runtime::Handle;

use super::{BuildError, Gateway};
use crate::{
    engine::Engine,
    http::{Access, ApiKey, BrowserRules, ConnectionLimits, Docs, Own, routes},
    parts::Parts,
    plugins::{host::Surroundings, loader::LoadedPlugin, mounted::Mounted},
    sessions::{SessionError, SessionSpec, Sessions},
    store::{MemoryStore, Store},
};

/// Collects what a gateway is made of.
#[derive(Default)]
pub struct GatewayBuilder {
    clock: Option<Arc<dyn Clock>>,
    store: Option<Arc<dyn Store>>,
    version: Option<String>,
    worker_id: Option<String>,
    default_engine: Option<String>,
    engines: IndexMap<String, Arc<dyn Engine>>,
    plugins: Vec<LoadedPlugin>,
    plugin_configs: IndexMap<String, Value>,
    sessions: Vec<SessionSpec>,
    delivery: DeliverySettings,
    access: Access,
    limits: ConnectionLimits,
    routes: Router,
    openapi: Value,
}

impl GatewayBuilder {
    /// Takes all time from `clock`; from the system's clock otherwise.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Seeds all randomness: event ids and the jitter of retries.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.delivery.seed = seed;
        self
    }

    /// The version that events and `/api/server/version` carry.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Adds an engine. Sessions that name none run on the first.
    #[must_use]
    pub fn engine(mut self, engine: Arc<dyn Engine>) -> Self {
        self.engines.insert(engine.name().to_owned(), engine);
        self
    }

    /// Adds a plugin.
    #[must_use]
    pub fn plugin(mut self, plugin: LoadedPlugin) -> Self {
        self.plugins.push(plugin);
        self
    }

    /// Configures the plugin called `name`.
    #[must_use]
    pub fn plugin_config(mut self, name: impl Into<String>, config: Value) -> Self {
        self.plugin_configs.insert(name.into(), config);
        self
    }

    /// Keeps what plugins store in `store`; in memory otherwise.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Adds a session.
    #[must_use]
    pub fn session(mut self, session: SessionSpec) -> Self {
        self.sessions.push(session);
        self
    }

    /// Adds a webhook for the events of all sessions.
    #[must_use]
    pub fn webhook(mut self, webhook: WebhookConfig) -> Self {
        self.delivery.global_webhooks.push(webhook);
        self
    }

    /// Sets how events are delivered. Keeps the webhooks and the seed that were set before.
    #[must_use]
    pub fn delivery(mut self, mut settings: DeliverySettings) -> Self {
        settings.seed = self.delivery.seed;
        settings.global_webhooks.splice(0..0, self.delivery.global_webhooks);
        self.delivery = settings;
        self
    }

    /// Requires a key of callers.
    #[must_use]
    pub fn api_key(mut self, key: ApiKey) -> Self {
        self.access.key = Some(key);
        self
    }

    /// Leaves these paths, and what is below them, open to callers without the key.
    #[must_use]
    pub fn open_paths(mut self, paths: impl IntoIterator<Item = String>) -> Self {
        self.access.open_paths = paths.into_iter().collect();
        self
    }

    /// Sets which pages may use the server from a browser.
    #[must_use]
    pub fn browsers(mut self, rules: BrowserRules) -> Self {
        self.access.browsers = rules;
        self
    }

    /// Sets who may read the API documentation.
    #[must_use]
    pub fn docs(mut self, docs: Docs) -> Self {
        self.access.docs = docs;
        self
    }

    /// Names this server among several (`worker.id` of WAHA's `GET /api/server/status`).
    #[must_use]
    pub fn worker_id(mut self, id: impl Into<String>) -> Self {
        self.worker_id = Some(id.into());
        self
    }

    /// Runs sessions that name no engine on the engine called `name`, not on the first.
    #[must_use]
    pub fn default_engine(mut self, name: impl Into<String>) -> Self {
        self.default_engine = Some(name.into());
        self
    }

    /// Bounds what clients' connections may take.
    #[must_use]
    pub fn connection_limits(mut self, limits: ConnectionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds paths of your own, behind the same key and the same limits.
    #[must_use]
    pub fn routes(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Describes your own paths in the OpenAPI document: an object with `paths`, and with
    /// `components.schemas` where they need them.
    #[must_use]
    pub fn openapi(mut self, part: Value) -> Self {
        self.openapi = part;
        self
    }

    /// Builds the gateway. Creates its sessions, which [`Gateway::start`] starts.
    ///
    /// # Errors
    ///
    /// When there is no tokio runtime or no engine, a plugin cannot be created, two plugins claim the
    /// same path, a session is invalid, or the default engine is unknown.
    pub fn build(mut self) -> Result<Gateway, BuildError> {
        Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        if self.engines.is_empty() {
            return Err(BuildError::NoEngine);
        }
        if let Some(name) = &self.default_engine {
            let Some(at) = self.engines.get_index_of(name) else {
                let known = self.engines.keys().cloned().collect::<Vec<_>>().join(", ");
                return Err(SessionError::UnknownEngine { engine: name.clone(), known }.into());
            };
            self.engines.move_index(at, 0);
        }
        let mut names = BTreeSet::new();
        if let Some(twin) = self.plugins.iter().find(|it| !names.insert(&*it.info().name)) {
            return Err(BuildError::SameName(twin.info().name.clone()));
        }
        if let Some(name) = self.plugin_configs.keys().find(|name| !names.contains(&***name)) {
            return Err(BuildError::UnknownPlugin(name.clone()));
        }
        routes::check(&self.plugins)?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let bus = EventBus::new(clock.clone(), self.delivery);
        let version = self.version.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
        let sessions = Sessions::new(clock.clone(), bus.clone(), version, self.engines);
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::default()));
        let around = Arc::new(Surroundings {
            clock: clock.clone(),
            bus: bus.clone(),
            sessions: sessions.clone(),
            store,
        });
        let mount = |plugin: LoadedPlugin| {
            let name = plugin.info().name.clone();
            let config = self.plugin_configs.get(&name);
            let config = config.map(|config| config.to_string().into_bytes()).unwrap_or_default();
            Mounted::new(plugin, config, around.clone())
                .map_err(|error| BuildError::Plugin { name, error })
        };
        let plugins = self.plugins.into_iter().map(mount).collect::<Result<_, _>>()?;
        let started_ms = clock.now_ms();
        let parts = Arc::new(Parts {
            clock,
            bus,
            sessions,
            plugins,
            started_ms,
            worker_id: self.worker_id,
        });
        let mut at_start = Vec::new();
        for spec in self.sessions {
            let start = spec.start;
            let session = parts.create_session(spec)?;
            if start {
                at_start.push(session);
            }
        }
        let own = Own { routes: self.routes, openapi: self.openapi };
        let (access, limits) = (self.access, self.limits);
        let (sessions_at_start, connections) = (at_start.into(), Arc::default());
        Ok(Gateway { parts, sessions_at_start, own, access, limits, connections })
    }
}

impl fmt::Debug for GatewayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayBuilder").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}
