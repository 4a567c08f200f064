//! What must be shown after a sequence, as plainly as it can be said.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::{Act, Told, act::CONTACTS};
use crate::driver::Becomes;

/// What is known of one participant of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// One of the five words.
    pub status: &'static str,
    /// In Unix seconds.
    pub last_seen: Option<u64>,
}

/// All chats that were heard of, in that order, and the events that each brought.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Chat, participant, what is known; chats and participants by their numbers.
    pub chats: IndexMap<usize, IndexMap<usize, Record>>,
    /// Chat, participant and what was told, for each event, in order.
    pub events: Vec<(usize, usize, Record)>,
}

impl Model {
    /// Applies one act.
    pub fn apply(&mut self, act: &Act) {
        match *act {
            Act::Tells { chat, who, told } => {
                if let Some(record) = record(told) {
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

/// The acts without those whose outcome only extensions say: a message of who records, and a status that
/// nobody knows.
pub(super) fn without_extensions(acts: Vec<Act>) -> Vec<Act> {
    let mut model = Model::default();
    let mut is_plain = |act: &Act| {
        let plain = match *act {
            Act::Tells { told: Told::Unknown, .. } => false,
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
    /// As the API shows it.
    pub fn json(&self, participant: &str) -> Value {
        json!({
            "participant": participant,
            "lastKnownPresence": self.status,
            "lastSeen": self.last_seen,
        })
    }
}

/// Who it is that does something in a chat: in a contact's own chat, the contact.
pub(super) fn participant(chat: usize, who: usize) -> usize {
    if chat < CONTACTS { chat } else { who }
}

fn record(told: Told) -> Option<Record> {
    let status = match told {
        Told::Becomes(Becomes::Typing) => "typing",
        Told::Becomes(Becomes::Recording) => "recording",
        // Baileys says available when WhatsApp says paused.
        Told::Becomes(Becomes::Online | Becomes::Stopped) => "online",
        Told::Becomes(Becomes::Offline) | Told::LeftAt(_) | Told::LeftHidden => "offline",
        Told::Paused => "paused",
        Told::Unknown => return None,
    };
    let last_seen = if let Told::LeftAt(seconds) = told { Some(seconds) } else { None };
    Some(Record { status, last_seen })
}
