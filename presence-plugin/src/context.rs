//! What every request and every event works with.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use foldhash::fast::RandomState;
use host_abi::{ErrorKind, Host, PluginError, Snapshot};
use indexmap::IndexMap;
use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::{
    config::Config,
    counts::Counters,
    state::{self, Full, State},
    subscriptions::Subscriptions,
};

/// The host, the configuration, and what is known.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) host: Host,
    pub(crate) config: Config,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) counters: Counters,
    sessions: RwLock<IndexMap<String, Arc<Session>, RandomState>>,
}

/// One session. Its events come one after the other, so that its state has one writer at a time.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) state: RwLock<State>,
    /// The number of the present connection: work for an earlier one sees that it is late.
    connection: AtomicU64,
    connection_changed: Notify,
    /// The host has deleted it; one of the same name is another.
    gone: AtomicBool,
}

/// The number of a connection that there never was, in any session: one that was deleted and came again
/// has nothing to do with what was on its way before.
fn new_connection() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::SeqCst) + 1
}

impl Session {
    fn new(state: State) -> Self {
        Self {
            state: RwLock::new(state),
            connection: AtomicU64::new(new_connection()),
            connection_changed: Notify::new(),
            gone: AtomicBool::new(false),
        }
    }

    /// Whether it was forgotten: what was begun for it is nobody's.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    /// The number of the present connection.
    pub(crate) fn connection(&self) -> u64 {
        self.connection.load(Ordering::SeqCst)
    }

    /// Notes that the connection has changed; all work for the one before is late.
    pub(crate) fn change_connection(&self) -> u64 {
        let connection = new_connection();
        self.connection.store(connection, Ordering::SeqCst);
        self.connection_changed.notify_waiters();
        connection
    }

    /// Waits until the connection of this number is over.
    pub(crate) async fn connection_ends(&self, connection: u64) {
        let mut changed = pin!(self.connection_changed.notified());
        changed.as_mut().enable();
        if self.connection() == connection {
            changed.await;
        }
    }
}

impl Context {
    pub(crate) fn new(
        host: Host,
        config: Config,
        restore: Option<&Snapshot>,
    ) -> Result<Self, PluginError> {
        let restored = match restore {
            None => Vec::new(),
            Some(saved) => state::decode(saved.schema(), saved.bytes(), config.limits())
                .map_err(|error| PluginError::new(ErrorKind::INVALID, with_causes(&error)))?,
        };
        let sessions =
            restored.into_iter().map(|(name, state)| (name, Arc::new(Session::new(state))));
        Ok(Self {
            host,
            config,
            subscriptions: Subscriptions::default(),
            counters: Counters::default(),
            sessions: RwLock::new(sessions.collect()),
        })
    }

    /// A session, made if it is new. The host decides which sessions there are, and how many.
    pub(crate) fn session(&self, name: &str) -> Arc<Session> {
        if let Some(session) = self.sessions.read().get(name) {
            return session.clone();
        }
        let new = || Arc::new(Session::new(State::new(self.config.limits())));
        self.sessions.write().entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// All that is known, for the instance that takes over.
    pub(crate) fn save(&self) -> Result<Snapshot, PluginError> {
        let sessions: Vec<_> = self
            .sessions
            .read()
            .iter()
            .map(|(name, session)| (name.clone(), session.clone()))
            .collect();
        let states: Vec<_> =
            sessions.iter().map(|(name, session)| (name.as_str(), session.state.read())).collect();
        let bytes = state::encode(states.iter().map(|(name, state)| (*name, &**state)))
            .map_err(|error| PluginError::new(ErrorKind::INTERNAL, with_causes(&error)))?;
        Ok(Snapshot::new(state::SCHEMA, bytes))
    }

    /// Forgets a session, and ends the work that goes on for it.
    pub(crate) fn forget(&self, name: &str) {
        let session = self.sessions.write().shift_remove(name);
        if let Some(session) = session {
            session.gone.store(true, Ordering::SeqCst);
            session.change_connection();
        }
    }

    /// Ends all work that goes on by itself.
    pub(crate) fn wind_down(&self) {
        for session in self.sessions.read().values() {
            session.change_connection();
        }
    }
}

impl From<Full> for PluginError {
    fn from(full: Full) -> Self {
        Self::new(ErrorKind::UNAVAILABLE, full.to_string())
    }
}

/// An error and its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
