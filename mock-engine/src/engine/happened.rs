//! What happened between a gateway and its engine, for tests and for who prints it.

use std::{collections::VecDeque, fmt};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{journal::Entry, noweb::Event};

/// How many events the log keeps, over all sessions; older ones are dropped.
pub const LOG_LIMIT: usize = 10_000;

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

#[derive(Default)]
pub(super) struct Log {
    events: Mutex<VecDeque<(String, Event)>>,
    observers: Mutex<Vec<Observer>>,
}

impl Log {
    pub(super) fn push(&self, happened: &Happened) {
        for observer in &*self.observers.lock() {
            observer(happened);
        }
        if let Heard::Event(event) = &happened.heard {
            let mut events = self.events.lock();
            if events.len() == LOG_LIMIT {
                events.pop_front();
            }
            events.push_back((happened.session.clone(), event.clone()));
        }
    }

    pub(super) fn events(&self, session: &str) -> Vec<Event> {
        let events = self.events.lock();
        events.iter().filter(|(of, _)| of == session).map(|(_, event)| event.clone()).collect()
    }

    pub(super) fn observe(&self, observer: Observer) {
        self.observers.lock().push(observer);
    }

    pub(super) fn clear(&self) {
        self.events.lock().clear();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("events", &self.events.lock().len()).finish_non_exhaustive()
    }
}
