//! NOWEB's dialect, which is that of Baileys: its events in, its operations out.
//!
//! | Baileys | documented |
//! |---|---|
//! | `available` | online |
//! | `unavailable` | offline, with a last-seen if that is known |
//! | `composing` | typing |
//! | `recording` | recording |
//! | `paused` | paused |
//!
//! Baileys reports a `<paused/>` chat state as `available`.

use std::borrow::Cow;

use host_abi::EngineStatus;
use serde_json::{Map, Value, json};

use crate::{
    jid::Jid,
    presence::{Presence, Record},
};

/// The kind of event for presences.
pub(crate) const PRESENCE_UPDATE: &str = "presence.update";
/// The kind of event for messages.
pub(crate) const MESSAGES_UPSERT: &str = "messages.upsert";
/// The kind of event for the state of the connection.
pub(crate) const CONNECTION_UPDATE: &str = "connection.update";

/// What the engine reports of one participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said<'a> {
    /// A known status.
    News(Record),
    /// An unknown status.
    UnknownWord(Cow<'a, str>),
    /// No status.
    Junk,
}

/// The reason why an event cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialectError {
    /// The event is not valid JSON.
    #[error("failed to read the event as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A field is missing or has the wrong type.
    #[error("failed to read the event: {field} should be {expected}")]
    Field {
        /// The name of the field.
        field: &'static str,
        /// The expected type.
        expected: &'static str,
    },
}

/// Reads a status in its typed form.
pub(crate) fn status(status: EngineStatus, last_seen: Option<u64>) -> Said<'static> {
    let presence = match status {
        EngineStatus::AVAILABLE => Presence::Online,
        EngineStatus::UNAVAILABLE => return Said::News(Record::offline(last_seen)),
        EngineStatus::COMPOSING => Presence::Typing,
        EngineStatus::RECORDING => Presence::Recording,
        EngineStatus::PAUSED => Presence::Paused,
        EngineStatus(other) => return Said::UnknownWord(format!("status {other}").into()),
    };
    Said::News(Record::of(presence))
}

fn presence_of(word: &str) -> Option<Presence> {
    Some(match word {
        "available" => Presence::Online,
        "unavailable" => Presence::Offline,
        "composing" => Presence::Typing,
        "recording" => Presence::Recording,
        "paused" => Presence::Paused,
        _ => return None,
    })
}

fn word_of(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "available",
        Presence::Offline => "unavailable",
        Presence::Typing => "composing",
        Presence::Recording => "recording",
        Presence::Paused => "paused",
    }
}

/// A `presence.update` in JSON: `{"id": jid, "presences": {jid: {lastKnownPresence, lastSeen?}}}`.
#[derive(Debug)]
pub(crate) struct PresenceEvent {
    chat: String,
    presences: Map<String, Value>,
}

impl PresenceEvent {
    pub(crate) fn read(data: &[u8]) -> Result<Self, DialectError> {
        let field = |field, expected| DialectError::Field { field, expected };
        let mut event: Value = serde_json::from_slice(data)?;
        let Some(Value::String(chat)) = event.get_mut("id").map(Value::take) else {
            return Err(field("id", "a string"));
        };
        let Some(Value::Object(presences)) = event.get_mut("presences").map(Value::take) else {
            return Err(field("presences", "an object"));
        };
        Ok(Self { chat, presences })
    }

    pub(crate) fn chat(&self) -> &str {
        &self.chat
    }

    /// The participants, in the order of the event.
    pub(crate) fn participants(&self) -> impl Iterator<Item = (&str, Said<'_>)> {
        self.presences.iter().map(|(jid, said)| (jid.as_str(), read_said(said)))
    }
}

fn read_said(said: &Value) -> Said<'_> {
    let Some(word) = said.get("lastKnownPresence").and_then(Value::as_str) else {
        return Said::Junk;
    };
    match presence_of(word) {
        None => Said::UnknownWord(word.into()),
        Some(presence) => {
            let last_seen = said.get("lastSeen").and_then(seconds);
            Said::News(Record::new(presence, last_seen))
        }
    }
}

/// A whole number of seconds, as a number or as a string of digits; anything else, for example `deny`, is
/// unknown.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        _ => None,
    }
}

/// Reads a number such as 5.0, which JavaScript does not distinguish from 5.
fn whole(number: f64) -> Option<u64> {
    let is_whole = number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number);
    // Every whole number of 32 bits is exact in an f64.
    is_whole.then(|| format!("{number:.0}").parse().ok()).flatten()
}

/// A `messages.upsert`: `{"messages": [{"key": {remoteJid, fromMe, participant?}, …}], "type"}`.
#[derive(Debug)]
pub(crate) struct MessagesEvent(Vec<Value>);

/// The author of a message, and the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Author<'a> {
    pub(crate) chat: &'a str,
    pub(crate) participant: &'a str,
}

impl MessagesEvent {
    pub(crate) fn read(data: &[u8]) -> Result<Self, DialectError> {
        let mut event: Value = serde_json::from_slice(data)?;
        // Any other type is history, which says nothing about the present.
        if event.get("type").and_then(Value::as_str) != Some("notify") {
            return Ok(Self(Vec::new()));
        }
        match event.get_mut("messages").map(Value::take) {
            Some(Value::Array(messages)) => Ok(Self(messages)),
            _ => Err(DialectError::Field { field: "messages", expected: "an array" }),
        }
    }

    /// The authors of the messages that are not the account's own; `None` for a message without one.
    pub(crate) fn authors(&self) -> impl Iterator<Item = Option<Author<'_>>> {
        let keys = self.0.iter().map(|message| message.get("key"));
        let theirs = keys.filter(|key| {
            key.and_then(|key| key.get("fromMe")).and_then(Value::as_bool) != Some(true)
        });
        theirs.map(|key| author(key?))
    }
}

/// Reads the author: in a group the participant, in a direct chat the contact itself.
fn author(key: &Value) -> Option<Author<'_>> {
    let text = |name| key.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let chat = text("remoteJid")?;
    let is_group = chat.ends_with("@g.us");
    let participant = if is_group { text("participant")? } else { chat };
    Some(Author { chat, participant })
}

/// A change that a `connection.update` reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionChange {
    /// A new connection is open.
    Open,
    /// The connection is closed.
    Closed,
}

impl ConnectionChange {
    pub(crate) fn read(data: &[u8]) -> Result<Option<Self>, DialectError> {
        let event: Value = serde_json::from_slice(data)?;
        Ok(match event.get("connection").and_then(Value::as_str) {
            Some("open") => Some(Self::Open),
            Some("close") => Some(Self::Closed),
            _ => None,
        })
    }
}

/// An operation of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) op: &'static str,
    pub(crate) args: Vec<u8>,
}

impl Call {
    fn new(op: &'static str, args: &Value) -> Self {
        Self { op, args: args.to_string().into_bytes() }
    }

    /// Subscribes to the presence of a chat.
    pub(crate) fn subscribe(chat: &Jid<'_>) -> Self {
        Self::new("presenceSubscribe", &json!({ "jid": chat.to_engine() }))
    }

    /// Sets the account's own presence, in a chat or in general.
    pub(crate) fn set_presence(presence: Presence, chat: Option<&Jid<'_>>) -> Self {
        let word = word_of(presence);
        let args = match chat {
            None => json!({ "type": word }),
            Some(chat) => json!({ "type": word, "jid": chat.to_engine() }),
        };
        Self::new("sendPresenceUpdate", &args)
    }
}

#[cfg(test)]
mod tests;
