//! What a device gets: messages that the sender's phone encrypts for it.

use std::collections::BTreeMap;

use crate::{
    whatsapp::{
        device::{Device, Keys, Mail},
        keys::bytes_of_label,
        people::{SERVER, child},
        protobuf::Writer,
        signal::{Phone, SenderKey, Session, SignalError, pad},
    },
    wire::{Content, Node},
};

/// A `HistorySync` of type 3 with nothing in it, in zlib without compression.
const NO_HISTORY: [u8; 13] = [0x78, 1, 1, 2, 0, 0xfd, 0xff, 8, 3, 0, 0x15, 0, 0x0c];

/// A message of the world, as the phone of `sender` encrypts it for a device: `<plaintext>`, or else
/// `<body>`, gives way to `<enc>`. A device that has uploaded no keys gets it unencrypted.
pub(crate) fn seal(device: &Device, sender: &str, stanza: &Node) -> Node {
    let Some(plain) = plain_of(stanza) else { return stanza.clone() };
    let plain = match stanza.get("recipient") {
        // To the sender's other devices.
        Some(to) => {
            let sent = Writer::default().bytes(1, to).bytes(2, &plain);
            Writer::default().message(31, sent).done()
        }
        None => plain,
    };
    let group = stanza.get("from").filter(|from| from.ends_with("@g.us"));
    let mut sealed = Node { content: Content::Empty, ..stanza.clone() };
    match device.keys(|keys| encs(keys, device, sender, group, &plain)) {
        Ok(encs) => encs.into_iter().fold(sealed, Node::child),
        Err(_) => {
            sealed = sealed.child(with_bytes("plaintext", plain));
            sealed
        }
    }
}

/// The protobuf of a message.
fn plain_of(stanza: &Node) -> Option<Vec<u8>> {
    let bytes = |node: &Node| match &node.content {
        Content::Bytes(bytes) => bytes.clone(),
        Content::Text(text) => text.clone().into_bytes(),
        Content::Empty | Content::Nodes(_) => Vec::new(),
    };
    if let Some(plain) = child(stanza, "plaintext") {
        return Some(bytes(plain));
    }
    Some(Writer::default().bytes(1, bytes(child(stanza, "body")?)).done())
}

fn encs(
    keys: &mut Keys,
    device: &Device,
    sender: &str,
    group: Option<&str>,
    plain: &[u8],
) -> Result<Vec<Node>, SignalError> {
    let mail = open_mail(keys, device, sender)?;
    let Some(group) = group else {
        return Ok(vec![enc("pkmsg", mail.session.encrypt(&pad(plain))?)]);
    };
    let mut encs = Vec::new();
    if !mail.groups.contains_key(group) {
        // The device is given the sender key first.
        let label = format!("{sender} {group} {}", device.jid());
        let key = SenderKey::of_label(&label);
        let distribution = Writer::default().bytes(1, group).bytes(2, key.distribution());
        let message = Writer::default().message(2, distribution).done();
        encs.push(enc("pkmsg", mail.session.encrypt(&pad(&message))?));
        mail.groups.insert(group.to_owned(), key);
    }
    if let Some(key) = mail.groups.get_mut(group) {
        encs.push(enc("skmsg", key.encrypt(&pad(plain))));
    }
    Ok(encs)
}

/// The phone's session with the device, opened if it is not.
fn open_mail<'a>(
    keys: &'a mut Keys,
    device: &Device,
    sender: &str,
) -> Result<&'a mut Mail, SignalError> {
    let new = || Mail { session: Session::new(Phone::of(sender)), groups: BTreeMap::new() };
    let mail = keys.mail.entry(sender.to_owned()).or_insert_with(new);
    if !mail.session.is_open() {
        let bundle = keys.bundle.as_mut().ok_or(SignalError::NoSession)?;
        keys.opened += 1;
        // Keys that were used with another bundle are not used again.
        let identity = bytes_of_label(&format!("{:?}", bundle.identity))[0];
        let label = format!("{sender} {} {} {identity}", device.jid(), keys.opened);
        mail.session.open(bundle, &label);
    }
    Ok(mail)
}

fn enc(kind: &str, bytes: Vec<u8>) -> Node {
    with_bytes("enc", bytes).attr("v", "2").attr("type", kind)
}

fn with_bytes(tag: &str, bytes: Vec<u8>) -> Node {
    let mut node = Node::new(tag);
    node.content = Content::Bytes(bytes);
    node
}

/// What a phone tells a device that it has just linked: the key of the state that they share, and that
/// there is no history. Without the first whatsapp-rust waits 10 seconds; without the second Baileys 7
/// keeps messages back for 20.
pub(crate) fn greeting(phone: &str, now: u64) -> [Node; 2] {
    let secret = bytes_of_label(&format!("state key {phone}"));
    let fingerprint = Writer::default().number(1, 1).number(2, 0).number(3, 0);
    let data = Writer::default().bytes(1, secret).message(2, fingerprint).number(3, now);
    let id = Writer::default().bytes(1, [0, 0, 0, 0, 0, 1]);
    let share = Writer::default().message(1, Writer::default().message(1, id).message(2, data));
    let keys = Writer::default().number(2, 6).message(7, share);
    let history = Writer::default().number(6, 3).number(7, 1).number(9, 100).bytes(11, NO_HISTORY);
    let history = Writer::default().number(2, 5).message(6, history);
    [("KEYS", keys), ("HISTORY", history)].map(|(name, protocol)| {
        let message = Writer::default().message(12, protocol).done();
        Node::new("message")
            .attr("from", format!("{phone}@{SERVER}"))
            .attr("id", format!("3EB0{name}"))
            .attr("t", now.to_string())
            .attr("type", "text")
            .attr("category", "peer")
            .child(with_bytes("plaintext", message))
    })
}

/// The `<ack>` of a stanza that a client sent, at `now` in Unix seconds.
pub(crate) fn acknowledged(stanza: &Node, now: u64) -> Node {
    let mut ack = Node::new("ack")
        .attr("class", &stanza.tag)
        .attr("id", stanza.get("id").unwrap_or_default())
        .attr("from", stanza.get("to").unwrap_or(SERVER))
        .attr("t", now.to_string());
    for name in ["participant", "type"] {
        if let Some(value) = stanza.get(name) {
            ack = ack.attr(name, value);
        }
    }
    ack
}
