//! Reads a node with the words of dictionary 2.

use std::sync::OnceLock;

use wacore_binary::util;

use crate::wire::{Content, MAX_FRAME, Node};

/// One word per line: the first table has one byte per word, the four others two.
const WORDS: &str = include_str!("two.txt");

/// How many words the first table has; 256 each the others.
const SINGLE: usize = 236;

const LIST_EMPTY: u8 = 0;
const DICTIONARY_0: u8 = 236;
const DICTIONARY_3: u8 = 239;
const AD_JID: u8 = 247;
const LIST_8: u8 = 248;
pub(super) const LIST_16: u8 = 249;
const JID_PAIR: u8 = 250;
const HEX_8: u8 = 251;
const BINARY_8: u8 = 252;
const BINARY_20: u8 = 253;
pub(super) const BINARY_32: u8 = 254;
const NIBBLE_8: u8 = 255;

/// How deep nodes may be within each other.
const MAX_DEPTH: usize = 64;

pub(super) fn decode(frame: &[u8]) -> Result<Node, &'static str> {
    if frame.len() > MAX_FRAME {
        return Err("it is longer than a frame may be");
    }
    let bytes = util::unpack(frame).map_err(|_| "its zlib stream is broken")?;
    let mut reader = Reader(&bytes);
    let node = reader.node(MAX_DEPTH)?;
    if reader.0.is_empty() { Ok(node) } else { Err("there are bytes after the node") }
}

fn words() -> &'static [&'static str] {
    static SPLIT: OnceLock<Vec<&str>> = OnceLock::new();
    SPLIT.get_or_init(|| WORDS.split('\n').collect())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        Ok(self.bytes(1)?[0])
    }

    fn number(&mut self, bytes: usize) -> Result<usize, &'static str> {
        let bytes = self.bytes(bytes)?;
        Ok(bytes.iter().fold(0, |value, byte| (value << 8) | usize::from(*byte)))
    }

    fn list(&mut self, tag: u8) -> Result<usize, &'static str> {
        match tag {
            LIST_EMPTY => Ok(0),
            LIST_8 => self.number(1),
            LIST_16 => self.number(2),
            _ => Err("expected a list"),
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, &'static str> {
        let depth = depth.checked_sub(1).ok_or("nodes are too deep within each other")?;
        let tag = self.byte()?;
        let size = self.list(tag)?;
        if size == 0 {
            return Err("a node without a tag");
        }
        let mut node = Node::new(self.string()?);
        for _ in 0..(size - 1) / 2 {
            let name = self.string()?;
            node = node.attr(name, self.string()?);
        }
        if size.is_multiple_of(2) {
            let tag = self.byte()?;
            node.content = match tag {
                LIST_EMPTY | LIST_8 | LIST_16 => {
                    let count = self.list(tag)?;
                    let nodes = (0..count).map(|_| self.node(depth));
                    Content::Nodes(nodes.collect::<Result<_, _>>()?)
                }
                _ => match self.raw(tag)? {
                    Some(bytes) => match std::str::from_utf8(bytes) {
                        Ok(text) => Content::Text(text.to_owned()),
                        Err(_) => Content::Bytes(bytes.to_vec()),
                    },
                    None => Content::Text(self.tagged(tag)?),
                },
            };
        }
        Ok(node)
    }

    fn raw(&mut self, tag: u8) -> Result<Option<&'a [u8]>, &'static str> {
        let length = match tag {
            BINARY_8 => self.number(1)?,
            BINARY_20 => self.number(3)? & 0x000f_ffff,
            BINARY_32 => self.number(4)?,
            _ => return Ok(None),
        };
        self.bytes(length).map(Some)
    }

    fn string(&mut self) -> Result<String, &'static str> {
        let tag = self.byte()?;
        self.tagged(tag)
    }

    /// A string; jids are bounded in depth, for a user is never a jid.
    fn tagged(&mut self, tag: u8) -> Result<String, &'static str> {
        match tag {
            JID_PAIR => {
                let (user, server) = (self.plain_string()?, self.plain_string()?);
                Ok(if user.is_empty() { server } else { format!("{user}@{server}") })
            }
            AD_JID => {
                let (domain, device) = (self.byte()?, self.byte()?);
                let server = if domain == 1 { "lid" } else { "s.whatsapp.net" };
                Ok(format!("{}:{device}@{server}", self.plain_string()?))
            }
            _ => self.plain(tag),
        }
    }

    fn plain_string(&mut self) -> Result<String, &'static str> {
        let tag = self.byte()?;
        self.plain(tag)
    }

    fn plain(&mut self, tag: u8) -> Result<String, &'static str> {
        if let Some(bytes) = self.raw(tag)? {
            return Ok(String::from_utf8_lossy(bytes).into_owned());
        }
        let word = |at: usize| words().get(at).ok_or("a word that is not in the dictionary");
        match tag {
            LIST_EMPTY => Ok(String::new()),
            DICTIONARY_0..=DICTIONARY_3 => {
                let table = usize::from(tag - DICTIONARY_0);
                let at = usize::from(self.byte()?);
                Ok((*word(SINGLE + 256 * table + at)?).to_owned())
            }
            HEX_8 => self.packed(b"0123456789ABCDEF"),
            NIBBLE_8 => self.packed(b"0123456789-.\0\0\0\0"),
            _ if usize::from(tag) < SINGLE => Ok((*word(tag.into())?).to_owned()),
            _ => Err("a token that means nothing"),
        }
    }

    fn packed(&mut self, digits: &[u8; 16]) -> Result<String, &'static str> {
        let start = self.byte()?;
        let bytes = self.bytes(usize::from(start & 127))?;
        let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let mut text: String = nibbles.map(|it| char::from(digits[usize::from(it)])).collect();
        if start > 127 {
            text.pop();
        }
        Ok(text)
    }
}
