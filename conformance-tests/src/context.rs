//! The context of a check: the target, the driver, the receiver, and ids of its own.

mod presence;
mod sessions;
mod webhooks;

pub(crate) use presence::{documented, entry, has_status, record};
pub(crate) use webhooks::{CUSTOM_HEADER, HMAC_KEY, metadata};

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    Check, Environment, Target,
    driver::{Action, DriverError, Step},
    ids::Ids,
    patience::Patience,
    requirements,
    target::Answer,
    trace::{Trace, Traced},
    verdict::{Failure, Halt, Needed, Verdict},
};

/// The environment as one check sees it; cheap to clone.
///
/// Clones of one check share its trace, its time limit and its source of ids; all contexts share
/// the environment.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) environment: Arc<Environment>,
    pub(crate) trace: Trace,
    /// The check's time limit, which excludes the driver's steps.
    pub(crate) patience: Patience,
    check: &'static str,
    session: String,
    ids: Arc<Mutex<Ids>>,
    /// The check of a subscription that could not be made in any way.
    pub(crate) unsubscribed: Arc<OnceLock<&'static str>>,
}

impl Context {
    pub(crate) fn new(environment: Arc<Environment>, check: &Check) -> Self {
        Self { check: check.id, ..Self::named(environment, check.id) }
    }

    /// A context of the whole run rather than of one check; its ids derive from `name`.
    pub(crate) fn named(environment: Arc<Environment>, name: &str) -> Self {
        let ids = Arc::new(Mutex::new(Ids::new(environment.settings.seed, name)));
        let session = environment.settings.session.clone();
        let (trace, patience) = (Trace::default(), Patience::default());
        let unsubscribed = Arc::default();
        Self { environment, trace, patience, check: "", session, ids, unsubscribed }
    }

    /// The same check, on another session.
    pub(crate) fn on(&self, session: impl Into<String>) -> Self {
        Self { session: session.into(), ..self.clone() }
    }

    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    pub(crate) fn target(&self) -> &Target {
        &self.environment.target
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.environment.settings.timeout
    }

    pub(crate) fn settle(&self) -> Duration {
        self.environment.settings.settle
    }

    /// Waits for the quiet period, after which "no event" is accepted.
    pub(crate) async fn quiet(&self) {
        sleep(self.settle()).await;
    }

    /// A contact that is new to the target, or the only one that the driver controls.
    pub(crate) fn contact(&self) -> String {
        match self.environment.driver.only_contact() {
            Some(contact) => contact.to_owned(),
            None => self.stranger(),
        }
    }

    /// A contact that is new to the target.
    pub(crate) fn stranger(&self) -> String {
        self.ids(Ids::contact)
    }

    /// A group that is new to the target.
    pub(crate) fn group(&self) -> String {
        self.ids(Ids::group)
    }

    /// A name for a session created by the suite.
    pub(crate) fn session_name(&self) -> String {
        format!("conformance-{}", self.ids(Ids::word))
    }

    /// A phone number that is not in use.
    pub(crate) fn number(&self) -> u64 {
        self.ids(Ids::number)
    }

    fn ids<T>(&self, make: impl FnOnce(&mut Ids) -> T) -> T {
        make(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has the driver perform an action; a declined action skips the check.
    pub(crate) async fn act(&self, action: Action) -> Verdict<Value> {
        let step = Step { session: self.session.clone(), action };
        let result = self.patience.pause(self.environment.driver.perform(&step)).await;
        self.trace.add(Traced::Step {
            step: serde_json::to_string(&step).unwrap_or_default(),
            result: match &result {
                Ok(answer) => answer.to_string(),
                Err(error) => error.to_string(),
            },
        });
        result.map_err(|error| match error {
            DriverError::Declined(why) => Halt::Skipped(format!("the driver declined: {why}")),
            error => Halt::Driver(error.to_string()),
        })
    }

    /// Repeats GET of `path` until `judge` accepts the JSON, for as long as the driver's effect may
    /// take.
    pub(crate) async fn get_until(
        &self,
        path: &str,
        judge: impl Fn(&Value) -> Result<(), Failure>,
    ) -> Verdict<Answer> {
        let immediate = self.environment.driver.is_immediate();
        let patience = if immediate { self.settle() } else { self.timeout() };
        self.get_for(patience, path, judge).await
    }

    /// Repeats GET of `path` until `judge` accepts the JSON, for up to `patience`.
    pub(crate) async fn get_for(
        &self,
        patience: Duration,
        path: &str,
        judge: impl Fn(&Value) -> Result<(), Failure>,
    ) -> Verdict<Answer> {
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_millis(10);
        loop {
            let answer = self.target().get(path).send(&self.trace).await;
            let answer = answer.and_then(|answer| answer.is(200)).needed(read_by(path))?;
            let verdict = judge(&answer.json().needed(read_by(path))?);
            if verdict.is_ok() || Instant::now() + pause > deadline {
                answer.holds(verdict)?;
                return Ok(answer);
            }
            sleep(pause).await;
            pause *= 2;
        }
    }
}

/// The check of the endpoint at `path`.
fn read_by(path: &str) -> &'static str {
    match path.split_once("/presence") {
        Some((_, "" | "/")) => requirements::GET_ALL,
        Some(_) => requirements::GET_CHAT,
        None => requirements::GET_SESSION,
    }
}

impl Context {
    pub(crate) fn check(&self) -> &'static str {
        self.check
    }
}
