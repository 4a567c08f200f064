//! The gateway: engines and plugins put together, served over HTTP.
//!
//! ```no_run
//! use host_sdk::{Engine, Gateway, SessionSpec, loader};
//! use std::sync::Arc;
//!
//! async fn run(engine: impl Engine) -> Result<(), Box<dyn std::error::Error>> {
//!     let gateway = Gateway::builder()
//!         .engine(Arc::new(engine))
//!         .plugin(loader::load(loader::find("presence_plugin")?)?)
//!         .session(SessionSpec::new("default"))
//!         .build()?;
//!     gateway.start().await;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     gateway.serve(listener, std::future::pending()).await?;
//!     Ok(())
//! }
//! ```

use std::{
    fmt,
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::Router;
use host_abi::PluginError;
use host_delivery::{
    clock::{Clock, SystemClock},
    envelope::Envelope,
    event_bus::{DeliverySettings, EventBus, Leftovers},
    webhook::WebhookConfig,
};
use indexmap::IndexMap;
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Handle, time::Instant};

use crate::{
    engine::{Engine, Me},
    http::{Access, ApiKey, BrowserRules, ConnectionCounts, ConnectionLimits, Connections, router},
    plugins::{
        loader::{LoadedPlugin, PluginInfo},
        mounted::Mounted,
    },
    sessions::{Ending, Session, SessionConfig, SessionError, SessionSpec, Sessions},
    store::{MemoryStore, Store},
};

/// How long a graceful shutdown may take.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// The part of [`SHUTDOWN_GRACE`] that is kept for closing WebSockets once all is delivered.
const GOODBYE: Duration = Duration::from_millis(500);

/// A WAHA-like server. Cheap to clone; clones are one gateway.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    sessions_at_start: Arc<[Arc<Session>]>,
    routes: Router,
    access: Access,
    limits: ConnectionLimits,
}

/// What all parts of a gateway share.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bus: EventBus,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sessions: Sessions,
    pub(crate) started_ms: u64,
    pub(crate) connections: Arc<ConnectionCounts>,
    version: String,
    engines: IndexMap<String, Arc<dyn Engine>>,
    /// What the gateway's author says of their own paths.
    openapi: Value,
    /// Set once, when the gateway is built: a plugin's `create` may already ask its host.
    plugins: OnceLock<Arc<[Arc<Mounted>]>>,
}

impl Shared {
    pub(crate) fn plugins(&self) -> Arc<[Arc<Mounted>]> {
        self.plugins.get().cloned().unwrap_or_default()
    }

