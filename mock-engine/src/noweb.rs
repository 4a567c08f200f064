//! From a stanza to the event that NOWEB's library, Baileys, makes of it; and from what NOWEB is asked
//! to the node that Baileys sends.
//!
//! This is Baileys' `handlePresenceUpdate`, in one table:
//!
//! | stanza | status | last seen |
//! |---|---|---|
//! | `<presence>` with no type, or any but `unavailable` | `available` | of `last` |
//! | `<presence type="unavailable" last="N">` | `unavailable` | N |
//! | … with `last="deny"`, none, or not a whole number of seconds from 1 | `unavailable` | none |
//! | `<presence from="…@g.us" count="N">` | `available`, the participant is the group itself | none |
//! | `<chatstate><composing/>` | `composing` | none |
//! | `<chatstate><composing media="audio"/>` | `recording` | none |
//! | `<chatstate><paused/>` | `available` | none |
//! | `<chatstate>` with any other child | the child's name | none |
//! | `<chatstate>` without a child; either without `from` | no event | |
//! | `<message>` with a `<body>` | a `messages.upsert` | |
//!
//! A real message is encrypted end to end and Baileys decrypts it; the mock's carries its text as it is.

mod event;
mod sending;

pub use event::{Event, EventError, Presence};
pub use sending::{SendError, Sender};

use serde_json::json;

use crate::wire::{Content, Node};

/// The event that Baileys makes of a stanza; `None` when it makes none.
pub fn event_of(stanza: &Node) -> Option<Event> {
    let from = stanza.get("from").filter(|from| !from.is_empty())?;
    match stanza.tag.as_str() {
        "presence" => Some(presence(stanza, from, presence_status(stanza), last_seen(stanza))),
        "chatstate" => Some(presence(stanza, from, chatstate_status(stanza)?, None)),
        "message" => message(stanza, from),
        _ => None,
    }
}

fn presence(stanza: &Node, from: &str, status: &str, last_seen: Option<u64>) -> Event {
    let participant = stanza.get("participant").filter(|it| !it.is_empty()).unwrap_or(from);
    Event::Presence {
        id: from.to_owned(),
        presences: vec![Presence {
            participant: participant.to_owned(),
            status: status.to_owned(),
            last_seen,
        }],
    }
}

fn presence_status(stanza: &Node) -> &'static str {
    if stanza.get("type") == Some("unavailable") { "unavailable" } else { "available" }
}

fn chatstate_status(stanza: &Node) -> Option<&str> {
    let child = stanza.children().first()?;
    if child.get("media") == Some("audio") {
        return Some("recording");
    }
    Some(if child.tag == "paused" { "available" } else { &child.tag })
}

fn last_seen(stanza: &Node) -> Option<u64> {
    stanza.get("last")?.parse().ok().filter(|seconds| *seconds >= 1)
}

fn message(stanza: &Node, from: &str) -> Option<Event> {
    let body = stanza.children().iter().find(|child| child.tag == "body")?;
    let text = match &body.content {
        Content::Text(text) => text.clone(),
        Content::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Content::Empty | Content::Nodes(_) => String::new(),
    };
    let mut key = json!({
        "remoteJid": from,
        "fromMe": false,
        "id": stanza.get("id").unwrap_or_default(),
    });
    if let Some(participant) = stanza.get("participant") {
        key["participant"] = json!(participant);
    }
    let mut message = json!({ "key": key });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{decode, encode, fixtures};

    #[test]
    fn each_fixture_is_the_same_as_hex_node_and_event() {
        for fixture in fixtures() {
            let node = Node::from_json(&fixture.node).unwrap();
            assert_eq!(crate::wire::hex(&encode(&node).unwrap()), fixture.hex, "{}", fixture.name);
            let decoded = decode(&crate::wire::unhex(&fixture.hex).unwrap()).unwrap();
            assert_eq!(decoded, node, "{}", fixture.name);
            let event = event_of(&decoded).map(|event| event.data());
            assert_eq!(event, fixture.event, "{}", fixture.name);
        }
    }

    #[test]
    fn the_table_of_the_docs_is_the_fixtures() {
        let cell = |json: &Option<serde_json::Value>, none: &str| match json {
            Some(json) => format!("`{json}`"),
            None => none.to_owned(),
        };
        let mut table = "| what | frame (hex) | stanza | Baileys event | documented |\n\
                         |---|---|---|---|---|\n"
            .to_owned();
        for fixture in fixtures() {
            let node = Node::from_json(&fixture.node).unwrap();
            let event = cell(&fixture.event, "none");
            let documented = cell(&fixture.documented, "ignored");
            table += &format!(
                "| {} | `{}` | `{node}` | {event} | {documented} |\n",
                fixture.name, fixture.hex
            );
        }
        assert_eq!(table, include_str!("wire/fixtures.md"));
    }

    #[test]
    fn a_message_becomes_an_upsert() {
        let stanza = Node::new("message")
            .attr("from", "1@g.us")
            .attr("participant", "2@s.whatsapp.net")
            .attr("id", "3EB0")
            .attr("t", "5")
            .attr("notify", "Alice")
            .child(Node::new("body").text("hello"));
        assert_eq!(
            event_of(&stanza).unwrap().data(),
            json!({
                "messages": [{
                    "key": { "remoteJid": "1@g.us", "fromMe": false, "id": "3EB0", "participant": "2@s.whatsapp.net" },
                    "messageTimestamp": 5,
                    "pushName": "Alice",
                    "broadcast": false,
                    "message": { "conversation": "hello" },
                }],
                "type": "notify",
            })
        );
    }

    #[test]
    fn other_stanzas_make_no_event() {
        assert_eq!(event_of(&Node::new("iq").attr("from", "s.whatsapp.net")), None);
        assert_eq!(event_of(&Node::new("presence").attr("from", "")), None);
    }
}
