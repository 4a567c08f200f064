//! The JSON that goes out, as documented.
//!
//! The types define the format; the functions write the same bytes without building the types.

use host_abi::Key;
use serde::{Deserialize, Serialize};

use crate::{
    jid::Jid,
    presence::{Presence, Record},
    state::{Id, Listing, Update},
};

/// One chat, as the endpoints and the webhook show it.
///
/// <https://waha.devlike.pro/docs/how-to/presence/#get-chat-presence>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatPresences {
    /// The chat: a contact or a group.
    pub id: String,
    /// Its participants, in the order in which they were first seen.
    pub presences: Vec<PresenceData>,
}

/// One participant of a chat.
///
/// <https://waha.devlike.pro/docs/how-to/presence/#get-chat-presence>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PresenceData {
    /// The participant.
    pub participant: String,
    /// The last known presence.
    pub last_known_presence: Presence,
    /// When the participant was last online, in Unix seconds, or `null`; never absent.
    pub last_seen: Option<u32>,
}

/// The size of a chat without participants, and of each participant, with ids of the usual length.
const CHAT_BYTES: usize = 64;
const PARTICIPANT_BYTES: usize = 96;

/// All chats of a listing, as an array.
#[must_use]
pub fn all(listing: &Listing) -> Vec<u8> {
    let mut out = buffer(listing.chats(), listing.participants());
    out.push(b'[');
    write_chats(&mut out, listing);
    close(&mut out, b']');
    out
}

/// The only chat of a listing, as an object.
#[must_use]
pub fn chat(listing: &Listing) -> Vec<u8> {
    let mut out = buffer(listing.chats(), listing.participants());
    write_chats(&mut out, listing);
    out.pop();
    out
}

/// The payload of one event, and the outward ids that name the lane and the keys of its emission.
#[derive(Debug)]
pub struct News {
    /// The payload.
    pub payload: Vec<u8>,
    text: String,
    ends: Vec<usize>,
}

impl News {
    /// Writes the payload of one event.
    #[must_use]
    pub fn new(chat: &Jid<'_>, updates: &[Update<'_>]) -> Self {
        let mut news = Self {
            payload: buffer(1, updates.len()),
            text: String::with_capacity(24 * (updates.len() + 1)),
            ends: Vec::with_capacity(updates.len() + 1),
        };
        begin_chat(&mut news.payload, |out| write_jid(out, chat));
        news.file(chat);
        for (participant, record) in updates {
            write_participant(&mut news.payload, |out| write_jid(out, participant), *record);
            news.file(participant);
        }
        end_chat(&mut news.payload);
        news.payload.pop();
        news
    }

    /// The outward id of the chat.
    #[must_use]
    pub fn chat(&self) -> &str {
        &self.text[..self.ends[0]]
    }

    /// The outward ids of the participants.
    #[must_use]
    pub fn participants(&self) -> Vec<Key<'_>> {
        self.ends.windows(2).map(|ends| Key::new(&self.text[ends[0]..ends[1]])).collect()
    }

    fn file(&mut self, jid: &Jid<'_>) {
        self.text.push_str(jid.user());
        self.text.push_str(jid.server().suffix());
        self.ends.push(self.text.len());
    }
}

fn buffer(chats: usize, participants: usize) -> Vec<u8> {
    Vec::with_capacity(2 + chats * CHAT_BYTES + participants * PARTICIPANT_BYTES)
}

/// Writes chats, each followed by a comma.
fn write_chats(out: &mut Vec<u8>, listing: &Listing) {
    listing.walk(
        out,
        |out, chat| begin_chat(out, |out| write_id(out, chat)),
        |out, participant, record| write_participant(out, |out| write_id(out, participant), record),
        end_chat,
    );
}

fn begin_chat(out: &mut Vec<u8>, id: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(br#"{"id":""#);
    id(out);
    out.extend_from_slice(br#"","presences":["#);
}

fn end_chat(out: &mut Vec<u8>) {
    close(out, b']');
    out.extend_from_slice(b"},");
}

fn write_participant(out: &mut Vec<u8>, id: impl FnOnce(&mut Vec<u8>), record: Record) {
    out.extend_from_slice(br#"{"participant":""#);
    id(out);
    out.extend_from_slice(after_participant(record.presence));
    match record.last_seen {
        None => out.extend_from_slice(b"null},"),
        Some(seconds) => {
            out.extend_from_slice(itoa::Buffer::new().format(seconds.get()).as_bytes());
            out.extend_from_slice(b"},");
        }
    }
}

/// The text between a participant's id and its last-seen, in one piece because it is written so often.
fn after_participant(presence: Presence) -> &'static [u8] {
    match presence {
        Presence::Offline => br#"","lastKnownPresence":"offline","lastSeen":"#,
        Presence::Online => br#"","lastKnownPresence":"online","lastSeen":"#,
        Presence::Typing => br#"","lastKnownPresence":"typing","lastSeen":"#,
        Presence::Recording => br#"","lastKnownPresence":"recording","lastSeen":"#,
        Presence::Paused => br#"","lastKnownPresence":"paused","lastSeen":"#,
    }
}

/// Writes an id, which has no character that JSON escapes.
fn write_id(out: &mut Vec<u8>, id: Id<'_>) {
    match id {
        Id::Number(number, server) => {
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            out.extend_from_slice(server.suffix().as_bytes());
        }
        Id::Name(name) => out.extend_from_slice(name.as_bytes()),
    }
}

fn write_jid(out: &mut Vec<u8>, jid: &Jid<'_>) {
    out.extend_from_slice(jid.user().as_bytes());
    out.extend_from_slice(jid.server().suffix().as_bytes());
}

/// Ends an array, in place of the comma after its last element if there is one.
fn close(out: &mut Vec<u8>, end: u8) {
    match out.last_mut() {
        Some(last) if *last == b',' => *last = end,
        _ => out.push(end),
    }
}
