//! The parts of a gateway, as its HTTP interface needs them.

use std::sync::Arc;

use host_delivery::{clock::Clock, event_bus::EventBus, event_names::EventNames};

use crate::{
    plugins::mounted::Mounted,
    sessions::{Session, SessionError, SessionSpec, Sessions, listener::Listener},
};

/// What a gateway is made of.
///
/// Owned by the clones of the gateway and by its routers. The plugins hold the sessions, and the
/// workers of the sessions hold the plugins; dropping the parts ends the workers, and so the rest.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bus: EventBus,
    pub(crate) sessions: Arc<Sessions>,
    /// In the order in which they were given.
    pub(crate) plugins: Vec<Arc<Mounted>>,
    /// When the gateway was built, in Unix milliseconds.
    pub(crate) started_ms: u64,
    /// The server's name among several.
    pub(crate) worker_id: Option<String>,
}

impl Parts {
    /// The events that the gateway and its plugins emit.
    pub(crate) fn event_names(&self) -> EventNames {
        EventNames::new(self.plugins.iter().flat_map(|plugin| plugin.info().emits.iter().cloned()))
    }

    /// Creates a session, stopped, whose events go to the plugins.
    pub(crate) fn create_session(&self, spec: SessionSpec) -> Result<Arc<Session>, SessionError> {
        let listeners =
            self.plugins.iter().map(|plugin| Box::new(plugin.clone()) as Box<dyn Listener>);
        self.sessions.create(spec, listeners)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.sessions.end();
    }
}
