//! What a device sends: messages that the receiver's phone reads.

use std::collections::BTreeMap;

use crate::{
    whatsapp::{
        device::{Device, Keys, Mail},
        people::child,
        protobuf::Message,
        signal::{Phone, Session, SignalError, unpad},
    },
    wire::{Content, Node},
};

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Its protobuf.
    pub(crate) plain: Vec<u8>,
    /// Its text, when it is one.
    pub(crate) text: Option<String>,
}

/// Reads a message of a device. `person` says who is meant by a jid.
///
/// A direct message has an `<enc>` for each device of the receiver and of the sender; the receiver's phone
/// has device 0. A message to a group has one that all read with a sender key, which is distributed in
/// those of the devices.
pub(crate) fn open(
    device: &Device,
    stanza: &Node,
    person: impl Fn(&str) -> String,
) -> Result<Opened, SignalError> {
    let to = stanza.get("to").unwrap_or_default();
    let encs: Vec<(String, &Node)> = match child(stanza, "participants") {
        Some(participants) => participants
            .children()
            .iter()
            .filter_map(|to| Some((person(to.get("jid")?), child(to, "enc")?)))
            .collect(),
        None => stanza
            .children()
            .iter()
            .filter(|it| it.tag == "enc")
            .map(|it| (person(to), it))
            .collect(),
    };
    let own =
        stanza.children().iter().find(|it| it.tag == "enc" && it.get("type") == Some("skmsg"));
    device.keys(|keys| match own {
        Some(sealed) => {
            for (receiver, enc) in &encs {
                learn_sender_key(keys, receiver, enc);
            }
            let plain = keys.groups.decrypt(to, bytes(sealed))?;
            Opened::read(unpad(&plain)?)
        }
        None => {
            let receiver = person(to);
            let of_receiver = encs.iter().filter(|(it, _)| *it == receiver);
            let mut error = SignalError::Missing("enc for the receiver's phone");
            for (receiver, enc) in of_receiver {
                match decrypt(keys, receiver, enc).and_then(|plain| Opened::read(unpad(&plain)?)) {
                    Ok(opened) => return Ok(opened),
                    Err(found) => error = found,
                }
            }
            Err(error)
        }
    })
}

/// Takes the sender key out of a message to one device, when there is one in it.
fn learn_sender_key(keys: &mut Keys, receiver: &str, enc: &Node) {
    let learned = decrypt(keys, receiver, enc).and_then(|plain| {
        let message = Message::read(unpad(&plain)?)?;
        let Some(distribution) = message.message(2)? else { return Ok(()) };
        let group = distribution.text(1).ok_or(SignalError::Missing("group"))?;
        let key = distribution.bytes(2).ok_or(SignalError::Missing("sender key"))?;
        keys.groups.learn(&group, key)
    });
    if let Err(error) = learned {
        tracing::debug!(receiver, %error, "a sender key is not read");
    }
}

fn decrypt(keys: &mut Keys, receiver: &str, enc: &Node) -> Result<Vec<u8>, SignalError> {
    let new = || Mail { session: Session::new(Phone::of(receiver)), groups: BTreeMap::new() };
    let mail = keys.mail.entry(receiver.to_owned()).or_insert_with(new);
    match enc.get("type") {
        Some("pkmsg") => mail.session.decrypt_first(bytes(enc)),
        _ => mail.session.decrypt(bytes(enc)),
    }
}

fn bytes(node: &Node) -> &[u8] {
    match &node.content {
        Content::Bytes(bytes) => bytes,
        Content::Text(text) => text.as_bytes(),
        Content::Empty | Content::Nodes(_) => &[],
    }
}

impl Opened {
    /// Reads a message's protobuf: its text is in `conversation` or `extendedTextMessage`.
    fn read(plain: &[u8]) -> Result<Self, SignalError> {
        let message = Message::read(plain)?;
        let extended = message.message(6)?.and_then(|extended| extended.text(1));
        Ok(Self { plain: plain.to_vec(), text: message.text(1).or(extended) })
    }
}
