//! Sessions: one WhatsApp account each, with a status, an engine and one ordered queue to the
//! plugins.

pub(crate) mod config;
mod queue;

use std::{
    pin::pin,
    slice,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use host_abi::abi::EmissionAbi;
use host_delivery::envelope::Envelope;
use indexmap::IndexMap;
use parking_lot::RwLock;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

pub use self::config::{IgnoreConfig, SessionConfig};
use crate::{
    engine::{Engine, EngineEvents, Heard, Job, Me, QUEUE_DEPTH, SessionStatus},
    gateway::Shared,
};

/// A session to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSpec {
    /// The session's name, part of every path: letters, digits, `-` and `_`, at most 64.
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
        "{0:?} is no name for a session: 1 to 64 letters, digits, '-' or '_' are, and it must not start with '-'"
    )]
    BadName(String),
    /// There is one of that name.
    #[error("session {0:?} already exists; change it with PUT /api/sessions/{0}")]
    Exists(String),
    /// The gateway has no such engine.
    #[error("there is no engine {engine:?}; this gateway has {known}")]
    UnknownEngine {
        /// The name that was asked for.
        engine: String,
        /// The names that there are.
        known: String,
    },
    /// There are too many.
    #[error("there are {0} sessions already, and that is the limit")]
    TooMany(usize),
}

/// How many sessions a gateway has at most.
pub const MAX_SESSIONS: usize = 1_000;

/// How many of its statuses a session remembers.
const MAX_STATUSES: usize = 16;

/// A gateway's sessions, in the order in which they were created.
#[derive(Debug, Default)]
pub(crate) struct Sessions(RwLock<IndexMap<String, Arc<Session>>>);

impl Sessions {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Session>> {
        self.0.read().get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.0.read().values().cloned().collect()
    }

    /// Creates a session, stopped.
    pub(crate) fn create(
        &self,
        gateway: &Arc<Shared>,
        spec: SessionSpec,
    ) -> Result<Arc<Session>, SessionError> {
        if !is_session_name(&spec.name) {
            return Err(SessionError::BadName(spec.name));
        }
        let engine = gateway.engine(spec.engine.as_deref())?;
        let mut sessions = self.0.write();
        if sessions.contains_key(&spec.name) {
            return Err(SessionError::Exists(spec.name));
        }
        if sessions.len() >= MAX_SESSIONS {
            return Err(SessionError::TooMany(MAX_SESSIONS));
        }
        let (queue, jobs) = mpsc::channel(QUEUE_DEPTH);
        let session = Session::new(gateway, &spec, engine, queue);
        gateway.bus.set_webhooks(&spec.name, spec.config.webhooks.clone());
        sessions.insert(spec.name, session.clone());
        let work = queue::work(Arc::downgrade(&session), gateway.plugins(), jobs);
        gateway.clock.spawn(Box::pin(work));
        Ok(session)
    }

    /// A name that no session has.
    pub(crate) fn unused_name(&self) -> String {
        let sessions = self.0.read();
        let name = |number: usize| format!("session_{number}");
        let is_unused = |number: &usize| !sessions.contains_key(&name(*number));
        // There are fewer sessions than numbers tried.
        (1..=sessions.len() + 1).find(is_unused).map_or_else(|| name(0), name)
    }

    /// Stops, unlinks and forgets a session; there may be none.
    pub(crate) async fn delete(&self, name: &str) {
        let Some(session) = self.get(name) else { return };
        let _alone = session.lifecycle.lock().await;
        // Who was here before has deleted it; what has the name now is another one.
        if session.is_removed() {
            return;
        }
        session.end(Ending::Logout).await;
        session.engine.removed(name);
        // Whoever creates or configures one of this name meanwhile waits for this lock.
        let mut sessions = self.0.write();
        session.removed.store(true, Ordering::SeqCst);
        sessions.shift_remove(name);
        if let Some(gateway) = session.gateway.upgrade() {
            gateway.bus.remove_session(name);
        }
    }
}

/// Whether a session can have this name: 1 to 64 letters, digits, `-` or `_`, and no `-` first.
#[must_use]
pub fn is_session_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=64).contains(&name.len()) && !name.starts_with('-') && name.chars().all(fits)
}

