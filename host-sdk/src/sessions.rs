//! Sessions: one WhatsApp account each, with a status, an engine and one ordered queue to the
//! listeners.

pub(crate) mod config;
pub(crate) mod listener;
mod queue;
#[cfg(test)]
mod races;
mod session;

use std::{fmt, sync::Arc, time::Duration};

use host_delivery::{clock::Clock, event_bus::EventBus};
use indexmap::IndexMap;
use parking_lot::{Mutex, RwLock};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::AbortHandle, time::Instant};

pub use self::config::{IgnoreConfig, MAX_METADATA, MAX_OTHER_SETTINGS, SessionConfig};
pub(crate) use self::session::{Ending, Session};
use self::{listener::Listener, queue::CURRENT};
use crate::engine::{Engine, QUEUE_DEPTH};

/// A session to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSpec {
    /// The session's name, part of every path: up to 64 letters, digits, `-` and `_`.
    pub name: String,
    /// The engine's name; `None` for the gateway's first engine.
    pub engine: Option<String>,
    /// Its configuration.
    pub config: SessionConfig,
    /// Whether to start it with the gateway.
    pub start: bool,
}

impl SessionSpec {
    /// A session that starts at once, on the gateway's first engine.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), engine: None, config: SessionConfig::default(), start: true }
    }

    /// Runs it on the engine called `name`.
    #[must_use]
    pub fn engine(mut self, name: impl Into<String>) -> Self {
        self.engine = Some(name.into());
        self
    }

    /// Gives it a configuration.
    #[must_use]
    pub fn config(mut self, config: SessionConfig) -> Self {
        self.config = config;
        self
    }
}

/// Why a session could not be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Its name does not fit in a path.
    #[error(
        "invalid session name {0:?}: expected 1 to 64 letters, digits, '-' or '_', and no '-' at the start"
    )]
    BadName(String),
    /// A session has that name.
    #[error("session {0:?} already exists; change it with PUT /api/sessions/{0}")]
    Exists(String),
    /// The gateway has no such engine.
    #[error("unknown engine {engine:?}; this gateway has {known}")]
    UnknownEngine {
        /// The name that was asked for.
        engine: String,
        /// The names of the gateway's engines.
        known: String,
    },
    /// Clients created too many within a minute.
    #[error("{0} sessions were created within a minute, which is the limit; try again in a minute")]
    TooFast(usize),
    /// The gateway has as many sessions as it can.
    #[error("the limit of {0} sessions is reached; delete one first")]
    TooMany(usize),
}

/// The most sessions that a gateway has.
pub const MAX_SESSIONS: usize = 1_000;

/// The most sessions that HTTP clients create within a minute of real time.
pub const MAX_SESSIONS_PER_MINUTE: usize = 600;

/// A gateway's sessions, in the order in which they were created.
///
/// Owned by the parts of the gateway and by the plugins' hosts. HTTP requests and the gateway create
/// and delete sessions; everything else looks them up.
///
/// Locks are taken in this order: a session's lifecycle, this map, a session's announcements, a
/// session's state, and then those of the event bus.
pub(crate) struct Sessions {
    around: Arc<Around>,
    engines: IndexMap<String, Arc<dyn Engine>>,
    all: RwLock<IndexMap<String, Entry>>,
    /// When the current minute began, and how many sessions clients have created in it.
    minute: Mutex<(Instant, usize)>,
}

/// What every session uses of the gateway.
#[derive(Debug)]
struct Around {
    clock: Arc<dyn Clock>,
    bus: EventBus,
    /// The version that events carry.
    version: String,
}

impl Around {
    /// WAHA's `environment` of an event of a session on `engine`.
    fn environment(&self, engine: &str) -> Value {
        json!({ "version": self.version, "engine": engine, "tier": "CORE", "browser": null })
    }
}

