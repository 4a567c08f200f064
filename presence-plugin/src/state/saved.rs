//! The state as bytes, for the instance that takes over.
//!
//! JSON, so that a person can read what was kept:
//! `[{"session":"default","chats":[{"id":"777@c.us","wanted":true,"subscribed":true,
//! "presences":[["777@c.us","offline",1686719326]]}]}]`.

use serde::{Deserialize, Serialize};

use super::{Chat, Full, Limits, State};
use crate::{
    jid::{Jid, JidError},
    presence::{Presence, Record},
};

/// The version number of this format.
pub const SCHEMA: u32 = 1;

/// Why a saved state cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The format is another one.
    #[error("failed to read a state of schema {found}: this version reads schema {SCHEMA}")]
    Schema {
        /// The version number of that format.
        found: u32,
    },
    /// The bytes are not in this format.
    #[error("failed to read the state of schema {SCHEMA}")]
    Malformed(#[from] serde_json::Error),
    /// An id is not valid.
    #[error("failed to read an id in the state of session {session:?}")]
    Id {
        /// The session.
        session: String,
        /// What is wrong with the id.
        #[source]
        source: JidError,
    },
    /// There are more chats than the limit allows.
    #[error("failed to take over the state of session {session:?}")]
    Full {
        /// The session.
        session: String,
        /// The limit.
        #[source]
        source: Full,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedSession {
    session: String,
    chats: Vec<SavedChat>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedChat {
    id: String,
    wanted: bool,
    subscribed: bool,
    presences: Vec<(String, Presence, Option<u64>)>,
}

/// Serializes the states of sessions.
///
/// # Errors
///
/// When serialization fails, which no known state does.
pub fn encode<'a>(
    sessions: impl IntoIterator<Item = (&'a str, &'a State)>,
) -> Result<Vec<u8>, SavedError> {
    let sessions = sessions
        .into_iter()
        .map(|(session, state)| SavedSession { session: session.to_owned(), chats: state.save() });
    Ok(serde_json::to_vec(&sessions.collect::<Vec<_>>())?)
}

/// Reads what [`encode`] wrote. Participants beyond `limits` are left out.
///
/// # Errors
///
/// When the schema is another one, the bytes are damaged, or there are more chats than `limits` allow.
pub fn decode(
    schema: u32,
    bytes: &[u8],
    limits: Limits,
) -> Result<Vec<(String, State)>, SavedError> {
    if schema != SCHEMA {
        return Err(SavedError::Schema { found: schema });
    }
    let saved: Vec<SavedSession> = serde_json::from_slice(bytes)?;
    let states = saved.into_iter().map(|SavedSession { session, chats }| {
        let mut state = State::new(limits);
        for chat in &chats {
            state.restore(chat, &session)?;
        }
        Ok((session, state))
    });
    states.collect()
}

impl State {
    fn save(&self) -> Vec<SavedChat> {
        let chats = self.chats.iter().map(|(id, chat)| SavedChat {
            id: self.names.outward(*id),
            wanted: chat.wanted,
            subscribed: chat.subscribed,
            presences: self.save_participants(chat),
        });
        chats.collect()
    }

    fn save_participants(&self, chat: &Chat) -> Vec<(String, Presence, Option<u64>)> {
        let rows = chat.roster.rows().iter().map(|row| {
            let Record { presence, last_seen } = row.record();
            (self.names.outward(row.id), presence, last_seen.map(|seconds| seconds.get().into()))
        });
        rows.collect()
    }

    fn restore(&mut self, saved: &SavedChat, session: &str) -> Result<(), SavedError> {
        let parse = |id| {
            Jid::parse(id).map_err(|source| SavedError::Id { session: session.to_owned(), source })
        };
        let full = |source| SavedError::Full { session: session.to_owned(), source };
        let chat = parse(&saved.id)?;
        let mut updates = Vec::with_capacity(saved.presences.len());
        for (participant, presence, last_seen) in &saved.presences {
            updates.push((parse(participant)?, Record::new(*presence, *last_seen)));
        }
        let index = self.chat_index(&chat).map_err(full)?;
        let entry = &mut self.chats[index];
        (entry.wanted, entry.subscribed) = (saved.wanted, saved.subscribed);
        self.apply(&chat, &mut updates);
        Ok(())
    }
}
