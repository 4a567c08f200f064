//! A whole WAHA server on the mock engine, in memory: no network, no phone, and a clock that you hold.

use std::{fmt, path::PathBuf, sync::Arc};

use axum::http::Method;
use host_sdk::{
    ApiKey, BuildError, Gateway, GatewayBuilder, LoadError, LoadedPlugin, SessionError,
    SessionSpec, loader,
};
use serde_json::Value;
use thiserror::Error;

use crate::{
    control,
    delay::Delay,
    engine::MockEngine,
    player::{Answer, App, Stage, Unmet},
    scenario::{ENGINES, Scenario},
    time::{Pace, Speed, VirtualClock},
    whatsapp::{Options, WhatsApp},
};

/// A gateway with the presence plugin on a [`MockEngine`].
///
/// ```no_run
/// # async fn test() -> Result<(), Box<dyn std::error::Error>> {
/// use mock_engine::MockWaha;
///
/// let waha = MockWaha::start("[contacts.alice]\nphone = \"5511999990001\"").await?;
/// waha.engine().contact("alice").types().await?;
/// let answer = waha.get("/api/default/presence/5511999990001@c.us").await;
/// assert_eq!(answer.body["presences"][0]["lastKnownPresence"], "typing");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MockWaha {
    stage: Stage,
    gateway: Gateway,
    whatsapp: WhatsApp,
}

impl MockWaha {
    /// Begins a server.
    pub fn builder() -> MockWahaBuilder {
        MockWahaBuilder::default()
    }

    /// A server on a stepped clock that plays a scenario, given as TOML, with the presence plugin that
    /// was built beside this program.
    ///
    /// # Errors
    ///
    /// Fails when the scenario is wrong, and when the plugin cannot be found or loaded.
    pub async fn start(scenario: &str) -> Result<Self, StartError> {
        let scenario = Scenario::parse(scenario)?;
        let waha = Self::builder().scenario(scenario).build()?;
        waha.begin().await;
        Ok(waha)
    }

    /// Starts the sessions, and plays the scenario up to what happens at once.
    pub async fn begin(&self) {
        self.gateway.start().await;
        self.stage.begin().await;
    }

    /// Makes everything as it was at the start, and plays the scenario that is given or the one that was
    /// there. Without sessions of its own it gets those of the start.
    ///
    /// # Errors
    ///
    /// Fails when the gateway does not take a session; the others are there then.
    pub async fn reset(&self, scenario: Option<Scenario>) -> Result<(), SessionError> {
        self.stage.reset(scenario).await
    }

    /// Stops the scenario between two of its steps; the world stays as it is.
    pub async fn stop_playing(&self) {
        self.stage.stop_playing().await;
    }

    /// The engine, to drive it.
    pub fn engine(&self) -> &MockEngine {
        self.stage.mock()
    }

    /// The WhatsApp server on the same world, to serve it to real clients.
    pub fn whatsapp(&self) -> &WhatsApp {
        &self.whatsapp
    }

    /// The gateway, to serve it.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Asks for a path.
    ///
    /// The first request for a chat that was not subscribed to waits up to a second for WhatsApp to
    /// tell how it is, by the clock: where nothing comes and time is stepped, [`advance`](Self::advance)
    /// beside it, or subscribe first.
    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, None).await
    }

    /// Posts to a path.
    pub async fn post(&self, path: &str, body: impl Into<Option<Value>>) -> Answer {
        self.request(Method::POST, path, body.into().as_ref()).await
    }

    /// Any request; it sees all that was done before, and answers when all that it caused has been
    /// applied.
    pub async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.engine().settled().await;
        let app = self.stage.app().cloned();
        let answer = match app {
            Some(app) => app.request(method, path, body).await,
            None => Answer { status: axum::http::StatusCode::NOT_FOUND, body: Value::Null },
        };
        self.engine().settled().await;
        answer
    }

    /// Moves the clock on; answers when all that fell due has been applied.
    pub async fn advance(&self, by: Delay) {
        self.engine().clock().advance(by.duration()).await;
        self.stage.settled().await;
    }

    /// The expectations of the scenario that did not hold so far.
    pub fn unmet(&self) -> Vec<Unmet> {
        self.stage.unmet()
    }
}

