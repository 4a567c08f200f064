//! `usync`: who is on WhatsApp, under which LID, with which devices.

use crate::{
    MockEngine,
    whatsapp::people::{SERVER, bare, child, lid_of, person, user_of},
    wire::{Content, Node},
};

/// Answers for each user that is asked for. All have one device, the phone: it passes on what comes.
pub(super) fn answer(mock: &MockEngine, iq: &Node) -> Node {
    let asked = child(iq, "usync");
    let list = |tag| asked.and_then(|it| child(it, tag)).map_or(&[][..], Node::children);
    let protocols = list("query");
    let users = list("list").iter().map(|user| answer_user(mock, user, protocols));
    let results =
        protocols.iter().map(|it| Node::new(&it.tag)).fold(Node::new("result"), Node::child);
    Node::new("usync").child(results).child(users.fold(Node::new("list"), Node::child))
}

fn answer_user(mock: &MockEngine, user: &Node, protocols: &[Node]) -> Node {
    let typed = child(user, "contact").map(text).unwrap_or_default();
    let jid = match user.get("jid") {
        Some(jid) => bare(jid),
        None => format!("{}@{SERVER}", typed.trim_start_matches('+')),
    };
    let phone = person(mock, &jid);
    let mut answer = Node::new("user").attr("jid", &jid);
    for protocol in protocols {
        let part = match protocol.tag.as_str() {
            "contact" => {
                let known = mock.with_world(|world| world.jid(user_of(&jid)).is_ok());
                Some(Node::new("contact").attr("type", if known { "in" } else { "out" }))
            }
            // Without it, Baileys 7 asks again before every subscription and message.
            "lid" => {
                lid_of(mock, &phone).map(|lid| Node::new("lid").attr("val", format!("{lid}@lid")))
            }
            "devices" => {
                let phone = Node::new("device").attr("id", "0");
                let list = Node::new("device-list").child(phone);
                Some(Node::new("devices").child(list))
            }
            "status" => Some(Node::new("status").attr("t", "0")),
            "disappearing_mode" => {
                Some(Node::new("disappearing_mode").attr("duration", "0").attr("t", "0"))
            }
            _ => None,
        };
        answer = part.into_iter().fold(answer, Node::child);
    }
    answer
}

fn text(node: &Node) -> String {
    match &node.content {
        Content::Text(text) => text.clone(),
        Content::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Content::Empty | Content::Nodes(_) => String::new(),
    }
}
