//! The two dictionaries of WhatsApp's binary format that clients still speak.
//!
//! The version is in the fourth byte that a client sends. 3 is that of today, and `wacore-binary`'s. 2 is
//! that of Baileys up to 6.7.18; nearly all its words differ. What is written for it has no words at
//! all: each string is written out, which any dictionary reads.

mod reader;
mod writer;

use thiserror::Error;

use crate::wire::{self, Node};

/// A version of the dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dictionary {
    Two,
    Three,
}

/// Why a client's frame is not a node.
#[derive(Debug, Error)]
pub(crate) enum FormatError {
    #[error("{error}: {source}", source = error.source)]
    Wire { error: wire::WireError },
    #[error("malformed frame of dictionary 2: {0}")]
    Two(&'static str),
}

impl From<wire::WireError> for FormatError {
    fn from(error: wire::WireError) -> Self {
        Self::Wire { error }
    }
}

impl Dictionary {
    /// The dictionary that a client's header asks for.
    pub(crate) fn of_header(header: [u8; 4]) -> Self {
        if header[3] == 2 { Self::Two } else { Self::Three }
    }

    pub(crate) fn decode(self, frame: &[u8]) -> Result<Node, FormatError> {
        match self {
            Self::Two => reader::decode(frame).map_err(FormatError::Two),
            Self::Three => Ok(wire::decode(frame)?),
        }
    }

    pub(crate) fn encode(self, node: &Node) -> Result<Vec<u8>, FormatError> {
        match self {
            Self::Two => writer::encode(node).map_err(FormatError::Two),
            Self::Three => Ok(wire::encode(node)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Content;

    fn node() -> Node {
        let mut bytes = Node::new("enc");
        bytes.content = Content::Bytes(vec![0, 255]);
        let node = Node::new("message").attr("from", "1:2@lid").attr("t", "5");
        node.child(bytes).child(Node::new("empty"))
    }

    #[test]
    fn what_is_written_without_words_is_read_with_either_dictionary() {
        let frame = Dictionary::Two.encode(&node()).unwrap();
        assert_eq!(Dictionary::Two.decode(&frame).unwrap(), node());
        assert_eq!(Dictionary::Three.decode(&frame).unwrap(), node());
    }

    #[test]
    fn words_digits_and_jids_of_dictionary_two_are_read() {
        // list of 5: word 8, word 11 = AD jid on the server lid, word 16 = word 1 of table 0
        let frame = [0, 248, 3, 9, 6, 247, 1, 4, 255, 0x82, 0x12, 0x3f];
        let node = Dictionary::Two.decode(&frame).unwrap();
        assert_eq!(node.get("from"), Some("123:4@lid"), "{node}");
        for cut in 1..frame.len() {
            assert!(Dictionary::Two.decode(&frame[..cut]).is_err(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_node_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dictionary::Two.decode(&bytes);
        }
    }
}
