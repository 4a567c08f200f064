//! Answers to what a logged in client asks.

mod groups;
mod settings;
mod usync;

use super::{
    device::SharedDevice,
    people::{SERVER, child, person},
    server::WhatsApp,
    signal::{Phone, bundle_node},
};
use crate::wire::Node;

/// The beginning of an answer: success, with nothing in it.
pub(super) fn result(iq: &Node) -> Node {
    let from = iq.get("to").map_or(SERVER, |to| to.trim_start_matches('@'));
    Node::new("iq")
        .attr("from", from)
        .attr("id", iq.get("id").unwrap_or_default())
        .attr("type", "result")
}

/// A refusal.
pub(super) fn error(iq: &Node, code: u16, text: &str) -> Node {
    let error = Node::new("error").attr("code", code.to_string()).attr("text", text);
    result(iq).attr("type", "error").child(error)
}

/// The answer to an `<iq>`; `None` when it is not one that the mock knows.
pub(super) fn answer(server: &WhatsApp, device: &SharedDevice, iq: &Node) -> Option<Node> {
    let result = result(iq);
    let asked = iq.children().first().map_or("", |it| it.tag.as_str());
    let kind = iq.get("type").unwrap_or_default();
    Some(match (iq.get("xmlns").unwrap_or_default(), kind, asked) {
        ("encrypt", "get", "count") => {
            let count = |keys: &mut super::device::Keys| {
                keys.bundle.as_ref().map_or(0, |bundle| bundle.prekeys.len())
            };
            result.child(Node::new("count").attr("value", device.keys(count).to_string()))
        }
        ("encrypt", "get", "digest") => result.child(Node::new("digest")),
        ("encrypt", "get", _) => {
            let asked = child(iq, "key").map_or(&[][..], Node::children);
            let users = asked.iter().filter_map(|it| it.get("jid"));
            let bundle = |jid| bundle_node(jid, &Phone::of(&person(server.engine(), jid)));
            result.child(users.map(bundle).fold(Node::new("list"), Node::child))
        }
        ("usync", ..) => result.child(usync::answer(server.engine(), iq)),
        ("w:g2", "get", _) => groups::answer(server.engine(), device, iq)
            .map_or_else(|| error(iq, 404, "item-not-found"), |groups| result.child(groups)),
        ("w:p" | "urn:xmpp:ping", ..) | (_, "get", "ping") => result,
        ("md", "set", "remove-companion-device") => {
            super::device::Device::end(device, 401);
            server.0.log_out(device);
            result
        }
        (xmlns, kind, asked) => return settings::answer(result, iq, (xmlns, kind, asked)),
    })
}
