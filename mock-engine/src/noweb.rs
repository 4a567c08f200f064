//! From a stanza to the event that NOWEB's library, Baileys, makes of it; and from what NOWEB is asked
//! to the node that Baileys sends.
//!
//! This is Baileys' `handlePresenceUpdate`, in one table:
//!
//! | stanza | status | last seen |
//! |---|---|---|
//! | `<presence>` with no type, or any but `unavailable` | `available` | of `last` |
//! | `<presence type="unavailable" last="N">` | `unavailable` | the number that JavaScript reads in N |
//! | … with `last="deny"`, or empty, or none | `unavailable` | none |
//! | … with `last="none"`, or anything that is not a number | `unavailable` | `NaN`, which is `null` in JSON |
//! | `<presence from="…@g.us" count="N">` | `available`, the participant is the group itself; 7: and `groupOnlineCount` N | none |
//! | `<chatstate><composing/>` | `composing` | none |
//! | `<chatstate><composing media="audio"/>`, and so any child | `recording` | none |
//! | `<chatstate><paused/>` | `available` | none |
//! | `<chatstate>` with any other child | the child's name | none |
//! | either without `from` | an event without `id`; without `participant`, of one who is called `undefined` | |
//! | `<chatstate>` without a child | no event; an empty list of children ends Baileys' process | |
//! | `<message>` with a `<body>` | a `messages.upsert` | |
//!
//! Real clients of versions 6 and 7 are compared with it: `mock-engine/baileys/run`.
//!
//! A real message is encrypted end to end and Baileys decrypts it; the mock's carries its text as it is.

mod event;
mod message;
mod number;
mod presence;
mod sending;

pub use event::{Event, EventError, Presence};
pub use sending::{SendError, Sender};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::Node;

/// The event that Baileys makes of a stanza; `None` when it makes none.
pub fn event_of(stanza: &Node) -> Option<Event> {
    event_of_version(stanza, Baileys::Seven)
}

/// The event that this version of Baileys makes of a stanza; `None` when it makes none.
pub fn event_of_version(stanza: &Node, version: Baileys) -> Option<Event> {
    match stanza.tag.as_str() {
        "presence" | "chatstate" => presence::update(stanza, version),
        "message" => message::upsert(stanza, version),
        _ => None,
    }
}

/// The version of Baileys whose events the mock makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Baileys {
    /// 7, that of today.
    #[default]
    #[serde(rename = "7")]
    Seven,
    /// 6, that of older gateways.
    #[serde(rename = "6")]
    Six,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
                    "key": { "remoteJid": "1@g.us", "id": "3EB0", "participant": "2@s.whatsapp.net", "addressingMode": "pn", "fromMe": false },
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
    fn version_six_counts_nobody_and_names_ids_in_its_own_way() {
        let presence = Node::new("presence").attr("from", "1@g.us").attr("count", "3");
        let seven = event_of(&presence).unwrap().data();
        assert_eq!(seven["presences"]["1@g.us"]["groupOnlineCount"], 3);
        let six = event_of_version(&presence, Baileys::Six).unwrap().data();
        assert_eq!(six["presences"]["1@g.us"].as_object().unwrap().len(), 1);
        let message = Node::new("message")
            .attr("from", "2@s.whatsapp.net")
            .attr("sender_lid", "9@lid")
            .child(Node::new("body").text("hello"));
        let key = |version| {
            event_of_version(&message, version).unwrap().data()["messages"][0]["key"].clone()
        };
        assert_eq!(key(Baileys::Seven)["remoteJidAlt"], "9@lid");
        assert_eq!(key(Baileys::Six)["senderLid"], "9@lid");
        assert_eq!(key(Baileys::Six).get("addressingMode"), None);
    }

    #[test]
    fn other_stanzas_make_no_event() {
        assert_eq!(event_of(&Node::new("iq").attr("from", "s.whatsapp.net")), None);
    }
}
