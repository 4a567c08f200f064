//! Undoing the changes of a run.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};

use super::Environment;
use crate::{
    driver::{Action, Step},
    target::Answer,
    trace::Trace,
    verdict::{Halt, Verdict},
};

/// A change to undo.
#[derive(Clone, Debug)]
pub(crate) enum Undo {
    Delete(String),
    Configure { session: String, config: Value },
    Step(Step),
}

/// The changes of a run that are still to be undone.
///
/// Each request that changes the target holds a permit of `requests` while it is in flight.
/// Restoring the target first acquires all permits, so that nothing is undone before the target has
/// done it; closing the semaphore refuses further requests and wakes those that wait. The mutex
/// guards the list only and is never held across an await.
#[derive(Debug)]
pub(crate) struct Undoing {
    requests: Arc<Semaphore>,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    last: u64,
    waiting: Vec<Waiting>,
    left_behind: Vec<String>,
}

#[derive(Clone, Debug)]
struct Waiting {
    number: u64,
    /// The check after which it is undone; `""` is the whole run.
    owner: &'static str,
    undo: Undo,
}

/// The number of requests that may be in flight.
const REQUESTS: u32 = 1 << 16;

/// The number of attempts to undo a change.
const TRIES: u32 = 3;

impl Default for Undoing {
    fn default() -> Self {
        Self { requests: Arc::new(Semaphore::new(REQUESTS as usize)), list: Mutex::default() }
    }
}

impl Undoing {
    /// The permit of a request that changes the target; refused once the run has ended for good.
    pub(crate) async fn permit(&self) -> Verdict<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.requests).acquire_owned().await;
        permit.map_err(|_| Halt::Skipped("the run has ended".to_owned()))
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Environment {
    /// Has `undo` done when `owner` has ended; `""` is the whole run.
    pub(crate) fn undo_after(&self, owner: &'static str, undo: Undo) {
        let mut list = self.undoing.list();
        list.last += 1;
        let number = list.last;
        list.waiting.push(Waiting { number, owner, undo });
    }

    /// The changes that could not be undone, and why.
    pub fn left_behind(&self) -> Vec<String> {
        self.undoing.list().left_behind.clone()
    }

    /// Undoes the check's changes.
    pub(crate) async fn restore_after(&self, owner: &str) {
        self.restore_where(|of| of == owner).await;
    }

    /// Undoes all remaining changes: sessions, webhooks, faults.
    pub async fn restore(&self) {
        let _settled = self.undoing.requests.acquire_many(REQUESTS).await;
        self.restore_where(|_| true).await;
    }

    /// Undoes all remaining changes and refuses new ones.
    pub async fn restore_for_good(&self) {
        let settled = self.undoing.requests.acquire_many(REQUESTS).await;
        self.undoing.requests.close();
        drop(settled);
        self.restore_where(|_| true).await;
    }

    /// Undoes the changes of these owners, the latest first. Each stays on the list until it is
    /// done, so that another call can complete what a dropped future leaves.
    async fn restore_where(&self, mine: impl Fn(&str) -> bool) {
        loop {
            let last = self.undoing.list().waiting.iter().rfind(|it| mine(it.owner)).cloned();
            let Some(Waiting { number, undo, .. }) = last else { return };
            let failed = self.undo(&undo).await.err();
            let mut list = self.undoing.list();
            list.waiting.retain(|it| it.number != number);
            list.left_behind.extend(failed);
        }
    }

    /// Undoes one change, or says what is left behind.
    async fn undo(&self, undo: &Undo) -> Result<(), String> {
        // Once one change could not be undone, the others get a single attempt.
        let mut tries = if self.undoing.list().left_behind.is_empty() { TRIES } else { 1 };
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
                // A session that does not exist need not be deleted.
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
                self.wait_until_working(session).await;
                Ok(())
            }
            Undo::Step(step) => {
                let done = self.driver.perform(step).await;
                done.map(drop).map_err(|error| error.to_string())
            }
        }
    }

    /// Waits up to the time-out for a session to be WORKING after it was configured.
    async fn wait_until_working(&self, session: &str) {
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
}

impl Undo {
    /// The step that ends all faults of a session.
    pub(crate) fn faults(session: &str) -> Self {
        Self::Step(Step { session: session.to_owned(), action: Action::Faults { send: None } })
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete(session) => write!(f, "the session {session} still exists"),
            Self::Configure { session, .. } => {
                write!(f, "the session {session} still has the suite's webhook")
            }
            Self::Step(step) => write!(f, "sending may still fail in the session {}", step.session),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use crate::{Environment, Receiver, Settings, Target, driver, verdict::Halt};

    #[tokio::test]
    async fn a_run_that_has_ended_refuses_changes_and_can_be_restored_again() {
        let limit = Duration::from_secs(5);
        let target = Target::new("http://127.0.0.1:1", None, limit).unwrap();
        let driver = driver::connect("none", "default", &target, None).await.unwrap();
        let receiver = Receiver::listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        let settings = Settings::new("default", limit);
        let environment = Environment::prepare(target, driver, receiver, settings).await;
        let permit = environment.undoing.permit().await.unwrap();
        let pending = timeout(Duration::from_millis(20), environment.restore_for_good()).await;
        assert!(pending.is_err(), "a request in flight is awaited");
        drop(permit);
        environment.restore_for_good().await;
        let again = timeout(limit, environment.restore()).await;
        assert!(again.is_ok(), "nothing holds the permits");
        assert!(matches!(environment.undoing.permit().await, Err(Halt::Skipped(_))));
    }
}