impl fmt::Debug for MockWaha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockWaha").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}

/// A server in the making.
#[derive(Default)]
pub struct MockWahaBuilder {
    scenario: Scenario,
    seed: Option<u64>,
    speed: Speed,
    plugin: Option<PathBuf>,
    api_key: Option<ApiKey>,
    whatsapp: Options,
    configure: Option<Box<dyn FnOnce(GatewayBuilder) -> GatewayBuilder + Send>>,
}

impl MockWahaBuilder {
    /// Plays this scenario; none otherwise.
    #[must_use]
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }

    /// Decides all chance; the scenario's seed otherwise, or 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Lets time go so fast; stepped otherwise.
    #[must_use]
    pub fn speed(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// Loads the plugin from this file; from beside the program otherwise.
    #[must_use]
    pub fn plugin(mut self, file: impl Into<PathBuf>) -> Self {
        self.plugin = Some(file.into());
        self
    }

    /// Asks callers for a key.
    #[must_use]
    pub fn api_key(mut self, key: ApiKey) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Sets up the WhatsApp server.
    #[must_use]
    pub fn whatsapp(mut self, options: Options) -> Self {
        self.whatsapp = options;
        self
    }

    /// Has a say in how the gateway is built: webhooks, a plugin's configuration.
    #[must_use]
    pub fn gateway(
        mut self,
        configure: impl FnOnce(GatewayBuilder) -> GatewayBuilder + Send + 'static,
    ) -> Self {
        self.configure = Some(Box::new(configure));
        self
    }

    /// Puts the server together; [`MockWaha::begin`] starts it.
    ///
    /// # Errors
    ///
    /// Fails when the plugin cannot be found or loaded, and when the gateway does not take it.
    pub fn build(self) -> Result<MockWaha, StartError> {
        let file = match self.plugin {
            Some(file) => file,
            None => loader::find("presence_plugin")?,
        };
        let plugin: LoadedPlugin = loader::load(&file)?;
        let mut scenario = self.scenario;
        if scenario.sessions.is_empty() {
            scenario.sessions.push(crate::scenario::Session::new("default"));
        }
        let seed = self.seed.or(scenario.seed).unwrap_or_default();
        let pace = self.speed.pace();
        let start_ms = scenario.start_ms(pace);
        let clock = match pace {
            Pace::Stepped => VirtualClock::stepped(start_ms),
            Pace::Running { speed } => VirtualClock::running(start_ms, speed),
        };
        let clock = clock.in_turns();
        let mock = MockEngine::on(&scenario, seed, clock.clone());
        let stage = Stage::new(mock.clone(), self.speed);
        let whatsapp = WhatsApp::new(mock.clone(), self.whatsapp);
        let mut builder = Gateway::builder()
            .clock(Arc::new(clock))
            .seed(seed)
            .engine(mock.noweb())
            .plugin(plugin)
            .routes(control::routes(stage.clone()).merge(whatsapp.routes()))
            .openapi(control::openapi());
        // A reset may bring sessions on engines that the scenario of the start does not have.
        for engine in ENGINES.into_iter().filter(|engine| *engine != "NOWEB") {
            builder = builder.engine(mock.engine(engine));
        }
        for session in &scenario.sessions {
            builder = builder.session(SessionSpec::new(&session.name).engine(&session.engine));
        }
        if let Some(key) = self.api_key {
            builder = builder.api_key(key);
        }
        if let Some(configure) = self.configure {
            builder = configure(builder);
        }
        let gateway = builder.build()?;
        stage.set_app(App::new(gateway.clone(), scenario.sessions));
        Ok(MockWaha { stage, gateway, whatsapp })
    }
}

impl fmt::Debug for MockWahaBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockWahaBuilder")
            .field("scenario", &self.scenario.name)
            .field("seed", &self.seed)
            .field("speed", &self.speed)
            .field("plugin", &self.plugin)
            .finish_non_exhaustive()
    }
}

/// Why a server does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The scenario is wrong.
    #[error(transparent)]
    Scenario(#[from] crate::scenario::ScenarioError),
    /// The plugin cannot be found or loaded.
    #[error(transparent)]
    Plugin(#[from] LoadError),
    /// The gateway does not take it.
    #[error(transparent)]
    Gateway(#[from] BuildError),
}
