//! What the server does with a node of a client.

use super::{
    device::SharedDevice,
    iq,
    message::{Opened, acknowledged, greeting, open},
    people::{SERVER, bare, child, is_person, person},
    server::WhatsApp,
    signal::{Bundle, SignalError},
};
use crate::{
    journal::SendResult,
    wire::{Content, Node},
    world::{Delivery, Relayed, World},
};

/// What a device is told when it has logged in.
pub(super) fn success(server: &WhatsApp, device: &SharedDevice) -> Node {
    Node::new("success")
        .attr("t", (server.engine().now_ms() / 1000).to_string())
        .attr("props", "27")
        .attr("abprops", "mock")
        .attr("location", "mock")
        .attr("lid", device.lid_jid())
}

/// A client that is not linked sent something.
pub(super) fn unlinked(server: &WhatsApp, connection: u64, node: &Node) {
    let is_result = matches!(node.get("type"), Some("result" | "error"));
    if node.tag != "iq" || (is_result && child(node, "pair-device-sign").is_none()) {
        return;
    }
    if let Some(registration) = child(node, "link_code_companion_reg") {
        return server.code_stanza(connection, node, registration);
    }
    server.waiting(|all| {
        let Some(waiting) = all.get(&connection) else { return };
        if child(node, "pair-device-sign").is_some() {
            // Linked: the client has to log in with what it got.
            waiting.say(&Node::new("stream:error").attr("code", "515"));
            waiting.end();
        } else {
            waiting.say(&iq::result(node));
        }
    });
}

/// A device sent something.
pub(super) async fn device(server: &WhatsApp, device: &SharedDevice, node: Node) {
    match node.tag.as_str() {
        "iq" => asked(server, device, node).await,
        "message" => wrote(server, device, node).await,
        "presence" | "chatstate" => {
            let (session, seen) = (device.session.clone(), node.clone());
            let then = move |world: &mut World, now| world.shown_to_others(&session, &seen, now);
            server.engine().client_sent(&device.session, &node, node.clone(), then).await;
        }
        "receipt" => {
            note(server, device, &node).await;
            device.say(&acknowledged(&node, now(server)));
            pass_receipt(server, device, &node);
        }
        "ack" | "ib" => note(server, device, &node).await,
        _ => {
            server.count_unknown(node.tag.clone());
            note(server, device, &node).await;
        }
    }
}

fn now(server: &WhatsApp) -> u64 {
    server.engine().now_ms() / 1000
}

/// Writes a node into the journal.
async fn note(server: &WhatsApp, device: &SharedDevice, node: &Node) {
    let nothing = |_: &mut World, _| Vec::new();
    server.engine().client_sent(&device.session, node, node.clone(), nothing).await;
}

async fn asked(server: &WhatsApp, device: &SharedDevice, node: Node) {
    let nothing = |_: &mut World, _| Vec::new();
    server.engine().client_sent(&device.session, &node, without_keys(&node), nothing).await;
    if matches!(node.get("type"), Some("result" | "error")) {
        return;
    }
    if let Some(bundle) = Bundle::read(&node) {
        device.keys(|keys| keys.bundle = Some(bundle));
    }
    let answer = iq::answer(server, device, &node);
    if answer.is_none() {
        let what = node.children().first().map_or("", |it| it.tag.as_str());
        let (xmlns, kind) = (node.get("xmlns"), node.get("type"));
        let kind = format!("iq {} {} {what}", xmlns.unwrap_or("-"), kind.unwrap_or("-"));
        server.count_unknown(kind.trim_end().to_owned());
    }
    device.say(&answer.unwrap_or_else(|| iq::error(&node, 501, "feature-not-implemented")));
    if node.get("xmlns") == Some("passive") && child(&node, "active").is_some() {
        welcome(server, device).await;
    }
}

