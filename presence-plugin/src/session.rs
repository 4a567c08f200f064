//! A session: what is known of it, its connection to WhatsApp, and what is in flight on that.

use std::{
    hash::{BuildHasher, RandomState},
    pin::pin,
    sync::Arc,
};

use host_abi::{ErrorKind, PluginError};
use indexmap::IndexMap;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{jid::Jid, state::State};

/// The largest number of subscriptions that may be in flight per connection.
const MAX_FLIGHTS: usize = 4096;

/// One session, shared by its requests, its events and its tasks.
///
/// The context owns it until the host forgets it; a task that outlives that works on a session that
/// nothing else can reach. The session's events, of which there is one at a time, and the tasks that
/// subscribe write to it; requests mostly read. The lock is held for a lookup or a copy, never across an
/// `await`, and is taken before the lock of a [`Flight`].
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: String,
    /// A random number that no other session has, of this process or of another.
    pub(crate) nonce: u64,
    pub(crate) known: RwLock<Known>,
}

/// What the lock of a session guards: the state and the connection change together, so that an answer
/// for an earlier connection is recognised in the same step that would record it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) state: State,
    pub(crate) connection: Connection,
}

impl Session {
    pub(crate) fn new(name: String, state: State) -> Self {
        // The standard library seeds its hashers from the operating system.
        let nonce = RandomState::new().hash_one(&name);
        let known = Known { state, connection: Connection::default() };
        Self { name, nonce, known: RwLock::new(known) }
    }
}

/// One connection of the engine to WhatsApp, which knows nothing of subscriptions made on another.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// Cancelled, under the session's lock, when the next connection takes its place.
    over: CancellationToken,
    /// The subscriptions in flight, by the outward id of the chat.
    flights: IndexMap<String, Arc<Flight>, foldhash::fast::RandomState>,
}

impl Connection {
    /// Ends this connection and begins another; returns the token that tells when that one is over.
    pub(crate) fn replace(&mut self) -> CancellationToken {
        std::mem::take(self).over.cancel();
        self.over.clone()
    }

    /// The token that tells when this connection is over.
    pub(crate) fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    /// The subscription to `chat` that is in flight.
    pub(crate) fn flight(&self, chat: &Jid<'_>) -> Option<&Arc<Flight>> {
        // Nearly always there is none, and then no key has to be written.
        if self.flights.is_empty() { None } else { self.flights.get(&chat.to_string()) }
    }

    /// Begins a subscription.
    ///
    /// # Errors
    ///
    /// When [`MAX_FLIGHTS`] are in flight.
    pub(crate) fn begin(&mut self, chat: &Jid<'_>, wish: Wish) -> Result<Arc<Flight>, PluginError> {
        if self.flights.len() >= MAX_FLIGHTS {
            let message = format!("{MAX_FLIGHTS} subscriptions are in flight, which is the limit");
            return Err(PluginError::new(ErrorKind::UNAVAILABLE, message));
        }
        let phase = Mutex::new(Phase::Asking(wish));
        let flight = Arc::new(Flight { phase, phase_changed: Notify::new() });
        self.flights.insert(chat.to_string(), flight.clone());
        Ok(flight)
    }

    /// Lands the flight to `chat` if it waits for the first update, which has come.
    pub(crate) fn take_news(&mut self, chat: &Jid<'_>) {
        let flight = self.flight(chat).cloned();
        if let Some(flight) = flight.filter(|flight| flight.is_waiting()) {
            self.land(chat, &flight, Ok(()));
        }
    }

    /// Ends a flight, of this connection or of an earlier one; the first result counts.
    pub(crate) fn land(&mut self, chat: &Jid<'_>, flight: &Arc<Flight>, result: Landed) {
        if self.flight(chat).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            self.flights.swap_remove(&chat.to_string());
        }
        flight
            .advance(|phase| (!matches!(phase, Phase::Landed(_))).then_some(Phase::Landed(result)));
    }
}

/// What a caller wants of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// That the engine agrees.
    Agreement,
    /// That the engine agrees and the first update comes, or the wait for it ends.
    FirstUpdate,
}

/// How a flight ended.
pub(crate) type Landed = Result<(), PluginError>;

/// One subscription in flight, shared by the task that flies it and by every caller that wants the chat.
///
/// Its phase changes under the session's lock only. Each change wakes all that wait, in the order in which
/// they came.
#[derive(Debug)]
pub(crate) struct Flight {
    phase: Mutex<Phase>,
    phase_changed: Notify,
}

#[derive(Debug)]
enum Phase {
    /// The engine has been asked; the most that any caller wants.
    Asking(Wish),
    /// The engine has agreed; the first update is awaited.
    Waiting,
    Landed(Landed),
}

impl Flight {
    /// Notes that one more caller wants this of the flight.
    pub(crate) fn join(&self, wish: Wish) {
        self.advance(|phase| match (phase, wish) {
            (Phase::Asking(_), Wish::FirstUpdate) => Some(Phase::Asking(wish)),
            _ => None,
        });
    }

    /// Waits for the first update from now on, if a caller wants it; returns whether it does.
    pub(crate) fn wait_for_news(&self) -> bool {
        self.advance(|phase| {
            matches!(phase, Phase::Asking(Wish::FirstUpdate)).then_some(Phase::Waiting)
        })
    }

    /// Waits until the flight has given what `wish` asks for, or has landed.
    pub(crate) async fn fulfils(&self, wish: Wish) -> Landed {
        loop {
            let mut changed = pin!(self.phase_changed.notified());
            changed.as_mut().enable();
            match (&*self.phase.lock(), wish) {
                (Phase::Landed(result), _) => return result.clone(),
                (Phase::Waiting, Wish::Agreement) => return Ok(()),
                _ => {}
            }
            changed.await;
        }
    }

    fn is_waiting(&self) -> bool {
        matches!(*self.phase.lock(), Phase::Waiting)
    }

    /// Changes the phase to what `next` makes of it, if anything; returns whether it did.
    fn advance(&self, next: impl FnOnce(&Phase) -> Option<Phase>) -> bool {
        let mut phase = self.phase.lock();
        let Some(next) = next(&phase) else { return false };
        *phase = next;
        drop(phase);
        self.phase_changed.notify_waiters();
        true
    }
}
