//! WhatsApp's binary format: a [`Node`] to bytes and back, by `wacore-binary`.
//!
//! A frame is one flags byte (bit 1: the rest is zlib) and a node of three parts: a tag, attributes
//! and content. Tags, attribute names and common words are one or two bytes of a dictionary, digits
//! are packed two a byte, and a jid is a token of its own.
//!
//! What the mock's world says goes through these bytes before [`noweb`](crate::noweb) reads it, so
//! that what a gateway sees has been on the wire.
//!
//! # The stanzas of presence, on the wire
//!
//! Each row is a test of [`noweb`](crate::noweb): hex, node, Baileys event, documented word.
//!
#![doc = include_str!("wire/fixtures.md")]

mod node;

#[cfg(test)]
pub(crate) use node::hex;
pub(crate) use node::unhex;
pub use node::{Content, Node, NodeError};

use thiserror::Error;
use wacore_binary::{
    BinaryError, Node as RawNode, NodeContent as RawContent, NodeContentRef, NodeRef, marshal,
    marshal::unmarshal_ref, util,
};

/// The longest frame that [`decode`] takes, in bytes, before and after decompression. WhatsApp's own are
/// far smaller.
pub const MAX_FRAME: usize = 1024 * 1024;

/// The most nodes that [`decode`] takes in one frame: each takes up to a hundred times its bytes in memory.
pub const MAX_NODES: usize = 20_000;

/// Writes a node as a frame: the flags byte (0, not compressed) and the node.
///
/// # Errors
///
/// Fails when a tag, attribute or list is longer than the format can say.
pub fn encode(node: &Node) -> Result<Vec<u8>, WireError> {
    marshal(&to_raw(node)).map_err(|source| WireError { offset: 0, source: source.into() })
}

/// Reads a node from a frame.
///
/// # Errors
///
/// Fails on anything that is not exactly one node; [`WireError::offset`] is the first byte that does
/// not fit (in the decompressed frame, when it was compressed).
pub fn decode(frame: &[u8]) -> Result<Node, WireError> {
    if frame.len() > MAX_FRAME {
        return Err(WireError { offset: MAX_FRAME, source: FrameError::TooLong(frame.len()) });
    }
    let unpacked =
        util::unpack(frame).map_err(|source| WireError { offset: 0, source: source.into() })?;
    if unpacked.len() >= MAX_FRAME {
        let source = FrameError::TooLong(1 + unpacked.len());
        return Err(WireError { offset: MAX_FRAME, source });
    }
    match unmarshal_ref(&unpacked) {
        Ok(node) if has_more_than(&node, &mut MAX_NODES.clone()) => {
            Err(WireError { offset: 1, source: FrameError::TooManyNodes })
        }
        Ok(node) => Ok(from_raw(&node)),
        Err(source) => {
            let offset = 1 + offset_of(&source, &unpacked);
            Err(WireError { offset, source: source.into() })
        }
    }
}

/// Why a frame is not a node.
#[derive(Debug, Error)]
#[error("malformed frame at byte {offset}")]
pub struct WireError {
    /// The first byte that does not fit, counted from the flags byte.
    pub offset: usize,
    /// What is wrong there.
    #[source]
    pub source: FrameError,
}

/// What is wrong in a frame.
#[derive(Debug, Error)]
pub enum FrameError {
    /// It is longer than [`MAX_FRAME`].
    #[error("the frame has {0} bytes; expected at most {MAX_FRAME}")]
    TooLong(usize),
    /// It has more nodes than [`MAX_NODES`].
    #[error("the frame has more than {MAX_NODES} nodes")]
    TooManyNodes,
    /// The format is broken.
    #[error(transparent)]
    Format(#[from] BinaryError),
}

/// Finds the byte that the decoder stumbled over, which it does not say itself.
///
/// It reads from left to right, so a prefix that ends before that byte fails for want of bytes and
/// one that ends after it fails as the whole does: the border is found by halving.
fn offset_of(error: &BinaryError, data: &[u8]) -> usize {
    match error {
        BinaryError::UnexpectedEof => return data.len(),
        BinaryError::LeftoverData(left) => return data.len() - left,
        _ => {}
    }
    let (mut short, mut long) = (0, data.len());
    while short < long {
        let middle = short + (long - short) / 2;
        match unmarshal_ref(&data[..middle]) {
            Err(BinaryError::UnexpectedEof) => short = middle + 1,
            _ => long = middle,
        }
    }
    long.saturating_sub(1)
}

/// Whether a node and those inside it are more than `left`, which counts down.
fn has_more_than(node: &NodeRef<'_>, left: &mut usize) -> bool {
    let Some(fewer) = left.checked_sub(1) else { return true };
    *left = fewer;
    match &node.content {
        Some(NodeContentRef::Nodes(children)) => {
            children.iter().any(|child| has_more_than(child, left))
        }
        _ => false,
    }
}

fn to_raw(node: &Node) -> RawNode {
    let content = match &node.content {
        Content::Empty => None,
        Content::Nodes(children) => {
            Some(RawContent::Nodes(children.iter().map(to_raw).collect::<Vec<_>>()))
        }
        // As bytes: text that looks like an id must not become one.
        Content::Text(text) => Some(RawContent::Bytes(text.as_bytes().to_vec())),
        Content::Bytes(bytes) => Some(RawContent::Bytes(bytes.clone())),
    };
    let mut attrs = wacore_binary::Attrs::with_capacity(node.attrs.len());
    for (name, value) in &node.attrs {
        attrs.push(name.clone(), value.as_str());
    }
    RawNode::new(node.tag.clone(), attrs, content)
}

fn from_raw(raw: &NodeRef<'_>) -> Node {
    let content = match &raw.content {
        None => Content::Empty,
        Some(NodeContentRef::Nodes(children)) => {
            Content::Nodes(children.iter().map(from_raw).collect())
        }
        Some(NodeContentRef::String(text)) => Content::Text(text.as_ref().to_owned()),
        Some(NodeContentRef::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Content::Text(text.to_owned()),
            Err(_) => Content::Bytes(bytes.to_vec()),
        },
    };
    let attrs = raw
        .attrs
        .iter()
        .map(|(name, value)| (name.as_ref().to_owned(), value.as_str().into_owned()))
        .collect();
    Node { tag: raw.tag.as_ref().to_owned(), attrs, content }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, io::Write as _};

    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn presence() -> Node {
        Node::new("presence")
            .attr("from", "5511999990001@s.whatsapp.net")
            .attr("type", "unavailable")
            .attr("last", "1686719326")
    }

