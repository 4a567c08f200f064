//! Baileys' `handlePresenceUpdate`.

use serde_json::{Map, Value, json};

use super::{Baileys, Event, Presence, number::number_of};
use crate::wire::Node;

/// The event of a `<presence>` or `<chatstate>`; `None` when there is none.
pub(super) fn update(stanza: &Node, version: Baileys) -> Option<Event> {
    let status = if stanza.tag == "presence" { presence(stanza) } else { chatstate(stanza)? };
    let is_presence = stanza.tag == "presence";
    let said = |name: &str| stanza.get(name).filter(|value| is_presence && !value.is_empty());
    let last = said("last").filter(|last| *last != "deny").map(number_of);
    let count = said("count").filter(|_| version == Baileys::Seven).map(number_of);
    let from = stanza.get("from");
    let participant = stanza.get("participant").filter(|it| !it.is_empty()).or(from);
    let last_seen = last.as_ref().map(|last| last.as_u64().filter(|seconds| *seconds >= 1));
    let online = count.as_ref().map(Value::as_u64);
    if let (Some(from), Some(participant), None | Some(Some(_)), None | Some(Some(_))) =
        (from.filter(|it| !it.is_empty()), participant, online, last_seen)
    {
        let presences = vec![Presence {
            participant: participant.to_owned(),
            status: status.to_owned(),
            last_seen: last_seen.flatten(),
            group_online_count: online.flatten(),
        }];
        return Some(Event::Presence { id: from.to_owned(), presences });
    }
    let mut data = Map::new();
    data.insert("lastKnownPresence".to_owned(), json!(status));
    data.extend(last.map(|last| ("lastSeen".to_owned(), last)));
    data.extend(count.map(|count| ("groupOnlineCount".to_owned(), count)));
    let mut presences = Map::new();
    // A key that is not there is the word `undefined` in JavaScript; a value that is not there is none.
    presences.insert(participant.unwrap_or("undefined").to_owned(), Value::Object(data));
    let mut event = Map::new();
    event.extend(from.map(|from| ("id".to_owned(), json!(from))));
    event.insert("presences".to_owned(), Value::Object(presences));
    Some(Event::Json { kind: "presence.update".to_owned(), data: Value::Object(event) })
}

fn presence(stanza: &Node) -> &'static str {
    if stanza.get("type") == Some("unavailable") { "unavailable" } else { "available" }
}

fn chatstate(stanza: &Node) -> Option<&str> {
    let child = stanza.children().first()?;
    if child.get("media") == Some("audio") {
        return Some("recording");
    }
    Some(if child.tag == "paused" { "available" } else { &child.tag })
}
