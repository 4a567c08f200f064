//! A linked device: what the world says to it, on its connection or in its queue.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::{
    dictionary::Dictionary,
    ending::last_words,
    queue::Queue,
    signal::{Bundle, SenderKey, SenderKeys, Session},
};
use crate::{
    engine::Outlet,
    wire::{self, Node},
};

/// What goes out to a client.
#[derive(Debug)]
pub(crate) enum Out {
    /// The bytes of a node, not yet encrypted.
    Frame(Vec<u8>),
    /// The end of the connection. A client that was told why may end it itself.
    End {
        /// Whether it was.
        told: bool,
    },
}

/// How many frames wait for a connected client. One that does not read them is cut off.
pub(crate) const OUTBOX: usize = 4_096;

/// What a device needs of the server.
pub(crate) trait Exchange: Send + Sync {
    /// The clock, in Unix milliseconds.
    fn now_ms(&self) -> u64;
    /// How long a chat state is kept, in milliseconds.
    fn chatstate_ttl_ms(&self) -> u64;
    /// Encrypts a message of the world for the device.
    fn sealed(&self, device: &Device, stanza: &Node) -> Node;
    /// Takes a device from its account: for good, or as if it never was.
    fn remove(&self, device: &Device, for_good: bool);
}

/// The sessions and sender keys of one phone towards one device.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) session: Session,
    /// The phone's sender keys, by group.
    pub(crate) groups: BTreeMap<String, SenderKey>,
}

/// A device that is linked to an account, whether it is connected or not.
///
/// The server owns it, the engine's link to its session shares it. Its lock is taken last: nothing is
/// called while it is held. [`news`](Self::news) is told when it may connect again.
pub(crate) struct Device {
    server: Weak<dyn Exchange>,
    /// The session that it speaks for.
    pub(crate) session: String,
    /// The account's phone number, in digits.
    pub(crate) phone: String,
    /// The account's LID, in digits.
    pub(crate) lid: String,
    /// Its number in the account, from 1.
    pub(crate) number: u16,
    state: Mutex<State>,
    pub(crate) news: Notify,
}

#[derive(Default)]
struct State {
    line: Option<Line>,
    /// The connection is closed until it is opened.
    closed: bool,
    queue: Queue,
    keys: Keys,
    /// Not yet told what a phone tells a device that it has linked. A device that keeps no state, as one
    /// with minted credentials, is told once per run.
    fresh: bool,
}

/// What a device's messages are encrypted with.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) bundle: Option<Bundle>,
    pub(crate) mail: BTreeMap<String, Mail>,
    /// The sender keys that the device has given to phones, by group.
    pub(crate) groups: SenderKeys,
    /// How many sessions were opened with it.
    pub(crate) opened: u64,
}

/// A connection.
struct Line {
    number: u64,
    out: mpsc::Sender<Out>,
    dictionary: Dictionary,
    /// It asked for what waits.
    active: bool,
}

impl Line {
    /// A client that is gone hears nothing; one that does not read is cut off.
    fn say(&self, node: &Node) -> bool {
        match self.dictionary.encode(node) {
            Ok(frame) => self.out.try_send(Out::Frame(frame)).is_ok(),
            Err(error) => {
                tracing::warn!(%error, %node, "a node cannot be written");
                true
            }
        }
    }
}

impl Device {
    pub(crate) fn new(
        server: Weak<dyn Exchange>,
        session: String,
        (phone, lid): (&str, &str),
        number: u16,
    ) -> Self {
        Self {
            server,
            session,
            phone: phone.to_owned(),
            lid: lid.to_owned(),
            number,
            state: Mutex::new(State { fresh: true, ..State::default() }),
            news: Notify::new(),
        }
    }

    pub(crate) fn jid(&self) -> String {
        format!("{}:{}@s.whatsapp.net", self.phone, self.number)
    }

    pub(crate) fn lid_jid(&self) -> String {
        format!("{}:{}@lid", self.lid, self.number)
    }

