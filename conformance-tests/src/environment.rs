//! All that the checks of one run share.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Method;
use serde_json::Value;
use tokio::{
    sync::{OnceCell, RwLock},
    time::{Instant, sleep},
};

use crate::{
    Ability, Check, Driver, Entry, Need, Receiver, Target,
    driver::{Action, Step},
    receiver::{Delivery, Hook},
    trace::Trace,
    verdict::Halt,
};

/// How a run is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The session under test.
    pub session: String,
    /// A session on another engine than NOWEB; the first that the target lists unless said.
    pub other_engine_session: Option<String>,
    /// How long one answer, and one webhook, may take.
    pub timeout: Duration,
    /// How long it is watched that nothing happens.
    pub settle: Duration,
    /// Where all made-up ids come from.
    pub seed: u64,
    /// Whether the target was started with its webhooks going to the suite's receiver.
    pub webhook_configured: bool,
}

impl Settings {
    /// Settings for this session, with what is usual for the rest.
    pub fn new(session: impl Into<String>, timeout: Duration) -> Self {
        Self {
            session: session.into(),
            other_engine_session: None,
            timeout,
            settle: Duration::from_millis(300),
            seed: 0,
            webhook_configured: false,
        }
    }
}

/// The target, the driver, the receiver, and what has to be put back at the end.
pub struct Environment {
    /// The server under test.
    pub target: Target,
    /// What makes its engine do something.
    pub driver: Box<dyn Driver>,
    /// Where its webhooks arrive.
    pub receiver: Receiver,
    /// The settings.
    pub settings: Settings,
    /// Why sessions cannot be made, when they cannot.
    pub(crate) no_sessions: Option<String>,
    pub(crate) hooked: OnceCell<Result<(String, Hook), Halt>>,
    pub(crate) statuses: OnceCell<Result<Vec<Delivery>, Halt>>,
    undo: Mutex<Vec<(&'static str, Undo)>>,
    /// Read by each request that changes the target while it is on its way, so that nothing is put
    /// back before the target has done it.
    pub(crate) changing: Arc<RwLock<()>>,
}

/// One thing to put back.
#[derive(Clone, Debug)]
pub(crate) enum Undo {
    Delete(String),
    Configure { session: String, config: Value },
    Step(Step),
}

impl Environment {
    /// Puts a run together, and asks the target whether it has the sessions API.
    pub async fn prepare(
        target: Target,
        driver: Box<dyn Driver>,
        receiver: Receiver,
        mut settings: Settings,
    ) -> Self {
        let no_sessions = match sessions(&target).await {
            Ok(sessions) => {
                let other = || sessions.iter().find_map(on_another_engine);
                settings.other_engine_session = settings.other_engine_session.or_else(other);
                None
            }
            Err(why) => Some(why),
        };
        Self {
            target,
            driver,
            receiver,
            settings,
            no_sessions,
            hooked: OnceCell::new(),
            statuses: OnceCell::new(),
            undo: Mutex::default(),
            changing: Arc::default(),
        }
    }

    pub(crate) fn can(&self, ability: Ability) -> bool {
        self.driver.abilities().contains(&ability)
    }

    /// Why the check cannot be tried here, if it cannot.
    pub fn missing(&self, check: &Check) -> Option<String> {
        check.needs.iter().find_map(|need| self.lacks(*need))
    }

    fn lacks(&self, need: Need) -> Option<String> {
        let has = match need {
            Need::Driver(ability) => self.can(ability),
            Need::Webhook if self.settings.webhook_configured => true,
            Need::Webhook | Need::SecondSession => {
                return self.no_sessions.as_ref().map(|why| format!("needs {need}; {why}"));
            }
            Need::WebSocket => true,
            Need::ApiKey => self.target.has_key(),
            Need::OtherEngine => self.settings.other_engine_session.is_some(),
        };
        (!has).then(|| format!("needs {need}"))
    }

