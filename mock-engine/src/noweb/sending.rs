//! The nodes that Baileys sends for what NOWEB is asked to do.

use serde::Deserialize;
use thiserror::Error;

use crate::{nearest::nearest, wire::Node};

/// The operations that NOWEB knows, by Baileys' names.
const OPERATIONS: [&str; 2] = ["presenceSubscribe", "sendPresenceUpdate"];

/// Baileys' types of presence.
const TYPES: [&str; 5] = ["available", "unavailable", "composing", "recording", "paused"];

/// One account's side of the wire: it makes nodes with the account's jids and numbers them.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The account's jid, with the device: `5511999990000:12@s.whatsapp.net`.
    pub me: String,
    /// The account's LID, likewise.
    pub lid: String,
    /// The account's name, which goes out with its presence.
    pub name: String,
    /// The beginning of each message tag, random in Baileys: `12345.54321-`.
    pub tag_prefix: String,
    /// How many tags were given.
    pub tags: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscribe {
    jid: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    r#type: String,
    #[serde(default)]
    jid: Option<String>,
}

impl Sender {
    /// The node that `op` sends, `args` being its arguments as JSON.
    ///
    /// # Errors
    ///
    /// Fails on an operation that NOWEB does not have, and on arguments that are not the operation's.
    pub fn node(&mut self, op: &str, args: &[u8]) -> Result<Node, SendError> {
        let bad = |source| SendError::Arguments { op: op.to_owned(), source };
        match op {
            "presenceSubscribe" => {
                let Subscribe { jid } = serde_json::from_slice(args).map_err(bad)?;
                Ok(self.subscribe(&jid))
            }
            "sendPresenceUpdate" => {
                let Update { r#type, jid } = serde_json::from_slice(args).map_err(bad)?;
                self.presence(&r#type, jid.as_deref())
            }
            _ => Err(SendError::Operation {
                op: op.to_owned(),
                hint: nearest(op, OPERATIONS).unwrap_or(OPERATIONS[0]),
            }),
        }
    }

    fn subscribe(&mut self, to: &str) -> Node {
        self.tags += 1;
        let tag = format!("{}{}", self.tag_prefix, self.tags);
        Node::new("presence").attr("to", to).attr("id", tag).attr("type", "subscribe")
    }

    fn presence(&self, kind: &str, jid: Option<&str>) -> Result<Node, SendError> {
        match (kind, jid) {
            ("available" | "unavailable", _) => {
                let name = self.name.replace('@', "");
                Ok(Node::new("presence").attr("name", name).attr("type", kind))
            }
            ("composing" | "recording" | "paused", Some(to)) => {
                let from = if to.ends_with("@lid") { &self.lid } else { &self.me };
                let child = if kind == "recording" {
                    Node::new("composing").attr("media", "audio")
                } else {
                    Node::new(kind)
                };
                Ok(Node::new("chatstate").attr("from", from).attr("to", to).child(child))
            }
            ("composing" | "recording" | "paused", None) => {
                Err(SendError::NoJid { kind: kind.to_owned() })
            }
            _ => Err(SendError::Type {
                kind: kind.to_owned(),
                hint: nearest(kind, TYPES).unwrap_or("available"),
            }),
        }
    }
}

/// Why nothing can be sent.
#[derive(Debug, Error)]
pub enum SendError {
    /// NOWEB has no such operation.
    #[error("NOWEB has no operation {op:?}; did you mean {hint}?")]
    Operation {
        /// What was asked for.
        op: String,
        /// The nearest operation.
        hint: &'static str,
    },
    /// The operation has other arguments.
    #[error("bad arguments of {op}: {source}")]
    Arguments {
        /// The operation.
        op: String,
        /// What is wrong with them.
        source: serde_json::Error,
    },
    /// The presence has no such type.
    #[error("no presence type {kind:?}; did you mean {hint}?")]
    Type {
        /// What was asked for.
        kind: String,
        /// The nearest type.
        hint: &'static str,
    },
    /// The type needs a chat, and none was given.
    #[error("the presence type {kind} needs a jid")]
    NoJid {
        /// The type.
        kind: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender() -> Sender {
        Sender {
            me: "1:2@s.whatsapp.net".to_owned(),
            lid: "9:2@lid".to_owned(),
            name: "A@B".to_owned(),
            tag_prefix: "7.8-".to_owned(),
            tags: 0,
        }
    }

    fn sends(op: &str, args: &str) -> String {
        match sender().node(op, args.as_bytes()) {
            Ok(node) => node.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_operation_sends_what_baileys_sends() {
        let subscribe = sends("presenceSubscribe", r#"{"jid":"3@s.whatsapp.net"}"#);
        assert_eq!(subscribe, r#"<presence to="3@s.whatsapp.net" id="7.8-1" type="subscribe"/>"#);
        let online = sends("sendPresenceUpdate", r#"{"type":"available"}"#);
        assert_eq!(online, r#"<presence name="AB" type="available"/>"#);
        let typing = sends("sendPresenceUpdate", r#"{"type":"composing","jid":"3@g.us"}"#);
        assert_eq!(
            typing,
            r#"<chatstate from="1:2@s.whatsapp.net" to="3@g.us"><composing/></chatstate>"#
        );
        let recording = sends("sendPresenceUpdate", r#"{"type":"recording","jid":"3@lid"}"#);
        assert_eq!(
            recording,
            r#"<chatstate from="9:2@lid" to="3@lid"><composing media="audio"/></chatstate>"#
        );
        let paused = sends("sendPresenceUpdate", r#"{"type":"paused","jid":"3@g.us"}"#);
        assert_eq!(
            paused,
            r#"<chatstate from="1:2@s.whatsapp.net" to="3@g.us"><paused/></chatstate>"#
        );
    }

    #[test]
    fn an_error_points_at_the_nearest_word() {
        assert_eq!(
            sends("presenceSubscrib", "{}"),
            "NOWEB has no operation \"presenceSubscrib\"; did you mean presenceSubscribe?"
        );
        assert_eq!(
            sends("sendPresenceUpdate", r#"{"type":"recordin","jid":"3@lid"}"#),
            "no presence type \"recordin\"; did you mean recording?"
        );
        assert_eq!(
            sends("sendPresenceUpdate", r#"{"type":"paused"}"#),
            "the presence type paused needs a jid"
        );
        assert_eq!(
            sends("presenceSubscribe", "{}"),
            "bad arguments of presenceSubscribe: missing field `jid` at line 1 column 2"
        );
    }
}
