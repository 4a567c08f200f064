//! All that the checks of one run share.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};
use tokio::{
    sync::{OnceCell, RwLock},
    time::{Instant, sleep},
};

use crate::{
    Ability, Check, Context, Driver, Entry, Need, Receiver, Target,
    driver::{Action, Step},
    receiver::{Delivery, Hook},
    target::Answer,
    trace::{Trace, Traced},
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
    /// Why there is no sessions API, when there is none.
    pub(crate) no_sessions: Option<String>,
    /// Why sessions cannot be made, when they cannot; known once it was tried.
    no_new_sessions: OnceCell<Option<String>>,
    pub(crate) hooked: OnceCell<Shared<(String, Hook)>>,
    pub(crate) statuses: OnceCell<Shared<Vec<Delivery>>>,
    undo: Mutex<Undoing>,
    /// Read by each request that changes the target while it is on its way, so that nothing is put
    /// back before the target has done it.
    pub(crate) changing: Arc<RwLock<()>>,
}

/// What was set up once for all, or how that failed and what went over the wire.
pub(crate) type Shared<T> = Result<T, (Halt, Vec<Traced>)>;

/// What is to be put back, and what could not be.
#[derive(Debug, Default)]
struct Undoing {
    last: u64,
    waiting: Vec<Waiting>,
    left_behind: Vec<String>,
}

#[derive(Clone, Debug)]
struct Waiting {
    number: u64,
    /// The check that has it done when it has ended; `""` is the whole run.
    owner: &'static str,
    undo: Undo,
}

/// How often it is tried to put something back.
const TRIES: u32 = 3;

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
            no_new_sessions: OnceCell::new(),
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
            Need::Webhook => {
                return self.no_sessions.as_ref().map(|why| format!("needs {need}; {why}"));
            }
            Need::SecondSession => {
                let why = self.no_sessions.as_ref().or(self.no_new_sessions());
                return why.map(|why| format!("needs {need}; {why}"));
            }
            Need::WebSocket => true,
            Need::ApiKey => self.target.has_key(),
            Need::OtherEngine => self.settings.other_engine_session.is_some(),
        };
        (!has).then(|| format!("needs {need}"))
    }

    /// Why sessions cannot be made, when that was tried and they cannot.
    pub(crate) fn no_new_sessions(&self) -> Option<&String> {
        self.no_new_sessions.get()?.as_ref()
    }

    /// Finds out whether sessions can be made, by making one that is not started.
    pub(crate) async fn try_sessions(self: &Arc<Self>) {
        if self.no_sessions.is_some() {
            return;
        }
        let probe = || async {
            let run = Context::named(Arc::clone(self), "sessions");
            // No answer is a failure, for the checks to tell; what may be made late is deleted at the end.
            let made = run.make_session(&run.session_name(), json!({}), false).await.ok()?;
            self.put_back("").await;
            let status = made.status;
            status.is_client_error().then(|| {
                format!("the target makes no other sessions: POST /api/sessions answered {status}")
            })
        };
        self.no_new_sessions.get_or_init(probe).await;
    }

    /// Has `undo` done when `owner` has ended; `""` is the whole run.
    pub(crate) fn later(&self, owner: &'static str, undo: Undo) {
        let mut undoing = self.undoing();
        undoing.last += 1;
        let number = undoing.last;
        undoing.waiting.push(Waiting { number, owner, undo });
    }

    /// What could not be put back, and why.
    pub fn left_behind(&self) -> Vec<String> {
        self.undoing().left_behind.clone()
    }

    fn undoing(&self) -> MutexGuard<'_, Undoing> {
        self.undo.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Puts back what is of these owners, the last first. Each stays on the list until it is done: who
    /// drops this future can do the rest.
    async fn put_back_where(&self, mine: impl Fn(&str) -> bool) {
        loop {
            let last = self.undoing().waiting.iter().rfind(|it| mine(it.owner)).cloned();
            let Some(Waiting { number, undo, .. }) = last else { return };
            let failed = self.undo(&undo).await.err();
            let mut undoing = self.undoing();
            undoing.waiting.retain(|it| it.number != number);
            undoing.left_behind.extend(failed);
        }
    }

    /// Puts one thing back, or says what is left behind.
    async fn undo(&self, undo: &Undo) -> Result<(), String> {
        // Where one thing is left behind, the others are not tried for as long.
        let mut tries = if self.undoing().left_behind.is_empty() { TRIES } else { 1 };
        let mut pause = Duration::from_millis(100);
        loop {
            let Err(why) = self.undo_once(undo).await else { return Ok(()) };
            tries -= 1;
            if tries == 0 {
                return Err(format!("{undo}: {why}"));
            }
            sleep(pause).await;
            pause *= 4;
        }
    }

    async fn undo_once(&self, undo: &Undo) -> Result<(), String> {
        let trace = Trace::default();
        match undo {
            Undo::Delete(session) => {
                let path = format!("/api/sessions/{session}");
                let answer = self.target.request(Method::DELETE, path).send(&trace).await;
                let answer = answer.map_err(|halt| halt.to_string())?;
                // What is not there need not be deleted.
                match answer.status.as_u16() {
                    200..=299 | 404 | 422 => Ok(()),
                    status => Err(format!("DELETE answered {status}")),
                }
            }
            Undo::Configure { session, config } => {
                let body = json!({ "config": config });
                let call = self.target.request(Method::PUT, format!("/api/sessions/{session}"));
                let answer = call.json(&body).send(&trace).await;
                answer.and_then(Answer::succeeds).map_err(|halt| halt.to_string())?;
                self.works_again(session).await;
                Ok(())
            }
            Undo::Step(step) => {
                let done = self.driver.perform(step).await;
                done.map(drop).map_err(|error| error.to_string())
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

    /// What may be amiss with the set-up when checks failed.
    pub(crate) fn advice(&self, entries: &[Entry]) -> Option<String> {
        self.advice_on_webhooks(entries).or_else(|| self.advice_on_driver(entries))
    }

    /// Everything that needed the driver failed.
    fn advice_on_driver(&self, entries: &[Entry]) -> Option<String> {
        let of_driver = entries.iter().filter(|it| it.check.needs_driver() && !it.is_untried());
        let (tried, failed) = of_driver.fold((0, 0), |(tried, failed), entry| {
            (tried + 1, failed + usize::from(entry.failure.is_some()))
        });
        (tried > 2 && tried == failed).then(|| {
            format!(
                "All {tried} checks that need the driver failed: what {} does may not reach the session \
                 {}.",
                self.driver.name(),
                self.settings.session
            )
        })
    }

    /// None of the webhooks that were asked for has come.
    fn advice_on_webhooks(&self, entries: &[Entry]) -> Option<String> {
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

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete(session) => write!(f, "the session {session} is still there"),
            Self::Configure { session, .. } => {
                write!(f, "the session {session} still has the suite's webhook")
            }
            Self::Step(step) => {
                write!(f, "the faults of the session {} may go on", step.session)
            }
        }
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
