//! The environment that the checks of one run share.

mod undo;

pub(crate) use undo::Undo;
use undo::Undoing;

use std::{fmt, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    Ability, Check, Context, Driver, Entry, Need, Receiver, Target,
    receiver::{Delivery, Hook},
    trace::{Trace, Traced},
    verdict::Halt,
};

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The session under test.
    pub session: String,
    /// A session on an engine other than NOWEB; by default the first that the target lists.
    pub other_engine_session: Option<String>,
    /// The time limit of an answer or a webhook.
    pub timeout: Duration,
    /// The quiet period before "no event" is accepted.
    pub settle: Duration,
    /// The seed of all generated ids.
    pub seed: u64,
    /// Whether the target already sends its webhooks to the suite's receiver.
    pub webhook_configured: bool,
}

impl Settings {
    /// Settings for this session, with defaults for the rest.
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

/// The target, the driver, the receiver, and the changes to undo at the end.
///
/// Shared by all checks of a run through an `Arc`. The cells are set once, by the first check that
/// needs them, and others wait for it; see `Undoing` for the changes.
pub struct Environment {
    /// The server under test.
    pub target: Target,
    /// The driver of its engine.
    pub driver: Box<dyn Driver>,
    /// The receiver of its webhooks.
    pub receiver: Receiver,
    /// The settings.
    pub settings: Settings,
    /// Why there is no sessions API, if there is none.
    pub(crate) no_sessions: Option<String>,
    /// Why sessions cannot be created, if they cannot; set once that was tried.
    no_new_sessions: OnceCell<Option<String>>,
    pub(crate) hooked: OnceCell<Shared<(String, Hook)>>,
    pub(crate) statuses: OnceCell<Shared<Vec<Delivery>>>,
    /// Whether the target's WebSockets offer `session=*` only.
    pub(crate) only_all_sessions: OnceCell<bool>,
    pub(crate) undoing: Undoing,
}

/// A resource set up once for all checks, or how that failed and its exchanges.
pub(crate) type Shared<T> = Result<T, (Halt, Vec<Traced>)>;

impl Environment {
    /// Prepares a run, and asks the target whether it has the sessions API.
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
            only_all_sessions: OnceCell::new(),
            undoing: Undoing::default(),
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

    /// Why sessions cannot be created, if that was tried and they cannot.
    pub(crate) fn no_new_sessions(&self) -> Option<&String> {
        self.no_new_sessions.get()?.as_ref()
    }

    /// Finds out whether sessions can be created, by creating one without starting it.
    pub(crate) async fn try_sessions(self: &Arc<Self>) {
        if self.no_sessions.is_some() {
            return;
        }
        let probe = || async {
            let run = Context::named(Arc::clone(self), "sessions");
            // No answer is a failure that the checks report; a session created late is deleted at
            // the end.
            let made = run.make_session(&run.session_name(), json!({}), false).await.ok()?;
            self.restore_after("").await;
            let status = made.status;
            status.is_client_error().then(|| {
                format!("the target does not create other sessions: POST /api/sessions answered {status}")
            })
        };
        self.no_new_sessions.get_or_init(probe).await;
    }

    /// A likely problem with the set-up when checks failed.
    pub(crate) fn advice(&self, entries: &[Entry]) -> Option<String> {
        self.advice_on_webhooks(entries).or_else(|| self.advice_on_driver(entries))
    }

    /// Advice when every check that needs the driver failed.
    fn advice_on_driver(&self, entries: &[Entry]) -> Option<String> {
        let of_driver = entries.iter().filter(|it| it.check.needs_driver() && !it.is_untried());
        let (tried, failed) = of_driver.fold((0, 0), |(tried, failed), entry| {
            (tried + 1, failed + usize::from(entry.failure.is_some()))
        });
        (tried > 2 && tried == failed).then(|| {
            format!(
                "All {tried} checks that need the driver failed: the driver {} may not act on the session \
                 {}.",
                self.driver.name(),
                self.settings.session
            )
        })
    }

    /// Advice when no webhook has arrived.
    fn advice_on_webhooks(&self, entries: &[Entry]) -> Option<String> {
        let failed = entries.iter().any(|entry| entry.failure.is_some());
        let asked = self.settings.webhook_configured || self.receiver.has_hooks();
        (failed && asked && self.receiver.is_silent()).then(|| {
            format!(
                "No webhook has arrived at {}: the target may not be able to reach that address; see --bind \
                 and --advertise.",
                self.receiver.url()
            )
        })
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

/// The session's name, if it runs on an engine other than NOWEB.
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
