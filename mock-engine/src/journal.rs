//! What a session sent to WhatsApp: every node, in order.

use std::collections::VecDeque;

use serde::Serialize;

use crate::wire::Node;

/// How many entries a session's journal keeps; older ones are dropped and counted.
pub const JOURNAL_LIMIT: usize = 10_000;

/// A session's journal.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
    last: u64,
    dropped: u64,
}

/// One node that a session sent, or tried to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its place in the journal, from 1; numbers are never used twice, not even after a clear.
    pub seq: u64,
    /// When, in Unix milliseconds of the mock's clock.
    pub time: u64,
    /// What became of it.
    pub result: SendResult,
    /// What was sent.
    pub node: Node,
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SendResult {
    /// WhatsApp has it.
    Sent,
    /// A fault made it fail, or the connection ended before it was sent.
    Refused,
    /// A fault swallowed it.
    Timeout,
}

impl Journal {
    /// Writes a node down and returns its sequence number.
    pub fn push(&mut self, time: u64, result: SendResult, node: Node) -> u64 {
        if self.entries.len() == JOURNAL_LIMIT {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.last += 1;
        self.entries.push_back(Entry { seq: self.last, time, result, node });
        self.last
    }

    /// The entries after `since`, oldest first.
    pub fn since(&self, since: u64) -> impl Iterator<Item = &Entry> {
        let start = self.entries.partition_point(|entry| entry.seq <= since);
        self.entries.range(start..)
    }

    /// The last sequence number given, 0 before the first.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// How many entries the limit has cost.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.dropped = 0;
    }
}

/// A filter for nodes: `tag=presence,type=subscribe,to=5511999990001@s.whatsapp.net`.
///
/// `tag` is the node's tag, `child` the tag of its first child, anything else an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher(Vec<(String, String)>);

impl Matcher {
    /// Reads a matcher.
    ///
    /// # Errors
    ///
    /// Fails with the part that is not `name=value`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts
            .map(|part| match part.split_once('=') {
                Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
                _ => Err(part.to_owned()),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a node has all that is asked for.
    pub fn matches(&self, node: &Node) -> bool {
        self.0.iter().all(|(name, value)| match name.as_str() {
            "tag" => node.tag == *value,
            "child" => node.children().first().is_some_and(|child| child.tag == *value),
            _ => node.get(name) == Some(value.as_str()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(to: &str) -> Node {
        Node::new("chatstate").attr("to", to).child(Node::new("composing"))
    }

    #[test]
    fn entries_after_a_number_are_found_also_after_a_clear() {
        let mut journal = Journal::default();
        for to in ["a", "b", "c"] {
            journal.push(5, SendResult::Sent, node(to));
        }
        let to: Vec<_> = journal.since(1).filter_map(|entry| entry.node.get("to")).collect();
        assert_eq!(to, ["b", "c"]);
        journal.clear();
        assert_eq!(journal.push(6, SendResult::Sent, node("d")), 4);
        assert_eq!(journal.since(0).count(), 1);
    }

    #[test]
    fn past_the_limit_the_oldest_go_and_are_counted() {
        let mut journal = Journal::default();
        for _ in 0..JOURNAL_LIMIT + 3 {
            journal.push(5, SendResult::Sent, node("a"));
        }
        assert_eq!(journal.since(0).count(), JOURNAL_LIMIT);
        assert_eq!(journal.dropped(), 3);
        assert_eq!(journal.since(0).next().unwrap().seq, 4);
    }

    #[test]
    fn a_matcher_looks_at_tag_child_and_attributes() {
        let matches = |text: &str| Matcher::parse(text).unwrap().matches(&node("a"));
        assert!(matches(""));
        assert!(matches("tag=chatstate, child=composing,to=a"));
        assert!(!matches("to=b"));
        assert!(!matches("child=paused"));
        assert_eq!(Matcher::parse("tag=a,oops").unwrap_err(), "oops");
    }
}