    #[test]
    fn a_node_comes_back_from_the_wire_as_it_was() {
        let node = Node::new("chatstate")
            .attr("from", "120363041234567890@g.us")
            .attr("participant", "777:4@s.whatsapp.net")
            .child(Node::new("composing").attr("media", "audio"));
        assert_eq!(decode(&encode(&node).unwrap()).unwrap(), node);
    }

    #[test]
    fn a_text_with_an_id_in_it_stays_a_text() {
        for text in ["hi @5511999990002!", "777:4@c.us", "bob@example.com", "@everyone"] {
            let mut node = Node::new("body");
            node.content = Content::Text(text.to_owned());
            assert_eq!(decode(&encode(&node).unwrap()).unwrap(), node);
        }
    }

    #[test]
    fn every_cut_of_a_frame_is_an_error_at_its_end() {
        let frame = encode(&presence()).unwrap();
        for cut in 1..frame.len() {
            let error = decode(&frame[..cut]).unwrap_err();
            assert_eq!(error.offset, cut, "{error}");
        }
    }

    #[test]
    fn a_bad_byte_is_named_by_its_offset() {
        let mut frame = encode(&presence()).unwrap();
        // Byte 3 is the tag; there is no token 241.
        frame[3] = 241;
        let error = decode(&frame).unwrap_err();
        assert_eq!(error.to_string(), "malformed frame at byte 3");
        assert_eq!(error.source().unwrap().to_string(), "Invalid token read from stream: 241");
    }

    #[test]
    fn bytes_after_the_node_are_an_error_at_the_first_of_them() {
        let mut frame = encode(&presence()).unwrap();
        let end = frame.len();
        frame.extend([1, 2, 3]);
        assert_eq!(decode(&frame).unwrap_err().offset, end);
    }

    /// A frame with the flags byte 2 and a zlib stream.
    fn compressed(frame: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(vec![2], Compression::best());
        encoder.write_all(&frame[1..]).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_frame_may_be_compressed() {
        let plain = encode(&presence()).unwrap();
        assert_eq!(decode(&compressed(&plain)).unwrap(), presence());
    }

    #[test]
    fn a_frame_is_bounded_before_and_after_decompression() {
        let mut node = Node::new("body");
        node.content = Content::Text("x".repeat(MAX_FRAME));
        let frame = encode(&node).unwrap();
        let short = compressed(&frame);
        assert!(short.len() < 10_000);
        for frame in [frame, short] {
            let error = decode(&frame).unwrap_err();
            assert!(
                matches!(error.source, FrameError::TooLong(found) if found > MAX_FRAME),
                "{error:?}"
            );
        }
        node.content = Content::Text("x".repeat(MAX_FRAME - 100));
        assert_eq!(decode(&compressed(&encode(&node).unwrap())).unwrap(), node);
    }

    #[test]
    fn a_frame_is_bounded_by_its_nodes() {
        let nodes = |count: usize| Node {
            content: Content::Nodes(vec![Node::new("item"); count]),
            ..Node::new("list")
        };
        let frame = encode(&nodes(MAX_NODES - 1)).unwrap();
        assert_eq!(decode(&frame).unwrap(), nodes(MAX_NODES - 1));
        let error = decode(&encode(&nodes(MAX_NODES)).unwrap()).unwrap_err();
        assert_eq!(error.source.to_string(), "the frame has more than 20000 nodes");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_node_or_an_error_within_them(
            bytes in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            if let Err(error) = decode(&bytes) {
                prop_assert!(error.offset <= bytes.len().max(1), "{error} of {}", bytes.len());
            }
        }
    }
}

/// A row of the table above.
#[cfg(test)]
#[derive(serde::Deserialize)]
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) hex: String,
    pub(crate) node: serde_json::Value,
    pub(crate) event: Option<serde_json::Value>,
    pub(crate) documented: Option<serde_json::Value>,
}

#[cfg(test)]
pub(crate) fn fixtures() -> Vec<Fixture> {
    serde_json::from_str(include_str!("wire/fixtures.json")).unwrap()
}
