//! What the mock refuses.

use thiserror::Error;

use crate::{nearest::did_you_mean, wire::WireError, world::WorldError};

/// The reason why the mock refused an action.
#[derive(Debug, Error)]
pub enum MockError {
    /// The session does not exist.
    #[error("there is no session {session:?}; there is {known}{hint}")]
    Session {
        /// The name that was asked for.
        session: String,
        /// The names that there are.
        known: String,
        /// The nearest name, as the end of the sentence.
        hint: String,
    },
    /// The gateway has stopped the session.
    #[error("the session {0:?} is stopped; POST /api/sessions/{0}/start starts it")]
    Stopped(String),
    /// The session is on an engine that has no such things.
    #[error("the session {session:?} is on {engine}; stanzas and Baileys' events are NOWEB's")]
    Engine {
        /// The session.
        session: String,
        /// Its engine.
        engine: String,
    },
    /// The world does not have that.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A node cannot be written as bytes, or bytes are no node.
    #[error("{error}: {source}", source = error.source)]
    Wire {
        /// What is wrong.
        error: WireError,
    },
}

impl From<WireError> for MockError {
    fn from(error: WireError) -> Self {
        Self::Wire { error }
    }
}

impl MockError {
    pub(super) fn unknown_session<'a>(
        session: &str,
        known: impl Iterator<Item = &'a String>,
    ) -> Self {
        let known: Vec<&str> = known.map(String::as_str).collect();
        Self::Session {
            session: session.to_owned(),
            hint: did_you_mean(session, known.iter().copied()),
            known: if known.is_empty() { "none".to_owned() } else { known.join(", ") },
        }
    }
}
