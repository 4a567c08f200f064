//! What waits for a client that is away.

use std::collections::VecDeque;

use crate::wire::Node;

/// How many stanzas are kept.
const LIMIT: usize = 1_000;

/// The stanzas for a client that is away, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    stanzas: VecDeque<Waiting>,
    dropped: u64,
}

#[derive(Debug)]
struct Waiting {
    stanza: Node,
    /// Until when it is worth delivering, in Unix milliseconds.
    until_ms: Option<u64>,
}

impl Queue {
    /// Keeps a stanza if it is one that WhatsApp keeps. A chat state is kept for `ttl_ms`; of two of
    /// one sender the newer.
    pub(crate) fn keep(&mut self, stanza: Node, now_ms: u64, ttl_ms: u64) {
        let until_ms = match stanza.tag.as_str() {
            "message" | "receipt" | "notification" => None,
            "chatstate" => {
                let sender = |node: &Node| {
                    let of = |name| node.get(name).map(str::to_owned);
                    (node.tag.clone(), of("from"), of("participant"))
                };
                let newest = sender(&stanza);
                self.stanzas.retain(|waiting| sender(&waiting.stanza) != newest);
                Some(now_ms.saturating_add(ttl_ms))
            }
            _ => return,
        };
        if self.stanzas.len() == LIMIT {
            self.stanzas.pop_front();
            self.dropped += 1;
        }
        self.stanzas.push_back(Waiting { stanza, until_ms });
    }

    /// Takes all that is still worth delivering.
    pub(crate) fn take(&mut self, now_ms: u64) -> Vec<Node> {
        let fresh = |it: &Waiting| it.until_ms.is_none_or(|until| now_ms < until);
        self.stanzas.drain(..).filter(fresh).map(|waiting| waiting.stanza).collect()
    }

    /// How many wait, and how many the limit has cost.
    pub(crate) fn figures(&self) -> (usize, u64) {
        (self.stanzas.len(), self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typing(from: &str, what: &str) -> Node {
        Node::new("chatstate").attr("from", from).child(Node::new(what))
    }

    #[test]
    fn a_chat_state_is_kept_for_its_time_and_a_message_for_ever() {
        let mut queue = Queue::default();
        queue.keep(typing("a", "composing"), 1_000, 3_000);
        queue.keep(Node::new("message"), 1_000, 3_000);
        queue.keep(typing("b", "composing"), 2_000, 3_000);
        queue.keep(Node::new("presence"), 2_000, 3_000);
        let tags: Vec<_> = queue.take(4_000).into_iter().map(|it| it.tag).collect();
        assert_eq!(tags, ["message", "chatstate"]);
        assert!(queue.take(4_000).is_empty());
    }

    #[test]
    fn of_two_chat_states_of_one_sender_the_newer_is_kept() {
        let mut queue = Queue::default();
        queue.keep(typing("a", "composing"), 0, 10);
        queue.keep(typing("a", "paused"), 0, 10);
        let kept = queue.take(5);
        assert_eq!(kept, [typing("a", "paused")]);
    }

    #[test]
    fn past_the_limit_the_oldest_go_and_are_counted() {
        let mut queue = Queue::default();
        for number in 0..LIMIT + 2 {
            queue.keep(Node::new("message").attr("id", number.to_string()), 0, 0);
        }
        assert_eq!(queue.figures(), (LIMIT, 2));
        assert_eq!(queue.take(0)[0].get("id"), Some("2"));
    }
}