/// A request as the journal shows it: the hundreds of keys that a client uploads are counted.
fn without_keys(node: &Node) -> Node {
    if node.get("xmlns") != Some("encrypt") || child(node, "list").is_none() {
        return node.clone();
    }
    let shown = Node { content: Content::Empty, ..node.clone() };
    node.children().iter().fold(shown, |shown, child| {
        shown.child(match child.tag.as_str() {
            "list" => Node::new("list").attr("keys", child.children().len().to_string()),
            _ => child.clone(),
        })
    })
}

/// A device is ready for what waited.
async fn welcome(server: &WhatsApp, device: &SharedDevice) {
    let count = device.activate(server.engine().now_ms()).to_string();
    let offline = Node::new("offline").attr("count", count);
    device.say(&Node::new("ib").attr("from", SERVER).child(offline));
    server.engine().client_connected(&device.session).await;
    if device.take_fresh() {
        for message in greeting(&device.phone, now(server)) {
            device.hand(message);
        }
    }
}

async fn wrote(server: &WhatsApp, device: &SharedDevice, node: Node) {
    let mock = server.engine();
    let opened = open(device, &node, |jid| person(mock, jid));
    let shown = shown(&node, opened.as_ref());
    let to = bare(node.get("to").unwrap_or_default());
    let id = node.get("id").unwrap_or_default().to_owned();
    let is_own = is_person(&to) && person(mock, &to) == device.phone;
    let relayed = opened.ok().filter(|_| !is_own);
    let session = device.session.clone();
    let (to_world, id_world) = (to.clone(), id.clone());
    let then = move |world: &mut World, now| {
        let Some(opened) = relayed else { return Vec::new() };
        let text = opened.text.as_deref().unwrap_or_default();
        let message = Relayed { to: &to_world, id: &id_world, text };
        let with_plain = |Delivery { session, stanza }| {
            let mut plain = Node::new("plaintext");
            plain.content = Content::Bytes(opened.plain.clone());
            Delivery { session, stanza: stanza.child(plain) }
        };
        world.relay(&session, &message, now).into_iter().map(with_plain).collect()
    };
    match mock.client_sent(&device.session, &node, shown, then).await {
        SendResult::Sent => device.say(&acknowledged(&node, now(server))),
        SendResult::Refused => device.say(&acknowledged(&node, now(server)).attr("error", "500")),
        SendResult::Timeout => return,
    }
    // A phone takes whatever is sent to it.
    if is_person(&to) && !is_own {
        let receipt = Node::new("receipt").attr("from", &to).attr("id", id);
        device.hand(receipt.attr("t", now(server).to_string()));
    }
}

/// A message as the journal shows it: decrypted.
fn shown(node: &Node, opened: Result<&Opened, &SignalError>) -> Node {
    let mut shown = Node { content: Content::Empty, ..node.clone() };
    match opened {
        Ok(Opened { text: Some(text), .. }) => shown = shown.child(Node::new("body").text(text)),
        Ok(Opened { plain, .. }) => {
            let mut content = Node::new("plaintext");
            content.content = Content::Bytes(plain.clone());
            shown = shown.child(content);
        }
        Err(error) => {
            shown = shown.child(Node::new("unreadable").text(error.to_string()));
            for child in node.children() {
                shown = shown.child(child.clone());
            }
        }
    }
    shown
}

/// Passes a receipt on to the devices of who wrote the message.
fn pass_receipt(server: &WhatsApp, device: &SharedDevice, node: &Node) {
    let Some(to) = node.get("participant").or(node.get("to")).filter(|to| is_person(to)) else {
        return;
    };
    let phone = person(server.engine(), to);
    if phone == device.phone || node.get("type") == Some("retry") {
        return;
    }
    let own = format!("{}@{SERVER}", device.phone);
    let mut receipt = Node::new("receipt").attr("t", now(server).to_string());
    for name in ["id", "type"] {
        if let Some(value) = node.get(name) {
            receipt = receipt.attr(name, value);
        }
    }
    receipt = match node.get("to").filter(|to| to.ends_with("@g.us")) {
        Some(group) => receipt.attr("from", group).attr("participant", own),
        None => receipt.attr("from", own),
    };
    receipt.content = node.content.clone();
    for other in server.devices(&phone) {
        other.hand(receipt.clone());
    }
}