/// How a session comes to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It keeps its account.
    Stop,
    /// It is unlinked from its account.
    Logout,
}

/// One WhatsApp account.
pub(crate) struct Session {
    name: String,
    engine: Arc<dyn Engine>,
    gateway: Weak<Shared>,
    config: RwLock<SessionConfig>,
    facts: RwLock<Facts>,
    status: RwLock<SessionStatus>,
    /// Told of each change of the status; who waits is woken in the order in which they came.
    status_changed: Notify,
    queue: mpsc::Sender<Job>,
    /// Counts the starts; events of an earlier one are dropped.
    started: AtomicU64,
    /// When the engine was last heard of, in Unix milliseconds; 0 for never.
    last_activity_ms: AtomicU64,
    /// One start or stop at a time.
    lifecycle: tokio::sync::Mutex<()>,
    /// The gateway has it no more; somebody may still hold it.
    removed: AtomicBool,
}

/// What its events say of a session.
struct Facts {
    me: Option<Me>,
    statuses: Vec<(SessionStatus, u64)>,
    envelope: Arc<Envelope>,
}

impl Session {
    fn new(
        gateway: &Arc<Shared>,
        spec: &SessionSpec,
        engine: Arc<dyn Engine>,
        queue: mpsc::Sender<Job>,
    ) -> Arc<Self> {
        let envelope = gateway.envelope(&spec.name, engine.name(), &spec.config, None);
        let now_ms = gateway.clock.now_ms();
        Arc::new(Self {
            name: spec.name.clone(),
            engine,
            gateway: Arc::downgrade(gateway),
            config: RwLock::new(spec.config.clone()),
            facts: RwLock::new(Facts {
                me: None,
                statuses: vec![(SessionStatus::Stopped, now_ms)],
                envelope: Arc::new(envelope),
            }),
            status: RwLock::new(SessionStatus::Stopped),
            status_changed: Notify::new(),
            queue,
            started: AtomicU64::new(0),
            last_activity_ms: AtomicU64::new(0),
            lifecycle: tokio::sync::Mutex::new(()),
            removed: AtomicBool::new(false),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    pub(crate) fn status(&self) -> SessionStatus {
        *self.status.read()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.status() == SessionStatus::Stopped
    }

    /// Whether the gateway has it no more.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::SeqCst)
    }

    pub(crate) fn me(&self) -> Option<Me> {
        self.facts.read().me.clone()
    }

    pub(crate) fn config(&self) -> SessionConfig {
        self.config.read().clone()
    }

    /// When the engine was last heard of, in Unix milliseconds.
    pub(crate) fn last_activity_ms(&self) -> Option<u64> {
        Some(self.last_activity_ms.load(Ordering::Relaxed)).filter(|&ms| ms > 0)
    }

    /// Takes a new configuration at once.
    pub(crate) fn configure(&self, config: SessionConfig) {
        let Some(gateway) = self.gateway.upgrade() else { return };
        let _kept = gateway.sessions.0.read();
        if self.is_removed() {
            return;
        }
        gateway.bus.set_webhooks(&self.name, config.webhooks.clone());
        *self.config.write() = config;
        self.renew_envelope(&gateway);
    }

    /// Waits until the session works or is stopped, at most `patience` by the gateway's clock.
    pub(crate) async fn wait_until_working(&self, patience: Duration) -> SessionStatus {
        let settled = || matches!(self.status(), SessionStatus::Working | SessionStatus::Stopped);
        let Some(gateway) = self.gateway.upgrade().filter(|_| !settled()) else {
            return self.status();
        };
        let settles = async {
            loop {
                let mut changed = pin!(self.status_changed.notified());
                changed.as_mut().enable();
                if settled() {
                    return;
                }
                changed.await;
            }
        };
        tokio::select! {
            biased;
            () = settles => {}
            () = gateway.clock.sleep(patience) => {}
        }
        self.status()
    }

    /// Starts the session unless it runs. Answers when the engine has taken it up.
    pub(crate) async fn start(&self) {
        let _alone = self.lifecycle.lock().await;
        self.begin().await;
    }

    /// Stops the session, and with [`Ending::Logout`] has what is known of it forgotten.
    pub(crate) async fn shut_down(&self, ending: Ending) {
        let _alone = self.lifecycle.lock().await;
        self.end(ending).await;
    }

    /// Stops the session and starts it again, with nothing in between.
    pub(crate) async fn restart(&self, ending: Ending) {
        let _alone = self.lifecycle.lock().await;
        self.end(ending).await;
        self.begin().await;
    }

    async fn begin(&self) {
        let at_rest = matches!(self.status(), SessionStatus::Stopped | SessionStatus::Failed);
        if !at_rest || self.is_removed() {
            return;
        }
        let start = self.started.fetch_add(1, Ordering::SeqCst) + 1;
        self.set_status(SessionStatus::Starting);
        let events = EngineEvents { queue: self.queue.clone(), start };
        if let Err(error) = self.engine.start(&self.name, events).await {
            tracing::error!(session = self.name, %error, "the session failed to start");
            self.set_status(SessionStatus::Failed);
        }
    }

    async fn end(&self, ending: Ending) {
        if self.is_removed() {
            return;
        }
        let stopped = match ending {
            Ending::Stop if self.is_stopped() => return,
            Ending::Stop => self.engine.stop(&self.name).await,
            Ending::Logout => self.engine.logout(&self.name).await,
        };
        if let Err(error) = stopped {
            tracing::warn!(session = self.name, %error, "the engine failed to stop the session");
        }
        let start = self.started.fetch_add(1, Ordering::SeqCst) + 1;
        if ending == Ending::Logout {
            let events = EngineEvents { queue: self.queue.clone(), start };
            events.forgotten().await;
            events.settled().await;
        }
        self.set_status(SessionStatus::Stopped);
    }

    /// Publishes an event of a plugin, unless the session ignores chats of that kind.
    pub(crate) fn emit(&self, emission: &EmissionAbi<'_>) {
        if self.config.read().ignore.covers(emission.lane()) {
            return;
        }
        match emission.keys() {
            [key] => self.publish(
                emission.event(),
                emission.lane(),
                slice::from_ref(&key.as_str()),
                emission.payload(),
            ),
            keys => {
                let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
                self.publish(emission.event(), emission.lane(), &keys, emission.payload());
            }
        }
    }

    fn publish(&self, event: &str, lane: &str, keys: &[&str], payload: &[u8]) {
        let Some(gateway) = self.gateway.upgrade() else { return };
        let envelope = self.facts.read().envelope.clone();
        gateway.bus.emit(&envelope, event, lane, keys, payload);
    }

    pub(crate) fn set_status(&self, status: SessionStatus) {
        if std::mem::replace(&mut *self.status.write(), status) == status {
            return;
        }
        self.status_changed.notify_waiters();
        let Some(gateway) = self.gateway.upgrade() else { return };
        let statuses: Vec<Value> = {
            let statuses = &mut self.facts.write().statuses;
            statuses.push((status, gateway.clock.now_ms()));
            let surplus = statuses.len().saturating_sub(MAX_STATUSES);
            statuses.drain(..surplus);
            statuses.iter().map(|(status, ms)| json!({"status": status, "timestamp": ms})).collect()
        };
        tracing::info!(session = self.name, %status, "session status");
        let payload = json!({ "name": self.name, "status": status, "statuses": statuses });
        self.publish("session.status", "session.status", &[], payload.to_string().as_bytes());
    }

    fn set_me(&self, me: Option<Me>) {
        self.facts.write().me = me;
        if let Some(gateway) = self.gateway.upgrade() {
            self.renew_envelope(&gateway);
        }
    }

    fn renew_envelope(&self, gateway: &Shared) {
        let config = self.config();
        let mut facts = self.facts.write();
        let me = facts.me.as_ref();
        let envelope = gateway.envelope(&self.name, self.engine.name(), &config, me);
        facts.envelope = Arc::new(envelope);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("name", &self.name)
            .field("engine", &self.engine.name())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
