//! Plays a scenario: waits for each step's time on the clock, and does it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode},
};
use host_sdk::{Clock, Gateway, SessionError, SessionSpec};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tower::ServiceExt;

use crate::{
    delay::Delay,
    engine::{MockEngine, MockError},
    scenario::{Action, Due, Expect, ExpectPresence, Is, Scenario, Session},
    world::Act,
};

/// The largest answer that is read in memory, in bytes.
const ANSWER_LIMIT: usize = 256 * 1024 * 1024;

/// How many broken expectations are kept.
const UNMET_LIMIT: usize = 1_000;

/// An engine and the application in front of it. Cheap to clone; clones are one stage.
#[derive(Clone, Debug)]
pub(crate) struct Stage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mock: MockEngine,
    app: OnceLock<App>,
    unmet: Mutex<Vec<Unmet>>,
    /// One reset at a time.
    resetting: tokio::sync::Mutex<()>,
}

/// An expectation of a scenario that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// How long after the start.
    pub at: Delay,
    /// Where it is written: `file:line`.
    pub source: String,
    /// What was expected, and what was there.
    pub message: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {}): {}", self.source, self.at, self.message)
    }
}

impl Stage {
    pub(crate) fn new(mock: MockEngine) -> Self {
        let (unmet, resetting) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Inner { mock, app: OnceLock::new(), unmet, resetting }))
    }

    /// Puts an application in front of the engine: it subscribes, and is asked what it shows.
    pub(crate) fn set_app(&self, app: App) {
        // The first one stays, and there is one only.
        let _ = self.0.app.set(app);
    }

    pub(crate) fn mock(&self) -> &MockEngine {
        &self.0.mock
    }

    pub(crate) fn app(&self) -> Option<&App> {
        self.0.app.get()
    }

    /// Makes everything as it was at the start, and plays the scenario that is given or the one that was
    /// there. Without sessions of its own it gets those of the start.
    ///
    /// # Errors
    ///
    /// Fails when the gateway does not take a session; the others are there then.
    pub(crate) async fn reset(&self, scenario: Option<Scenario>) -> Result<(), SessionError> {
        let _alone = self.0.resetting.lock().await;
        let mock = self.mock();
        mock.stop_playing();
        let same = || Scenario { seed: Some(mock.seed()), ..(*mock.scenario()).clone() };
        let mut scenario = scenario.unwrap_or_else(same);
        let Some(app) = self.app() else {
            mock.reset(Some(scenario)).await;
            return Ok(());
        };
        if scenario.sessions.is_empty() || scenario.sessions == [Session::new("default")] {
            scenario.sessions = app.sessions.to_vec();
        }
        for session in app.gateway.sessions() {
            app.gateway.delete_session(&session).await;
        }
        let sessions = scenario.sessions.clone();
        mock.reset(Some(scenario)).await;
        app.gateway.events().hurry();
        self.forget_unmet();
        for session in sessions {
            let spec = SessionSpec::new(session.name).engine(session.engine);
            app.gateway.create_session(spec).await?;
        }
        mock.settled().await;
        self.play().await;
        mock.settled().await;
        Ok(())
    }

    /// The expectations that did not hold.
    pub(crate) fn unmet(&self) -> Vec<Unmet> {
        self.0.unmet.lock().clone()
    }

    fn forget_unmet(&self) {
        self.0.unmet.lock().clear();
    }

    /// Plays the engine's scenario from now on; answers once its subscriptions are made.
    pub(crate) async fn play(&self) {
        let (prepared, ready) = oneshot::channel();
        let stage = self.clone();
        let player = self.mock().spawn(async move { stage.run(prepared).await });
        self.mock().set_player(player);
        // The player is gone when the stage is reset meanwhile.
        let _ = ready.await;
    }

    async fn run(&self, prepared: oneshot::Sender<()>) {
        let mock = self.mock();
        let scenario = mock.scenario();
        let start_ms = mock.now_ms();
        for session in scenario.sessions.iter().filter(|session| session.engine == "NOWEB") {
            self.subscribe(&session.name, &scenario.all_subscriptions()).await;
        }
        mock.applied().await;
        let _ = prepared.send(());
        let ends = scenario.duration.map(Delay::as_millis);
        let mut timeline = scenario.timeline(mock.seed(), start_ms).peekable();
        while let Some(first) = timeline.next() {
            let at = first.at;
            if ends.is_some_and(|end| at.as_millis() > end) && !repeats_for_ever(&scenario) {
                break;
            }
            let mut together = each_session(&scenario, first);
            while let Some(next) = timeline.next_if(|next| next.at == at) {
                together.extend(each_session(&scenario, next));
            }
            let left = (start_ms + at.as_millis()).saturating_sub(mock.now_ms());
            let gates = self.gates(Duration::from_millis(left), together.len());
            for (due, gate) in together.into_iter().zip(gates) {
                if let Some(gate) = gate {
                    let _ = gate.await;
                }
                if let Err(error) = self.step(&scenario, &due).await {
                    self.not_met(&due, error.to_string());
                }
                mock.applied().await;
            }
        }
    }

    /// A timer for each step of one moment, so that a stepped clock lets one step's consequences end
    /// before the next step begins.
    fn gates(&self, wait: Duration, steps: usize) -> Vec<Option<oneshot::Receiver<()>>> {
        let gate = || {
            if wait.is_zero() {
                return None;
            }
            let (open, gate) = oneshot::channel();
            let sleep = self.mock().clock().sleep(wait);
            self.mock().spawn(async move {
                sleep.await;
                let _ = open.send(());
            });
            Some(gate)
        };
        (0..steps).map(|_| gate()).collect()
    }

    async fn step(&self, scenario: &Scenario, due: &Due<'_>) -> Result<(), MockError> {
        let mock = self.mock();
        let first = scenario.sessions.first().map_or("default", |session| &session.name);
        let session = due.session.unwrap_or(first);
        match &*due.action {
            Action::Act { who, does, chat, text } => {
                let (chat, text) = (chat.as_deref(), text.as_deref());
                mock.act(Act { who, does: *does, chat, text, session: due.session }).await?;
            }
            Action::Connection { state, code } => mock.connection(session, *state, *code).await?,
            Action::Stanzas(stanzas) => {
                mock.inject(session, stanzas.clone()).await?;
            }
            Action::Event(event) => mock.hand(session, vec![event.clone()]).await?,
            Action::Faults(faults) => mock.set_faults(session, faults)?,
            Action::Subscribe(names) => self.subscribe(session, names).await,
            Action::Expect(expect) => {
                for message in self.broken(session, expect).await {
                    self.not_met(due, message);
                }
            }
        }
        Ok(())
    }

    /// Subscribes to chats as an application does; without one, as a gateway would.
    async fn subscribe(&self, session: &str, names: &[String]) {
        for name in names {
            let Ok(jid) = self.mock().with_world(|world| world.jid(name)) else { continue };
            match self.app() {
                Some(app) => {
                    let path = format!("/api/{session}/presence/{}/subscribe", outward(&jid));
                    let answer = app.request(Method::POST, &path, None).await;
                    if !answer.status.is_success() {
                        tracing::warn!(session, chat = jid, status = %answer.status, "the scenario's subscribe failed");
                    }
                }
                None => {
                    let args = serde_json::json!({ "jid": jid }).to_string();
                    let call = self.mock().noweb().call("presenceSubscribe", session, args.into());
                    if let Err(error) = call.await {
                        tracing::warn!(session, chat = jid, %error, "the scenario's subscribe failed");
                    }
                }
            }
        }
    }

    /// What of an expectation does not hold.
    async fn broken(&self, session: &str, expect: &Expect) -> Vec<String> {
        let mut broken = Vec::new();
        let subscribed =
            |name: &str| self.mock().with_world(|world| world.is_subscribed(session, name));
        for name in &expect.subscribed {
            if !subscribed(name).unwrap_or_default() {
                broken.push(format!("expected a subscription of {name}, found none"));
            }
        }
        for name in &expect.unsubscribed {
            if subscribed(name).unwrap_or_default() {
                broken.push(format!("expected no subscription of {name}, found one"));
            }
        }
        if let Some(status) = &expect.status {
            let path = format!("/api/sessions/{session}");
            let found =
                self.ask(&path).await.and_then(|it| it["status"].as_str().map(str::to_owned));
            if found.as_ref().is_some_and(|found| found != status) {
                let found = found.unwrap_or_default();
                broken.push(format!("expected the session to be {status}, found {found}"));
            }
        }
        if let Some(presence) = &expect.presence {
            broken.extend(self.broken_presence(session, presence).await);
        }
        broken
    }

    async fn broken_presence(&self, session: &str, expect: &ExpectPresence) -> Option<String> {
        let (chat, participant) = self
            .mock()
            .with_world(|world| {
                let participant = world.participant_jid(&expect.chat, &expect.participant)?;
                Ok::<_, crate::world::WorldError>((world.jid(&expect.chat)?, participant))
            })
            .ok()?;
        // All chats, for asking about one subscribes to it.
        let all = self.ask(&format!("/api/{session}/presence")).await?;
        let chats = all.as_array().map(Vec::as_slice).unwrap_or_default();
        let chat = chats.iter().find(|it| it["id"] == outward(&chat));
        let presences = chat.and_then(|it| it["presences"].as_array());
        let found = presences
            .and_then(|all| all.iter().find(|it| it["participant"] == outward(&participant)));
        let is = found.and_then(|it| it["lastKnownPresence"].as_str()).unwrap_or("absent");
        let who = format!("{} in {}", expect.participant, expect.chat);
        if is != expect.is.as_str() {
            return Some(format!("expected {who} to be {}, found {is}", expect.is.as_str()));
        }
        let last_seen = found.map(|it| &it["lastSeen"]).filter(|it| !it.is_null());
        match (expect.last_seen, last_seen) {
            (Some(true), None) if expect.is != Is::Absent => {
                Some(format!("expected {who} to have a last seen, found none"))
            }
            (Some(false), Some(found)) => {
                Some(format!("expected {who} to have no last seen, found {found}"))
            }
            _ => None,
        }
    }

    /// What the application answers; `None` without an application.
    async fn ask(&self, path: &str) -> Option<Value> {
        Some(self.app()?.request(Method::GET, path, None).await.body)
    }

    fn not_met(&self, due: &Due<'_>, message: String) {
        let unmet = Unmet { at: due.at, source: due.source.to_owned(), message };
        tracing::warn!(at = %unmet.at, source = unmet.source, "{}", unmet.message);
        let mut all = self.0.unmet.lock();
        if all.len() < UNMET_LIMIT {
            all.push(unmet);
        }
    }
}

