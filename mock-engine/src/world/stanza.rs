//! What WhatsApp writes of what happens.

use super::{Addressing, Contact, Group};
use crate::wire::Node;

pub(super) fn gone(jid: &str, last: &str) -> Node {
    Node::new("presence").attr("from", jid).attr("type", "unavailable").attr("last", last)
}

pub(super) fn message_stanza(
    contact: &Contact,
    name: &str,
    group: Option<&Group>,
    id: &str,
    text: Option<&str>,
    now: u64,
) -> Node {
    let stanza = Node::new("message");
    let stanza = match group {
        Some(group) => {
            stanza.attr("from", group.jid()).attr("participant", contact.jid_as(group.addressing))
        }
        None => stanza.attr("from", contact.jid()),
    };
    let stanza = other_id(stanza, contact, group);
    stanza
        .attr("id", id)
        .attr("t", now.to_string())
        .attr("type", "text")
        // An @ would make an id of it.
        .attr("notify", contact.name.as_deref().unwrap_or(name).replace('@', ""))
        .child(Node::new("body").text(text.unwrap_or("hello")))
}

/// The sender's other id, where they have two.
fn other_id(stanza: Node, contact: &Contact, group: Option<&Group>) -> Node {
    let (Some(phone), Some(lid)) = (&contact.phone, &contact.lid) else { return stanza };
    let addressing = group.map_or(contact.addressing, |group| group.addressing);
    let whose = if group.is_some() { "participant" } else { "sender" };
    match addressing {
        Addressing::Phone => stanza.attr(format!("{whose}_lid"), format!("{lid}@lid")),
        Addressing::Lid => stanza
            .attr(format!("{whose}_pn"), format!("{phone}@s.whatsapp.net"))
            .attr("addressing_mode", "lid"),
    }
}