    /// The engine called `name`, or the first one.
    pub(crate) fn engine(&self, name: Option<&str>) -> Result<Arc<dyn Engine>, SessionError> {
        let found = match name {
            Some(name) => self.engines.get(name),
            None => self.engines.values().next(),
        };
        found.cloned().ok_or_else(|| SessionError::UnknownEngine {
            engine: name.unwrap_or("(default)").to_owned(),
            known: self.engines.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// The name of the engine that sessions get by default.
    pub(crate) fn default_engine(&self) -> &str {
        self.engines.keys().next().map_or("", String::as_str)
    }

    /// The version that the server says it has.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// What the gateway's author says of their own paths, as OpenAPI.
    pub(crate) fn openapi(&self) -> &Value {
        &self.openapi
    }

    /// WAHA's `environment` of an event of a session on `engine`.
    pub(crate) fn environment(&self, engine: &str) -> Value {
        json!({ "version": self.version, "engine": engine, "tier": "CORE", "browser": null })
    }

    pub(crate) fn envelope(
        &self,
        session: &str,
        engine: &str,
        config: &SessionConfig,
        me: Option<&Me>,
    ) -> Envelope {
        let me = me.and_then(|me| serde_json::to_value(me).ok());
        let environment = self.environment(engine);
        Envelope::new(session, engine, config.metadata.as_ref(), me.as_ref(), &environment)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Begins a gateway.
    #[must_use]
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder::default()
    }

    /// Starts the sessions that were configured to start. Answers when their engines have taken
    /// them up, which is before they work.
    pub async fn start(&self) {
        for session in &*self.sessions_at_start {
            session.start().await;
        }
    }

    /// Adds a session, and starts it if that is what it says.
    ///
    /// # Errors
    ///
    /// When the name is none or taken, the engine is not known, or there are too many sessions.
    pub async fn create_session(&self, spec: SessionSpec) -> Result<(), SessionError> {
        let start = spec.start;
        let session = self.shared.sessions.create(&self.shared, spec)?;
        if start {
            session.start().await;
        }
        Ok(())
    }

    /// Stops a session and forgets it, its webhooks, and what plugins know of it; there may be none.
    pub async fn delete_session(&self, name: &str) {
        self.shared.sessions.delete(name).await;
    }

    /// The names of the sessions, in the order in which they were created.
    #[must_use]
    pub fn sessions(&self) -> Vec<String> {
        self.shared.sessions.all().iter().map(|session| session.name().to_owned()).collect()
    }

    /// The HTTP interface, for a server of your own.
    pub fn router(&self) -> Router {
        router::build(&self.shared, self.routes.clone(), Some(self.access.clone()))
    }

    /// The same without asking for the key, for calls from within this program.
    pub fn router_without_key(&self) -> Router {
        router::build(&self.shared, self.routes.clone(), None)
    }

    /// Serves HTTP until `shutdown` is ready, then shuts down within [`SHUTDOWN_GRACE`].
    ///
    /// # Errors
    ///
    /// When the listener fails, or when others than this machine can reach it and there is no API key.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Leftovers, ServeError> {
        let address = listener.local_addr().map_err(ServeError::Listener)?;
        if self.access.key.is_none() && !address.ip().is_loopback() {
            return Err(ServeError::NoApiKey(address));
        }
        let mut connections = Connections::new(self.limits, self.shared.connections.clone());
        let router = self.router();
        let failed = tokio::select! {
            error = connections.accept(&listener, &router) => Some(error),
            () = shutdown => None,
        };
        drop(listener);
        if let Some(error) = failed {
            return Err(ServeError::Listener(error));
        }
        let deadline = Instant::now() + SHUTDOWN_GRACE;
        // WebSockets are told to close once all is delivered; what is left at the end is closed as it is.
        let closed = tokio::time::timeout_at(deadline, connections.end());
        let (leftovers, _) = tokio::join!(self.shutdown(SHUTDOWN_GRACE - GOODBYE), closed);
        Ok(leftovers)
    }

    /// Stops the sessions and the plugins, and delivers what waits; takes at most `grace`.
    pub async fn shutdown(&self, grace: Duration) -> Leftovers {
        let deadline = Instant::now() + grace;
        let sessions = self.shared.sessions.all();
        let stopping = sessions.iter().map(|session| session.shut_down(Ending::Stop));
        let stop = async {
            futures_util::future::join_all(stopping).await;
            for plugin in &*self.shared.plugins() {
                plugin.stop(deadline.saturating_duration_since(Instant::now())).await;
            }
        };
        if tokio::time::timeout_at(deadline, stop).await.is_err() {
            tracing::warn!("sessions or plugins did not stop within {grace:?}");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let leftovers = self.shared.bus.drain(left).await;
        tracing::info!(?leftovers, "stopped");
        leftovers
    }

    /// The plugins, in the order in which they were given.
    pub fn plugins(&self) -> impl Iterator<Item = &PluginInfo> {
        self.shared.plugins.get().into_iter().flat_map(|all| all.iter()).map(|plugin| plugin.info())
    }

    /// Where events go; to observe them.
    #[must_use]
    pub fn events(&self) -> &EventBus {
        &self.shared.bus
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// A gateway in the making.
#[derive(Default)]
pub struct GatewayBuilder {
    clock: Option<Arc<dyn Clock>>,
    store: Option<Arc<dyn Store>>,
    version: Option<String>,
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
    /// Takes all time from `clock`; the world's time otherwise.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Decides all chance: event ids and the jitter of retries.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.delivery.seed = seed;
        self
    }

    /// The version that events and `/api/server/version` tell.
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

    /// Asks callers for a key.
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

    /// Says of your own paths what the OpenAPI document and its page are to say: an object with `paths`,
    /// and `components.schemas` where they need some.
    #[must_use]
    pub fn openapi(mut self, part: Value) -> Self {
        self.openapi = part;
        self
    }

    /// Puts the gateway together. Its sessions are created, and started by [`Gateway::start`].
    ///
    /// # Errors
    ///
    /// When there is no tokio runtime or no engine, a plugin cannot be created, two plugins want the
    /// same path, or a session makes no sense.
    pub fn build(self) -> Result<Gateway, BuildError> {
        Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        if self.engines.is_empty() {
            return Err(BuildError::NoEngine);
        }
        router::check_routes(&self.plugins)?;
        let unknown = self
            .plugin_configs
            .keys()
            .find(|name| !self.plugins.iter().any(|plugin| plugin.info().name == **name));
        if let Some(name) = unknown {
            return Err(BuildError::ConfigForNobody(name.clone()));
        }
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let shared = Arc::new(Shared {
            started_ms: clock.now_ms(),
            connections: Arc::default(),
            bus: EventBus::new(clock.clone(), self.delivery),
            clock,
            store: self.store.unwrap_or_else(|| Arc::new(MemoryStore::default())),
            sessions: Sessions::default(),
            version: self.version.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
            engines: self.engines,
            openapi: self.openapi,
            plugins: OnceLock::new(),
        });
        let mut mounted = Vec::new();
        for plugin in self.plugins {
            let name = plugin.info().name.clone();
            let config = self.plugin_configs.get(&name);
            let config = config.map(|config| config.to_string().into_bytes()).unwrap_or_default();
            let plugin = Mounted::new(plugin, config, Arc::downgrade(&shared));
            mounted.push(plugin.map_err(|error| BuildError::Plugin { name, error })?);
        }
        // Nobody else has set it: the gateway is not out yet.
        let _ = shared.plugins.set(mounted.into());
        let mut at_start = Vec::new();
        for spec in self.sessions {
            let start = spec.start;
            let session = shared.sessions.create(&shared, spec)?;
            if start {
                at_start.push(session);
            }
        }
        let (routes, access, limits) = (self.routes, self.access, self.limits);
        Ok(Gateway { shared, sessions_at_start: at_start.into(), routes, access, limits })
    }
}

impl fmt::Debug for GatewayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayBuilder").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

/// Why a gateway could not be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// It was built outside of tokio.
    #[error("a gateway must be built inside a tokio runtime, for example under #[tokio::main]")]
    NoRuntime,
    /// Nothing speaks WhatsApp.
    #[error("a gateway needs an engine: call GatewayBuilder::engine")]
    NoEngine,
    /// A plugin refused to start.
    #[error("the plugin {name:?} does not start: {error}")]
    Plugin {
        /// The plugin's name.
        name: String,
        /// What it says.
        error: PluginError,
    },
    /// Two plugins have one name.
    #[error("there are two plugins called {0:?}; load one of them only")]
    SameName(String),
    /// Two plugins, or a plugin and the gateway, want one path.
    #[error("{method} {path} is wanted by the plugin {second:?} and is taken by {first}")]
    RouteTaken {
        /// The method of the second one's route.
        method: String,
        /// Its path.
        path: String,
        /// Who has it.
        first: String,
        /// Who wants it too.
        second: String,
    },
    /// A plugin's path is none.
    #[error("the plugin {plugin:?} has a bad route {method} {path}: {reason}")]
    BadRoute {
        /// The plugin's name.
        plugin: String,
        /// The route's method.
        method: String,
        /// The route's path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is a configuration for a plugin that is not there.
    #[error("there is a configuration for the plugin {0:?}, and no such plugin")]
    ConfigForNobody(String),
    /// A session makes no sense.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Why a gateway could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Others could use the sessions.
    #[error("an API key is needed to listen on {0}, which others than this machine can reach")]
    NoApiKey(std::net::SocketAddr),
    /// The listener failed.
    #[error("the listener failed")]
    Listener(#[source] std::io::Error),
}