    /// Has `undo` done when `owner` has ended; `""` is the whole run.
    pub(crate) fn later(&self, owner: &'static str, undo: Undo) {
        self.undo.lock().unwrap_or_else(PoisonError::into_inner).push((owner, undo));
    }

    /// Puts back what the check changed.
    pub(crate) async fn put_back(&self, owner: &str) {
        self.put_back_where(|of| of == owner).await;
    }

    /// Puts back all that was changed and has not been put back yet: sessions, webhooks, faults.
    pub async fn put_all_back(&self) {
        let _settled = self.changing.write().await;
        self.put_back_where(|_| true).await;
    }

    /// Puts all back, and has nothing changed after that: what still goes on waits for ever.
    pub async fn leave(&self) {
        let settled = Arc::clone(&self.changing).write_owned().await;
        self.put_back_where(|_| true).await;
        std::mem::forget(settled);
    }

    async fn put_back_where(&self, mine: impl Fn(&str) -> bool) {
        loop {
            let next = {
                let mut undo = self.undo.lock().unwrap_or_else(PoisonError::into_inner);
                let last = undo.iter().rposition(|(owner, _)| mine(owner));
                last.map(|last| undo.remove(last).1)
            };
            let Some(undo) = next else { return };
            self.undo(undo).await;
        }
    }

    async fn undo(&self, undo: Undo) {
        let trace = Trace::default();
        match undo {
            Undo::Delete(session) => {
                let path = format!("/api/sessions/{session}");
                let _ = self.target.request(Method::DELETE, path).send(&trace).await;
            }
            Undo::Configure { session, config } => {
                let body = serde_json::json!({ "config": config });
                let call = self.target.request(Method::PUT, format!("/api/sessions/{session}"));
                let _ = call.json(&body).send(&trace).await;
                self.works_again(&session).await;
            }
            Undo::Step(step) => {
                let _ = self.driver.perform(&step).await;
            }
        }
    }

    /// Waits, for a time-out, until a session works after it was configured.
    async fn works_again(&self, session: &str) {
        let path = format!("/api/sessions/{session}");
        let deadline = Instant::now() + self.settings.timeout;
        while Instant::now() < deadline {
            let answer = self.target.get(&path).send(&Trace::default()).await;
            let session = answer.and_then(|answer| answer.json()).unwrap_or_default();
            if session["status"] == "WORKING" {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// What may be amiss when checks failed and none of the webhooks that they asked for has come.
    pub(crate) fn advice(&self, entries: &[Entry]) -> Option<String> {
        let failed = entries.iter().any(|entry| entry.failure.is_some());
        let asked = self.settings.webhook_configured || self.receiver.has_hooks();
        (failed && asked && self.receiver.is_silent()).then(|| {
            format!(
                "No webhook has come to {} at all: the target may not reach that address; see --bind and \
                 --advertise.",
                self.receiver.url()
            )
        })
    }

    /// The step that ends all faults of a session.
    pub(crate) fn no_faults(session: &str) -> Undo {
        Undo::Step(Step { session: session.to_owned(), action: Action::Faults { send: None } })
    }
}

/// The target's sessions, or why it has no sessions API.
async fn sessions(target: &Target) -> Result<Vec<Value>, String> {
    let answer = target.get("/api/sessions").send(&Trace::default()).await;
    let answer = answer.map_err(|halt| format!("GET /api/sessions: {halt}"))?;
    let found = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200);
    found.ok_or_else(|| {
        let status = answer.status.as_u16();
        format!("the target has no sessions API: GET /api/sessions answered {status}")
    })
}

/// The session's name, when it says that it is on another engine than NOWEB.
fn on_another_engine(session: &Value) -> Option<String> {
    let engine = session.pointer("/engine/engine")?.as_str()?;
    (engine != "NOWEB").then(|| session["name"].as_str().map(str::to_owned))?
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("target", &self.target.url())
            .field("driver", &self.driver)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
