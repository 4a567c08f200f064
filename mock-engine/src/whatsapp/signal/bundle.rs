//! The public keys with which a session is opened: a device's, which it uploads, and a phone's.

use std::collections::VecDeque;

use super::Phone;
use crate::{
    whatsapp::keys::read_public,
    wire::{Content, Node},
};

/// How many one-time prekeys of a device are kept; a client uploads up to 812.
const MAX_PREKEYS: usize = 1_000;

/// The keys that a device uploaded.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    pub(crate) identity: [u8; 32],
    /// Its id and key.
    pub(crate) signed_prekey: (u32, [u8; 32]),
    /// Those that are used once, each with its id.
    pub(crate) prekeys: VecDeque<(u32, [u8; 32])>,
}

impl Bundle {
    /// Reads the keys of an `<iq xmlns="encrypt" type="set">`; `None` when it holds none.
    pub(crate) fn read(iq: &Node) -> Option<Self> {
        let key = |node: &Node| Some((big_endian(bytes(node, "id")?), public(node, "value")?));
        let list = child(iq, "list")?.children();
        Some(Self {
            identity: public(iq, "identity")?,
            signed_prekey: key(child(iq, "skey")?)?,
            prekeys: list.iter().filter_map(key).take(MAX_PREKEYS).collect(),
        })
    }
}

/// A phone's bundle as `<user>` in the answer to a client that wants to write to `jid`.
pub(crate) fn bundle_node(jid: &str, phone: &Phone) -> Node {
    let leaf = |tag: &str, bytes: &[u8]| {
        let mut node = Node::new(tag);
        node.content = Content::Bytes(bytes.to_vec());
        node
    };
    let signature = phone.identity.sign(&phone.signed_prekey.signal_public());
    let signed = Node::new("skey")
        .child(leaf("id", &[0, 0, 1]))
        .child(leaf("value", &phone.signed_prekey.public))
        .child(leaf("signature", &signature));
    Node::new("user")
        .attr("jid", jid)
        .child(leaf("registration", &[0, 0, 0, 1]))
        .child(leaf("type", &[5]))
        .child(leaf("identity", &phone.identity.public))
        .child(signed)
}

fn child<'a>(node: &'a Node, tag: &str) -> Option<&'a Node> {
    node.children().iter().find(|child| child.tag == tag)
}

fn bytes<'a>(node: &'a Node, tag: &str) -> Option<&'a [u8]> {
    match &child(node, tag)?.content {
        Content::Bytes(bytes) => Some(bytes),
        // Bytes that happen to be UTF-8 are read as a text.
        Content::Text(text) => Some(text.as_bytes()),
        Content::Empty | Content::Nodes(_) => None,
    }
}

fn public(node: &Node, tag: &str) -> Option<[u8; 32]> {
    read_public(bytes(node, tag)?)
}

/// Reads an id of up to four bytes.
pub(crate) fn big_endian(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, byte| (value << 8) | u32::from(*byte))
}
