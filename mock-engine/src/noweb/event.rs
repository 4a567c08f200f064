//! A Baileys event, as NOWEB hands it to a gateway.

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::{json::one_or_many, nearest::nearest};

/// The kinds of event that NOWEB is listened to for.
const KINDS: [&str; 3] = ["presence.update", "messages.upsert", "connection.update"];

/// The statuses of Baileys' `WAPresence`.
const STATUSES: [&str; 5] = ["unavailable", "available", "composing", "recording", "paused"];

/// One Baileys event.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A `presence.update` that reads as one.
    Presence {
        /// The chat: a contact's jid or a group's.
        id: String,
        /// The participants' presences; one, except in injected events.
        presences: Vec<Presence>,
    },
    /// Any other event, and a `presence.update` with something in it that is not Baileys'.
    Json {
        /// Its name: `messages.upsert`.
        kind: String,
        /// Its data.
        data: Value,
    },
}

/// One participant's presence in a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Who: a jid.
    pub participant: String,
    /// Baileys' word, `composing`; or whatever the stanza said.
    pub status: String,
    /// Since when they are gone, in Unix seconds.
    pub last_seen: Option<u64>,
    /// How many of a group are online, which Baileys 7 says of the group itself.
    pub group_online_count: Option<u64>,
}

impl Presence {
    /// Whether the status is one that Baileys names.
    pub fn is_known(&self) -> bool {
        STATUSES.contains(&self.status.as_str())
    }
}

impl Event {
    /// Reads `{"event": "presence.update", "data": …}`.
    ///
    /// # Errors
    ///
    /// Fails when a field is missing, unknown or of another type, and says which; what `data` holds is
    /// nobody's business.
    pub fn from_json(value: &Value, path: &str) -> Result<Self, EventError> {
        let Value::Object(fields) = value else {
            return Err(EventError::new(path, "an event: {\"event\", \"data\"}", value));
        };
        if let Some((name, found)) =
            fields.iter().find(|(name, _)| !matches!(name.as_str(), "event" | "data"))
        {
            return Err(EventError::new(&format!("{path}.{name}"), "only event and data", found));
        }
        let kind = match fields.get("event") {
            Some(Value::String(kind)) if KINDS.contains(&kind.as_str()) => kind,
            other => {
                let found = other.unwrap_or(&Value::Null);
                let mut error = EventError::new(
                    &format!("{path}.event"),
                    "one of presence.update, messages.upsert, connection.update",
                    found,
                );
                error.hint = found.as_str().and_then(|it| nearest(it, KINDS)).map(str::to_owned);
                return Err(error);
            }
        };
        match fields.get("data") {
            Some(data) => Ok(Self::of(kind, data.clone())),
            None => Err(EventError::new(&format!("{path}.data"), "the event's data", &Value::Null)),
        }
    }

    /// Reads one event or an array of them.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json).
    pub fn list_from_json(value: &Value) -> Result<Vec<Self>, EventError> {
        one_or_many(value, Self::from_json)
    }

    /// The event of this name with this data: [`Presence`](Self::Presence) if it reads as one, exactly.
    pub fn of(kind: &str, data: Value) -> Self {
        let presence = if kind == "presence.update" { read_presence(&data) } else { None };
        presence.unwrap_or_else(|| Self::Json { kind: kind.to_owned(), data })
    }

    /// The event's name.
    pub fn kind(&self) -> &str {
        match self {
            Self::Presence { .. } => "presence.update",
            Self::Json { kind, .. } => kind,
        }
    }

    /// The event's data, as Baileys has it.
    pub fn data(&self) -> Value {
        let (id, presences) = match self {
            Self::Presence { id, presences } => (id, presences),
            Self::Json { data, .. } => return data.clone(),
        };
        let mut by_participant = Map::new();
        for presence in presences {
            let mut data = Map::new();
            data.insert("lastKnownPresence".to_owned(), json!(presence.status));
            if let Some(last_seen) = presence.last_seen {
                data.insert("lastSeen".to_owned(), json!(last_seen));
            }
            if let Some(count) = presence.group_online_count {
                data.insert("groupOnlineCount".to_owned(), json!(count));
            }
            by_participant.insert(presence.participant.clone(), Value::Object(data));
        }
        json!({ "id": id, "presences": by_participant })
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Presence { id, presences } => {
                let one =
                    |it: &Presence| size_of::<Presence>() + it.participant.len() + it.status.len();
                size_of::<Self>() + id.len() + presences.iter().map(one).sum::<usize>()
            }
            Self::Json { kind, data } => size_of::<Self>() + kind.len() + size_of_json(data),
        }
    }

    /// The event as the control API shows it.
    pub fn to_json(&self) -> Value {
        json!({ "event": self.kind(), "data": self.data() })
    }
}

