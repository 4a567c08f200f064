//! The server without a gateway: what `mock-engine whatsapp` runs.

use super::server::{Options, WhatsApp};
use crate::{
    MockEngine, Scenario, Speed, control,
    player::Stage,
    scenario::{Action, Session},
    time::{Pace, VirtualClock},
};
use axum::Router;

/// A WhatsApp server that plays a scenario to the clients that log in.
#[derive(Clone, Debug)]
pub struct MockWhatsApp {
    stage: Stage,
    server: WhatsApp,
}

impl MockWhatsApp {
    /// A server that is not yet playing. Steps of the scenario that are about a gateway, what it
    /// subscribes to and what it shows, are left out: clients subscribe by themselves.
    pub fn new(mut scenario: Scenario, seed: Option<u64>, speed: Speed, options: Options) -> Self {
        if scenario.sessions.is_empty() {
            scenario.sessions.push(Session::new("default"));
        }
        scenario.subscribe = Some(Vec::new());
        let of_gateway =
            |action: &Action| matches!(action, Action::Expect(_) | Action::Subscribe(_));
        scenario.steps.retain(|step| !of_gateway(&step.action));
        let seed = seed.or(scenario.seed).unwrap_or_default();
        let start_ms = scenario.start_ms(speed.pace());
        let clock = match speed.pace() {
            Pace::Stepped => VirtualClock::stepped(start_ms),
            Pace::Running { speed } => VirtualClock::running(start_ms, speed),
        };
        let mock = MockEngine::on(&scenario, seed, clock.in_turns());
        let server = WhatsApp::new(mock.clone(), options);
        Self { stage: Stage::new(mock, speed), server }
    }

    /// Plays the scenario up to what happens at once, and lets time go on.
    pub async fn begin(&self) {
        self.stage.begin().await;
    }

    /// The engine, to drive it.
    pub fn engine(&self) -> &MockEngine {
        self.server.engine()
    }

    /// The server.
    pub fn server(&self) -> &WhatsApp {
        &self.server
    }

    /// Where clients connect: `/ws/chat`.
    pub fn clients(&self) -> Router {
        self.server.clients()
    }

    /// The control API, under `/mock`.
    pub fn control(&self) -> Router {
        control::routes(self.stage.clone()).merge(self.server.routes())
    }
}