/// A session and the worker that hands on its events; the worker ends with the entry.
#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    worker: AbortHandle,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Sessions {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        bus: EventBus,
        version: String,
        engines: IndexMap<String, Arc<dyn Engine>>,
    ) -> Arc<Self> {
        let around = Arc::new(Around { clock, bus, version });
        let minute = Mutex::new((Instant::now(), 0));
        Arc::new(Self { around, engines, all: RwLock::default(), minute })
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Session>> {
        self.all.read().get(name).map(|entry| entry.session.clone())
    }

    /// The session called `name`, for a caller that may run on its worker and then needs no lookup.
    pub(crate) fn get_near(&self, name: &str) -> Option<Arc<Session>> {
        let current = CURRENT.try_with(|session| (session.name() == name).then(|| session.clone()));
        current.ok().flatten().or_else(|| self.get(name))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.all.read().values().map(|entry| entry.session.clone()).collect()
    }

    /// The version that the gateway's events carry.
    pub(crate) fn version(&self) -> &str {
        &self.around.version
    }

    /// WAHA's `environment` of the gateway itself: its version, and the engine that is the default.
    pub(crate) fn environment(&self) -> Value {
        self.around.environment(self.engines.keys().next().map_or("", String::as_str))
    }

    /// Creates a session, stopped. Those of `listeners` that work with its engine get its events.
    pub(crate) fn create(
        &self,
        spec: SessionSpec,
        listeners: impl Iterator<Item = Box<dyn Listener>>,
    ) -> Result<Arc<Session>, SessionError> {
        if !is_session_name(&spec.name) {
            return Err(SessionError::BadName(spec.name));
        }
        let engine = self.engine(spec.engine.as_deref())?;
        let listeners = listeners.filter(|listener| listener.works_with(engine.name())).collect();
        let mut all = self.all.write();
        if all.contains_key(&spec.name) {
            return Err(SessionError::Exists(spec.name));
        }
        if all.len() >= MAX_SESSIONS {
            return Err(SessionError::TooMany(MAX_SESSIONS));
        }
        let (queue, jobs) = mpsc::channel(QUEUE_DEPTH);
        let name = spec.name.clone();
        let session = Session::new(self.around.clone(), spec, engine, queue);
        let work = queue::work(session.clone(), listeners, jobs);
        let worker = self.around.clock.spawn(Box::pin(CURRENT.scope(session.clone(), work)));
        all.insert(name, Entry { session: session.clone(), worker });
        Ok(session)
    }

    /// Counts a session that a client is about to create.
    pub(crate) fn throttle(&self) -> Result<(), SessionError> {
        let mut minute = self.minute.lock();
        if minute.0.elapsed() >= Duration::from_secs(60) {
            *minute = (Instant::now(), 0);
        }
        if minute.1 >= MAX_SESSIONS_PER_MINUTE {
            return Err(SessionError::TooFast(MAX_SESSIONS_PER_MINUTE));
        }
        minute.1 += 1;
        Ok(())
    }

    /// The engine called `name`, or the first one.
    fn engine(&self, name: Option<&str>) -> Result<Arc<dyn Engine>, SessionError> {
        let found = match name {
            Some(name) => self.engines.get(name),
            None => self.engines.values().next(),
        };
        found.cloned().ok_or_else(|| SessionError::UnknownEngine {
            engine: name.unwrap_or("(default)").to_owned(),
            known: self.engines.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// A name that no session has.
    pub(crate) fn unused_name(&self) -> String {
        let all = self.all.read();
        let name = |number: usize| format!("session_{number}");
        let is_unused = |number: &usize| !all.contains_key(&name(*number));
        // There are fewer sessions than numbers tried.
        (1..=all.len() + 1).find(is_unused).map_or_else(|| name(0), name)
    }

    /// Stops, unlinks and forgets a session, if it exists.
    pub(crate) async fn delete(&self, name: &str) {
        let Some(session) = self.get(name) else { return };
        let _alone = session.lifecycle.lock().await;
        // Deleted by an earlier caller; what has the name now is another session.
        if session.is_removed() {
            return;
        }
        session.unlink().await;
        // A session of this name that is created meanwhile waits for this lock.
        let mut all = self.all.write();
        session.remove();
        all.shift_remove(name);
    }

    /// Ends the workers of all sessions.
    pub(crate) fn end(&self) {
        let ended = std::mem::take(&mut *self.all.write());
        drop(ended);
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

/// Whether a session can have this name: 1 to 64 letters, digits, `-` or `_`, and no `-` first.
#[must_use]
pub fn is_session_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=64).contains(&name.len()) && !name.starts_with('-') && name.chars().all(fits)
}