    /// Whether its connection is closed until it is opened.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.state.lock().line.is_some()
    }

    /// How many stanzas wait for it, and how many the limit has cost.
    pub(crate) fn waiting(&self) -> (usize, u64) {
        self.state.lock().queue.figures()
    }

    /// Takes a connection; one that was there is told that it is replaced.
    pub(crate) fn connect(&self, number: u64, out: mpsc::Sender<Out>, dictionary: Dictionary) {
        let line = Line { number, out, dictionary, active: false };
        let before = self.state.lock().line.replace(line);
        if let Some(before) = before {
            end(&before, 440);
        }
    }

    /// Gives a connection up; whether it was the one of now.
    pub(crate) fn disconnect(&self, number: u64) -> bool {
        let line = &mut self.state.lock().line;
        let is_its = line.as_ref().is_some_and(|line| line.number == number);
        if is_its {
            *line = None;
        }
        is_its
    }

    /// Says something on the connection, if there is one.
    pub(crate) fn say(&self, node: &Node) {
        let mut state = self.state.lock();
        if state.line.as_ref().is_some_and(|line| !line.say(node)) {
            tracing::warn!(session = self.session, "a client does not read; it is cut off");
            state.line = None;
        }
    }

    /// Delivers what waited, and from now on what comes. Answers with how much waited.
    pub(crate) fn activate(&self, now_ms: u64) -> usize {
        let waited = {
            let mut state = self.state.lock();
            if let Some(line) = &mut state.line {
                line.active = true;
            }
            state.queue.take(now_ms)
        };
        for stanza in &waited {
            self.deliver(stanza);
        }
        waited.len()
    }

    /// Uses its keys.
    pub(crate) fn keys<T>(&self, use_it: impl FnOnce(&mut Keys) -> T) -> T {
        use_it(&mut self.state.lock().keys)
    }

    /// Whether it was linked and has not been greeted; it counts as greeted from now on.
    pub(crate) fn take_fresh(&self) -> bool {
        std::mem::take(&mut self.state.lock().fresh)
    }

    /// Delivers a stanza of the world now; a message is encrypted first.
    fn deliver(&self, stanza: &Node) {
        let Some(server) = self.server.upgrade() else { return };
        if stanza.tag == "message" {
            self.say(&server.sealed(self, stanza));
        } else {
            self.say(stanza);
        }
    }

    /// Delivers a stanza, or keeps it for when the client is there.
    pub(crate) fn hand(&self, stanza: Node) {
        let Some(server) = self.server.upgrade() else { return };
        let active = self.state.lock().line.as_ref().is_some_and(|line| line.active);
        if active {
            self.deliver(&stanza);
        } else {
            let (now_ms, ttl_ms) = (server.now_ms(), server.chatstate_ttl_ms());
            self.state.lock().queue.keep(stanza, now_ms, ttl_ms);
        }
    }

    /// Ends the connection of now for Baileys' reason `code`.
    pub(crate) fn end(&self, code: u16) {
        let line = self.state.lock().line.take();
        if let Some(line) = line {
            end(&line, code);
        }
    }
}

fn end(line: &Line, code: u16) {
    let words = last_words(code);
    if let Some(words) = &words {
        line.say(words);
    }
    // When there is no room, the dropped sender ends the connection all the same.
    let _ = line.out.try_send(Out::End { told: words.is_some() });
}

impl Outlet for Device {
    fn stanza(&self, frame: Vec<u8>) {
        match wire::decode(&frame) {
            Ok(stanza) => self.hand(stanza),
            // Damaged on purpose.
            Err(_) => {
                if let Some(line) = &self.state.lock().line {
                    let _ = line.out.try_send(Out::Frame(frame));
                }
            }
        }
    }

    fn close(&self, code: u16) {
        self.state.lock().closed = true;
        self.end(code);
        if let Some(server) = self.server.upgrade().filter(|_| code == 401) {
            server.remove(self, true);
        }
    }

    fn open(&self) {
        self.state.lock().closed = false;
        self.news.notify_waiters();
    }

    fn forgotten(&self) {
        self.end(428);
        self.open();
        if let Some(server) = self.server.upgrade() {
            server.remove(self, false);
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("session", &self.session).finish_non_exhaustive()
    }
}

/// A device, shared.
pub(crate) type SharedDevice = Arc<Device>;
