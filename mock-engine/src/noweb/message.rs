//! Baileys' `messages.upsert` of a message.

use serde_json::{Map, Value, json};

use super::{Baileys, Event};
use crate::wire::{Content, Node};

/// The event of a `<message>` with a `<body>`.
pub(super) fn upsert(stanza: &Node, version: Baileys) -> Option<Event> {
    let from = stanza.get("from").filter(|from| !from.is_empty())?;
    let body = stanza.children().iter().find(|child| child.tag == "body")?;
    let text = match &body.content {
        Content::Text(text) => text.clone(),
        Content::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Content::Empty | Content::Nodes(_) => String::new(),
    };
    let mut message = json!({ "key": key(stanza, from, version) });
    if let Some(time) = stanza.get("t").and_then(|time| time.parse::<u64>().ok()) {
        message["messageTimestamp"] = json!(time);
    }
    if let Some(name) = stanza.get("notify") {
        message["pushName"] = json!(name);
    }
    message["broadcast"] = json!(false);
    message["message"] = json!({ "conversation": text });
    Some(Event::Json {
        kind: "messages.upsert".to_owned(),
        data: json!({ "messages": [message], "type": "notify" }),
    })
}

/// Who wrote what where. Version 7 names the other id of the sender in one way, version 6 in four.
fn key(stanza: &Node, from: &str, version: Baileys) -> Value {
    let is_group = from.ends_with("@g.us");
    let participant = stanza.get("participant");
    let mut key = Map::new();
    let mut add = |name: &str, value: Option<&str>| {
        key.extend(value.map(|value| (name.to_owned(), json!(value))));
    };
    add("remoteJid", Some(from));
    match version {
        Baileys::Seven => {
            let by_lid = participant.unwrap_or(from).ends_with("lid");
            let by_lid = stanza.get("addressing_mode").map_or(by_lid, |mode| mode == "lid");
            let of_sender = if by_lid {
                ["participant_pn", "sender_pn"]
            } else {
                ["participant_lid", "sender_lid"]
            };
            let other = of_sender.iter().find_map(|name| stanza.get(name));
            add("remoteJidAlt", other.filter(|_| !is_group));
            add("id", Some(stanza.get("id").unwrap_or_default()));
            add("participant", Some(participant.unwrap_or_default()));
            add("participantAlt", other.filter(|_| is_group));
            add("addressingMode", Some(if by_lid { "lid" } else { "pn" }));
        }
        Baileys::Six => {
            add("id", Some(stanza.get("id").unwrap_or_default()));
            add("senderLid", stanza.get("sender_lid"));
            add("senderPn", stanza.get("sender_pn"));
            add("participant", participant);
            add("participantPn", stanza.get("participant_pn"));
            add("participantLid", stanza.get("participant_lid"));
        }
    }
    key.insert("fromMe".to_owned(), json!(false));
    Value::Object(key)
}