/// A scenario that repeats without end plays on past its duration, which is that of a replay.
fn repeats_for_ever(scenario: &Scenario) -> bool {
    scenario.traffic.is_none()
        && scenario.steps.iter().any(|step| matches!(step.repeat, Some((_, None))))
}

/// A step of all connections is one of each, so that the consequences come one after the other.
fn each_session<'a>(scenario: &'a Scenario, due: Due<'a>) -> Vec<Due<'a>> {
    let of_all = matches!(*due.action, Action::Connection { .. } | Action::Faults(_));
    if due.session.is_some() || !of_all {
        return vec![due];
    }
    let on = |session: &'a Session| Due { session: Some(&session.name), ..due.clone() };
    scenario.sessions.iter().map(on).collect()
}

/// A jid as WAHA writes it.
pub(crate) fn outward(jid: &str) -> String {
    match jid.split_once('@') {
        Some((user, "s.whatsapp.net")) => {
            format!("{}@c.us", user.split(':').next().unwrap_or(user))
        }
        _ => jid.to_owned(),
    }
}

/// A gateway, and its HTTP interface called without a network.
#[derive(Clone)]
pub(crate) struct App {
    gateway: Gateway,
    router: Router,
    /// The sessions of the start.
    sessions: Arc<[Session]>,
}

impl App {
    pub(crate) fn new(gateway: Gateway, sessions: Vec<Session>) -> Self {
        Self { router: gateway.router_without_key(), gateway, sessions: sessions.into() }
    }

    pub(crate) async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        let body = match body {
            Some(body) => {
                request = request.header("Content-Type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let Ok(request) = request.body(body) else {
            return Answer { status: StatusCode::BAD_REQUEST, body: Value::Null };
        };
        let Ok(response) = self.router.clone().oneshot(request).await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), ANSWER_LIMIT).await.unwrap_or_default();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            if bytes.is_empty() {
                Value::Null
            } else {
                Value::String(String::from_utf8_lossy(&bytes).into_owned())
            }
        });
        Answer { status, body }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// What a gateway answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body: JSON, or a text where it is none, or null where there is none.
    pub body: Value,
}
