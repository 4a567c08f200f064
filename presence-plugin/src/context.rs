//! The state that all requests and events share.

use std::sync::Arc;

use foldhash::fast::RandomState;
use host_abi::{ErrorKind, Host, PluginError, Snapshot};
use indexmap::IndexMap;
use parking_lot::RwLock;

use crate::{
    config::Config,
    counts::Counters,
    session::Session,
    state::{self, Full, State},
};

/// The host, the configuration, and the sessions. One per instance, shared by all that it does.
///
/// The lock of the list of sessions is held for a lookup only; a session's own lock is taken after it.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) host: Host,
    pub(crate) config: Config,
    pub(crate) counters: Counters,
    sessions: RwLock<IndexMap<String, Arc<Session>, RandomState>>,
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
        let sessions = restored
            .into_iter()
            .map(|(name, state)| (name.clone(), Arc::new(Session::new(name, state))));
        let sessions = RwLock::new(sessions.collect());
        Ok(Self { host, config, counters: Counters::default(), sessions })
    }

    /// The session called `name`, created if it is new. The host decides which sessions exist, and how
    /// many.
    pub(crate) fn session(&self, name: &str) -> Arc<Session> {
        if let Some(session) = self.sessions.read().get(name) {
            return session.clone();
        }
        let new = || Arc::new(Session::new(name.to_owned(), State::new(self.config.limits())));
        self.sessions.write().entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// The state of all sessions, for the instance that takes over.
    pub(crate) fn save(&self) -> Result<Snapshot, PluginError> {
        let sessions: Vec<_> = self.sessions.read().values().cloned().collect();
        let known: Vec<_> =
            sessions.iter().map(|session| (&*session.name, session.known.read())).collect();
        let bytes = state::encode(known.iter().map(|(name, known)| (*name, &known.state)))
            .map_err(|error| PluginError::new(ErrorKind::INTERNAL, with_causes(&error)))?;
        Ok(Snapshot::new(state::SCHEMA, bytes))
    }

    /// Forgets a session, and ends its connection.
    pub(crate) fn forget(&self, name: &str) {
        let session = self.sessions.write().shift_remove(name);
        if let Some(session) = session {
            session.known.write().connection.replace();
        }
    }

    /// Ends all connections, and with them the tasks that renew subscriptions.
    pub(crate) fn wind_down(&self) {
        for session in self.sessions.read().values() {
            session.known.write().connection.replace();
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
