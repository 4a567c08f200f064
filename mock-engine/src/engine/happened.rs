//! What happened between a gateway and its engine, for tests and for output.

use std::{collections::VecDeque, fmt};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{journal::Entry, noweb::Event};

/// How many events the log keeps, over all sessions; older ones are dropped.
pub const LOG_LIMIT: usize = 10_000;

/// How many bytes they may take together, about; older ones are dropped.
pub const LOG_BYTES: usize = 16 * 1024 * 1024;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// When, in Unix milliseconds of the mock's clock.
    pub time: u64,
    /// On which session.
    pub session: String,
    /// What.
    pub heard: Heard,
}

/// Which way it went.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The gateway got an event.
    Event(Event),
    /// The gateway sent a node, or tried to.
    Sent(Entry),
}

impl Happened {
    /// As one line of JSON has it; `start_ms` is when time began.
    pub fn to_json(&self, start_ms: u64) -> Value {
        let mut json = json!({ "at": self.time.saturating_sub(start_ms), "session": self.session });
        match &self.heard {
            Heard::Event(event) => {
                json["event"] = json!(event.kind());
                json["data"] = event.data();
            }
            Heard::Sent(entry) => {
                json["sent"] = json!(entry.node);
                json["result"] = json!(entry.result);
            }
        }
        json
    }
}

type Observer = Box<dyn Fn(&Happened) + Send + Sync>;

/// The events of last, each with its session.
#[derive(Default)]
struct Kept {
    events: VecDeque<(String, Event)>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, session: &str, event: &Event) {
        self.bytes += event.size();
        self.events.push_back((session.to_owned(), event.clone()));
        while self.events.len() > LOG_LIMIT || self.bytes > LOG_BYTES {
            let Some((_, dropped)) = self.events.pop_front() else { return };
            self.bytes -= dropped.size();
        }
    }
}

#[derive(Default)]
pub(super) struct Log {
    kept: Mutex<Kept>,
    observers: Mutex<Vec<Observer>>,
}

impl Log {
    pub(super) fn push(&self, happened: &Happened) {
        for observer in &*self.observers.lock() {
            observer(happened);
        }
        if let Heard::Event(event) = &happened.heard {
            self.kept.lock().push(&happened.session, event);
        }
    }

    pub(super) fn events(&self, session: &str) -> Vec<Event> {
        let kept = self.kept.lock();
        kept.events.iter().filter(|(of, _)| of == session).map(|(_, event)| event.clone()).collect()
    }

    /// Forgets a session that was removed.
    pub(super) fn forget(&self, session: &str) {
        let kept = &mut *self.kept.lock();
        kept.events.retain(|(of, _)| of != session);
        kept.bytes = kept.events.iter().map(|(_, event)| event.size()).sum();
    }

    pub(super) fn observe(&self, observer: Observer) {
        self.observers.lock().push(observer);
    }

    pub(super) fn clear(&self) {
        *self.kept.lock() = Kept::default();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("events", &self.kept.lock().events.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_by_number_and_by_size() {
        let mut kept = Kept::default();
        let event = |text: String| Event::of("connection.update", json!({ "text": text }));
        (0..LOG_LIMIT + 1).for_each(|number| kept.push("default", &event(number.to_string())));
        assert_eq!(kept.events.len(), LOG_LIMIT);
        assert_eq!(kept.events[0].1.data()["text"], "1");
        (0..20).for_each(|_| kept.push("default", &event("x".repeat(LOG_BYTES / 10))));
        assert!(kept.bytes <= LOG_BYTES && (8..=10).contains(&kept.events.len()));
        kept.push("default", &event("x".repeat(LOG_BYTES)));
        assert_eq!((kept.events.len(), kept.bytes), (0, 0), "one that is too large is not kept");
    }
}