fn size_of_json(value: &Value) -> usize {
    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size_of_json).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + size_of_json(value)).sum()
        }
    };
    size_of::<Value>() + inside
}

fn read_presence(data: &Value) -> Option<Event> {
    let fields = data.as_object()?;
    if fields.keys().any(|name| name != "id" && name != "presences") {
        return None;
    }
    let id = fields.get("id")?.as_str()?.to_owned();
    let presences = fields
        .get("presences")?
        .as_object()?
        .iter()
        .map(|(participant, presence)| {
            let presence = presence.as_object()?;
            let last_seen = match presence.get("lastSeen") {
                None | Some(Value::Null) => None,
                Some(seconds) => Some(seconds.as_u64().filter(|seconds| *seconds >= 1)?),
            };
            let group_online_count = match presence.get("groupOnlineCount") {
                None => None,
                Some(count) => Some(count.as_u64()?),
            };
            let status = presence.get("lastKnownPresence")?.as_str()?.to_owned();
            let presence = Presence {
                participant: participant.clone(),
                status,
                last_seen,
                group_online_count,
            };
            presence.is_known().then_some(presence)
        })
        .collect::<Option<Vec<_>>>()?;
    (!presences.is_empty()).then_some(Event::Presence { id, presences })
}

/// Where some JSON is not an event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}: expected {expected}, found {found}{}", hint.as_ref().map(|it| format!("; did you mean {it}?")).unwrap_or_default())]
pub struct EventError {
    /// The place, from the request's root: `$[1].event`.
    pub path: String,
    /// What would be right there.
    pub expected: &'static str,
    /// What is there.
    pub found: String,
    /// The nearest word that would do.
    pub hint: Option<String>,
}

impl EventError {
    fn new(path: &str, expected: &'static str, found: &Value) -> Self {
        let found = if found.is_null() { "nothing".to_owned() } else { found.to_string() };
        Self { path: path.to_owned(), expected, found, hint: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_with_known_words_is_typed() {
        let data = json!({ "id": "1@g.us", "presences": { "2@lid": { "lastKnownPresence": "unavailable", "lastSeen": 3 } } });
        let event = Event::of("presence.update", data.clone());
        assert!(
            matches!(&event, Event::Presence { presences, .. } if presences[0].last_seen == Some(3))
        );
        assert_eq!(event.data(), data);
    }

    #[test]
    fn anything_else_is_passed_on_as_it_is() {
        for data in [
            json!({ "id": "1@g.us", "presences": { "2@lid": { "lastKnownPresence": "dancing" } } }),
            json!({ "id": "1@g.us", "presences": { "2@lid": { "lastKnownPresence": "available", "lastSeen": "3" } } }),
            json!({ "id": "1@g.us", "presences": {} }),
            json!({ "id": 1, "presences": {} }),
            json!([]),
        ] {
            let event = Event::of("presence.update", data.clone());
            assert!(matches!(event, Event::Json { .. }), "{data}");
            assert_eq!(event.data(), data);
        }
    }

    #[test]
    fn an_error_says_where_and_the_nearest_word() {
        let error = Event::list_from_json(&json!([{ "event": "presence.updat", "data": {} }]));
        assert_eq!(
            error.unwrap_err().to_string(),
            "$[0].event: expected one of presence.update, messages.upsert, connection.update, \
             found \"presence.updat\"; did you mean presence.update?"
        );
        let error = Event::list_from_json(&json!({ "event": "presence.update" })).unwrap_err();
        assert_eq!(error.to_string(), "$.data: expected the event's data, found nothing");
    }
}
