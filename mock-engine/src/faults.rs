//! What goes wrong on purpose, with chance from the seed.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    chance::chance_of,
    delay::Delay,
    wire::{Content, Node, WireError, encode},
};

/// The faults of a session. What is left out is off; the whole is replaced at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// What becomes of the nodes that the gateway sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<SendFault>,
    /// How likely a stanza is lost.
    pub drop: Probability,
    /// How likely a stanza comes twice.
    pub duplicate: Probability,
    /// How likely a stanza is overtaken by the next one.
    pub reorder: Probability,
    /// How likely a stanza is malformed: an attribute or its content is missing, or its bytes are cut
    /// off.
    pub malformed: Probability,
    /// The probability that a presence carries an unknown status.
    pub unknown_status: Probability,
    /// Delays stanzas, up to 10,000 per session at the same time; others are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Late>,
    /// Connections that are lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnect: Option<Disconnect>,
}

/// What becomes of a node that the gateway sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SendFault {
    /// It is refused.
    Error,
    /// Not answered; the engine fails at once.
    Timeout,
    /// Not answered; the engine fails after a minute, as Baileys does.
    Hang,
    /// Sent, and answered, after this delay.
    Late(Delay),
}

/// Stanzas that come late.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// How likely.
    pub probability: Probability,
    /// How late.
    pub by: Delay,
}

/// Connections that are lost every so often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disconnect {
    /// How often.
    #[serde(deserialize_with = "longer_than_nothing")]
    pub every: Delay,
    /// How long each time; 2 s unless said.
    #[serde(default = "two_seconds")]
    pub away: Delay,
    /// With which code; 428, connection closed, unless said.
    #[serde(default = "closed")]
    pub code: u16,
}

fn longer_than_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Delay, D::Error> {
    let delay = Delay::deserialize(deserializer)?;
    if delay == Delay::default() {
        return Err(D::Error::custom("every: 0s is all the time; expected something longer"));
    }
    Ok(delay)
}

fn two_seconds() -> Delay {
    Delay::from_millis(2_000)
}

fn closed() -> u16 {
    428
}

/// From 0, never, to 1, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Probability(#[schemars(range(min = 0, max = 1))] f64);

impl Probability {
    /// A probability.
    ///
    /// # Errors
    ///
    /// Fails when the number is not from 0 to 1.
    pub fn new(value: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!("invalid probability {value}; expected a number from 0 to 1"))
        }
    }
}

impl<'de> Deserialize<'de> for Probability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// What the faults make of one stanza.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// It is lost.
    pub dropped: bool,
    /// It comes twice.
    pub doubled: bool,
    /// The next one overtakes it.
    pub held: bool,
    /// It is damaged.
    pub damaged: bool,
    /// It says something unknown.
    pub unknown: bool,
    /// It comes so late.
    pub late: Option<Delay>,
}

/// A session's dice.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Dice that fall as the seed says; each session has its own.
    pub fn new(seed: u64, session: &str) -> Self {
        Self(chance_of(seed, session))
    }

    /// Rolls for one stanza.
    pub fn roll(&mut self, faults: &Faults) -> Fate {
        let mut hit =
            |probability: Probability| probability.0 > 0.0 && self.0.random_bool(probability.0);
        Fate {
            dropped: hit(faults.drop),
            doubled: hit(faults.duplicate),
            held: hit(faults.reorder),
            damaged: hit(faults.malformed),
            unknown: hit(faults.unknown_status),
            late: faults.delay.filter(|late| hit(late.probability)).map(|late| late.by),
        }
    }

    /// The frame of a stanza of which something is missing: an attribute, the content, or the end of
    /// its bytes.
    ///
    /// # Errors
    ///
    /// As [`encode`].
    pub fn damage(&mut self, stanza: &Node) -> Result<Vec<u8>, WireError> {
        let mut stanza = stanza.clone();
        let attrs = stanza.attrs.len();
        let parts = attrs + usize::from(stanza.content != Content::Empty);
        let missing = self.0.random_range(0..=parts);
        if missing < attrs {
            stanza.attrs.shift_remove_index(missing);
        } else if missing < parts {
            stanza.content = Content::Empty;
        }
        let mut frame = encode(&stanza)?;
        if missing == parts {
            frame.truncate(self.0.random_range(1..frame.len().max(2)));
        }
        Ok(frame)
    }
}

/// The stanza with an unknown status; unchanged where it has none.
pub fn with_unknown_status(stanza: Node) -> Node {
    if !matches!(stanza.tag.as_str(), "presence" | "chatstate") {
        return stanza;
    }
    let from = stanza.get("from").unwrap_or_default().to_owned();
    let node = Node::new("chatstate").attr("from", from);
    let node = match stanza.get("participant") {
        Some(participant) => node.attr("participant", participant),
        None => node,
    };
    node.child(Node::new("daydreaming"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: serde_json::Value) -> Result<Faults, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn each_form_of_a_send_fault_is_read() {
        let send = |json| read(json!({ "send": json })).unwrap().send;
        assert_eq!(send(json!("error")), Some(SendFault::Error));
        assert_eq!(send(json!("timeout")), Some(SendFault::Timeout));
        assert_eq!(send(json!("hang")), Some(SendFault::Hang));
        assert_eq!(send(json!({ "late": "3s" })), Some(SendFault::Late(Delay::from_millis(3000))));
        assert_eq!(send(json!(null)), None);
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        let error = read(json!({ "drop": 1.5 })).unwrap_err();
        assert_eq!(error, "invalid probability 1.5; expected a number from 0 to 1");
        assert!(read(json!({ "dorp": 1 })).unwrap_err().contains("unknown field `dorp`"));
    }

    #[test]
    fn the_same_seed_rolls_the_same() {
        let faults = read(json!({ "drop": 0.5, "duplicate": 0.5 })).unwrap();
        let rolls = |seed| {
            let mut dice = Dice::new(seed, "default");
            (0..64).map(|_| dice.roll(&faults)).collect::<Vec<_>>()
        };
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7), rolls(8));
    }
}
