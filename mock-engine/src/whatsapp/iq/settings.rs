//! An account's settings, and what else has always the same answer.

use crate::{whatsapp::people::child, wire::Node};

/// Whom WhatsApp lets an account hide things from.
const PRIVACY: [&str; 9] = [
    "readreceipts",
    "profile",
    "status",
    "online",
    "last",
    "groupadd",
    "calladd",
    "messages",
    "defense",
];

/// The answer to a request by its namespace, type and first child.
pub(super) fn answer(result: Node, iq: &Node, asked: (&str, &str, &str)) -> Option<Node> {
    Some(match asked {
        ("abt", ..) => result.child(
            Node::new("props")
                .attr("hash", "mock")
                .attr("refresh", "86400")
                .attr("refresh_id", "1"),
        ),
        ("w", "get", "props") => result.child(Node::new("props").attr("hash", "mock")),
        ("blocklist", "get", _) => result.child(Node::new("list").attr("dhash", "mock")),
        ("privacy", "get", _) => {
            let all = |name: &&str| Node::new("category").attr("name", *name).attr("value", "all");
            result.child(PRIVACY.iter().map(all).fold(Node::new("privacy"), Node::child))
        }
        ("w:sync:app:state", ..) => result.child(collections(iq)),
        ("w:profile:picture", "get", _) => super::error(iq, 404, "item-not-found"),
        ("w:m", ..) => {
            let host = Node::new("host").attr("hostname", "127.0.0.1");
            result
                .child(Node::new("media_conn").attr("auth", "mock").attr("ttl", "600").child(host))
        }
        // What has nothing to say but that it was done.
        ("encrypt" | "passive" | "privacy" | "blocklist" | "disappearing_mode", "set", _)
        | ("w:profile:picture" | "status" | "urn:xmpp:whatsapp:push" | "w:g2" | "tos", "set", _)
        | ("urn:xmpp:whatsapp:dirty" | "w:stats" | "w:biz", ..) => result,
        _ => return None,
    })
}

/// Every collection is empty, at the version that the client has; a patch makes it one more.
fn collections(iq: &Node) -> Node {
    let asked = child(iq, "sync").map_or(&[][..], Node::children);
    asked.iter().fold(Node::new("sync"), |sync, asked| {
        let version: u64 = asked.get("version").and_then(|it| it.parse().ok()).unwrap_or_default();
        let patched = u64::from(child(asked, "patch").is_some());
        let name = asked.get("name").unwrap_or_default();
        let version = version.saturating_add(patched).to_string();
        sync.child(Node::new("collection").attr("name", name).attr("version", version))
    })
}
