//! The last known presence of every participant, per session. Pure: no lock, no clock, no I/O.
//!
//! Chats, and participants within a chat, keep the order in which they were first seen. A participant
//! takes 16 bytes, and in large chats up to 24 more for spare capacity and an index.

mod listing;
mod names;
mod roster;
mod row;
mod saved;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

pub use self::{
    listing::{Id, Listing},
    saved::{SCHEMA, SavedError, decode, encode},
};
use self::{names::Names, roster::Roster, row::PackedId};
use crate::{jid::Jid, presence::Record};

/// The new record of one participant.
pub type Update<'a> = (Jid<'a>, Record);

/// How much is remembered per session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest number of chats.
    pub chats: usize,
    /// The largest number of participants per chat, up to [`Limits::MOST_PARTICIPANTS`].
    pub participants: usize,
    /// The largest number of participants in all chats together.
    pub rows: usize,
}

impl Limits {
    /// The upper bound of [`Limits::participants`].
    pub const MOST_PARTICIPANTS: usize = u16::MAX as usize - 1;
}

impl Default for Limits {
    fn default() -> Self {
        Self { chats: 250_000, participants: 16_384, rows: 4_000_000 }
    }
}

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session knows {0} chats already, which is the limit")]
pub struct Full(pub usize);

/// The chats of one session and the last known presence of their participants.
#[derive(Debug, Default)]
pub struct State {
    chats: IndexMap<PackedId, Chat, RandomState>,
    names: Names,
    rows: usize,
    limits: Limits,
    version: u64,
}

#[derive(Debug, Default)]
struct Chat {
    roster: Roster,
    /// The state's version when the chat last changed.
    version: u64,
    /// A request has subscribed to it, on this connection or an earlier one.
    wanted: bool,
    /// The engine has accepted a subscription since the connection was opened.
    subscribed: bool,
}

impl State {
    /// An empty state that will remember no more than `limits`.
    ///
    /// # Panics
    ///
    /// When [`Limits::participants`] is above [`Limits::MOST_PARTICIPANTS`].
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        assert!(limits.participants <= Limits::MOST_PARTICIPANTS, "too many participants per chat");
        Self { limits, ..Self::default() }
    }

    /// Records updates of a chat. Those beyond the limits are removed from `updates`; returns how many.
    pub fn apply(&mut self, chat: &Jid<'_>, updates: &mut Vec<Update<'_>>) -> usize {
        let (before, chats, version) = (updates.len(), self.chats.len(), self.version);
        let Ok(index) = self.chat_index(chat) else {
            updates.clear();
            return before;
        };
        let chat = &mut self.chats[index];
        let (names, rows, limits) = (&mut self.names, &mut self.rows, &self.limits);
        let mut changed = false;
        updates.retain(|(jid, record)| {
            if let Some(row) = names.find(jid).and_then(|id| chat.roster.find_mut(id)) {
                changed |= row.set(*record);
                return true;
            }
            let fits = chat.roster.len() < limits.participants && *rows < limits.rows;
            if fits {
                chat.roster.push(names.pack(jid), *record);
                *rows += 1;
                changed = true;
            }
            fits
        });
        if changed {
            self.version += 1;
            chat.version = self.version;
        } else if updates.is_empty() {
            // A new chat whose updates were all refused stays unknown.
            self.chats.truncate(chats);
            self.version = version;
        }
        before - updates.len()
    }

    /// The last record of a participant of a chat.
    #[must_use]
    pub fn record(&self, chat: &Jid<'_>, participant: &Jid<'_>) -> Option<Record> {
        let participant = self.names.find(participant)?;
        self.chat(chat)?.roster.find(participant).map(|row| row.record())
    }

    /// A number that grows exactly when [`State::list_all`] changes.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The version at which [`State::list_chat`] last changed, which no two chats share; `None` if the
    /// chat is not known.
    #[must_use]
    pub fn chat_version(&self, chat: &Jid<'_>) -> Option<u64> {
        self.chat(chat).map(|chat| chat.version)
    }

    /// A copy of one chat; `None` if the chat is not known.
    #[must_use]
    pub fn list_chat(&self, chat: &Jid<'_>) -> Option<Listing> {
        let id = self.names.find(chat)?;
        let chat = self.chats.get(&id)?;
        let mut listing = Listing::with_capacity(1, chat.roster.len());
        listing.push(id, chat.roster.rows(), &self.names);
        Some(listing)
    }

    /// A copy of all chats.
    #[must_use]
    pub fn list_all(&self) -> Listing {
        let mut listing = Listing::with_capacity(self.chats.len(), self.rows);
        for (id, chat) in &self.chats {
            listing.push(*id, chat.roster.rows(), &self.names);
        }
        listing
    }

    /// Whether any participant of a chat is known.
    #[must_use]
    pub fn has_news(&self, chat: &Jid<'_>) -> bool {
        self.chat(chat).is_some_and(|chat| chat.roster.len() > 0)
    }

    /// Whether the engine has accepted a subscription to the chat on the current connection.
    #[must_use]
    pub fn is_subscribed(&self, chat: &Jid<'_>) -> bool {
        self.chat(chat).is_some_and(|chat| chat.subscribed)
    }

    /// Checks that a chat is known or may be added.
    ///
    /// # Errors
    ///
    /// When it is new and the limit is reached.
    pub fn has_room_for(&self, chat: &Jid<'_>) -> Result<(), Full> {
        let fits = self.chats.len() < self.limits.chats || self.chat(chat).is_some();
        if fits { Ok(()) } else { Err(Full(self.limits.chats)) }
    }

    /// Records that a request has subscribed to a chat, and whether that was on the current connection.
    ///
    /// # Errors
    ///
    /// When the chat is new and the limit is reached.
    pub fn set_subscribed(&mut self, chat: &Jid<'_>, on_this_connection: bool) -> Result<(), Full> {
        let index = self.chat_index(chat)?;
        let chat = &mut self.chats[index];
        chat.wanted = true;
        chat.subscribed |= on_this_connection;
        Ok(())
    }

    /// Clears all subscriptions, as a new connection has none. Returns the chats that requests have
    /// subscribed to, in order, as outward ids.
    pub fn start_connection(&mut self) -> Vec<String> {
        let names = &self.names;
        let wanted = self.chats.iter_mut().filter_map(|(id, chat)| {
            chat.subscribed = false;
            chat.wanted.then(|| names.outward(*id))
        });
        wanted.collect()
    }

    fn chat(&self, chat: &Jid<'_>) -> Option<&Chat> {
        self.chats.get(&self.names.find(chat)?)
    }

    /// The index of a chat, which is added if the limit allows it.
    fn chat_index(&mut self, chat: &Jid<'_>) -> Result<usize, Full> {
        let known = self.names.find(chat).and_then(|id| self.chats.get_index_of(&id));
        if let Some(index) = known {
            return Ok(index);
        }
        if self.chats.len() >= self.limits.chats {
            return Err(Full(self.limits.chats));
        }
        self.version += 1;
        let new = Chat { version: self.version, ..Chat::default() };
        Ok(self.chats.insert_full(self.names.pack(chat), new).0)
    }
}

#[cfg(test)]
mod tests;
