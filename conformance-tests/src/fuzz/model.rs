//! The expected state after a sequence, in its simplest form.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::{Act, Change, act::CONTACTS};
use crate::driver::Becomes;

/// The presence of one participant of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// One of the five statuses.
    pub status: &'static str,
    /// In Unix seconds.
    pub last_seen: Option<u64>,
}

/// All known chats in first-seen order, and the expected events.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The records by number of chat and of participant.
    pub chats: IndexMap<usize, IndexMap<usize, Record>>,
    /// The chat, participant and record of each event, in order.
    pub events: Vec<(usize, usize, Record)>,
}

impl Model {
    /// Applies one act.
    pub fn apply(&mut self, act: &Act) {
        match *act {
            Act::Presence { chat, who, change } => {
                if let Some(record) = record(change) {
                    self.set(chat, participant(chat, who), record);
                }
            }
            Act::Message { chat, who } => {
                let who = participant(chat, who);
                let known = self.chats.get(&chat).and_then(|chat| chat.get(&who));
                if known.is_some_and(|known| matches!(known.status, "typing" | "recording")) {
                    self.set(chat, who, Record { status: "online", last_seen: None });
                }
            }
            Act::Subscribe(chat) | Act::GetChat(chat) => {
                self.chats.entry(chat).or_default();
            }
            Act::GetAll | Act::Reconnect | Act::ReceiverFails => {}
        }
    }

    fn set(&mut self, chat: usize, who: usize, record: Record) {
        self.chats.entry(chat).or_default().insert(who, record);
        self.events.push((chat, who, record));
    }
}

/// The acts without those whose outcome only extensions define: a message from a participant who is
/// recording, and an unknown status.
pub(super) fn without_extensions(acts: Vec<Act>) -> Vec<Act> {
    let mut model = Model::default();
    let mut is_plain = |act: &Act| {
        let plain = match *act {
            Act::Presence { change: Change::Unknown, .. } => false,
            Act::Message { chat, who } => {
                let known = model.chats.get(&chat);
                let known = known.and_then(|chat_of| chat_of.get(&participant(chat, who)));
                known.is_none_or(|known| known.status != "recording")
            }
            _ => true,
        };
        if plain {
            model.apply(act);
        }
        plain
    };
    acts.into_iter().filter(|act| is_plain(act)).collect()
}

impl Record {
    /// The record as the API shows it.
    pub fn json(&self, participant: &str) -> Value {
        json!({
            "participant": participant,
            "lastKnownPresence": self.status,
            "lastSeen": self.last_seen,
        })
    }
}

/// The participant an act refers to: in a direct chat, always the contact.
pub(super) fn participant(chat: usize, who: usize) -> usize {
    if chat < CONTACTS { chat } else { who }
}

fn record(change: Change) -> Option<Record> {
    let status = match change {
        Change::Becomes(Becomes::Typing) => "typing",
        Change::Becomes(Becomes::Recording) => "recording",
        // Baileys reports WhatsApp's paused as available.
        Change::Becomes(Becomes::Online | Becomes::Stopped) => "online",
        Change::Becomes(Becomes::Offline) | Change::LeftAt(_) | Change::LeftHidden => "offline",
        Change::Paused => "paused",
        Change::Unknown => return None,
    };
    let last_seen = if let Change::LeftAt(seconds) = change { Some(seconds) } else { None };
    Some(Record { status, last_seen })
}
