//! One session's side of the engine.

use std::sync::Arc;

use host_sdk::{EngineEvents, Me};
use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{MAX_LATE, account::Account, outlet::Outlet};
use crate::{
    faults::{Dice, Fate, Faults},
    journal::Journal,
    noweb::Sender,
    scenario::Session,
    wire::Node,
};

/// The sessions, by name, in the order in which they came.
pub(super) type Links = IndexMap<String, Link>;

/// One session. Cheap to clone; clones are one session.
#[derive(Clone, Debug)]
pub(super) struct Link(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// Whether it announces itself as online when it connects.
    online: bool,
    account: Account,
    /// Where its events go; `None` until a gateway starts it.
    events: Option<EngineEvents>,
    /// The client that speaks for it instead of a gateway.
    outlet: Option<Arc<dyn Outlet>>,
    engine: String,
    journal: Journal,
    faults: Faults,
    dice: Dice,
    /// A stanza that the next one overtakes.
    held: Option<Held>,
    /// A permit per stanza that a fault may still delay.
    late: Arc<Semaphore>,
    /// Cancelled by a reset, and with it the other two.
    life: CancellationToken,
    /// Cancelled when the connection ends: what is on its way on it does not arrive.
    connection: CancellationToken,
    /// Cancelled when the faults are others: what they go on doing ends.
    faulty: CancellationToken,
    /// The gateway stopped it.
    stopped: bool,
}

/// A stanza that waits to be overtaken. Its token tells it from those that waited before.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) stanza: Node,
    pub(super) fate: Fate,
    released: CancellationToken,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.released.cancel();
    }
}

impl Link {
    pub(super) fn new(session: &Session, seed: u64) -> Self {
        let life = CancellationToken::new();
        Self(Arc::new(Mutex::new(Inner {
            online: session.online,
            account: Account::new(session, seed),
            events: None,
            outlet: None,
            engine: session.engine.clone(),
            journal: Journal::default(),
            faults: Faults::default(),
            dice: Dice::new(seed, &session.name),
            held: None,
            late: Arc::new(Semaphore::new(MAX_LATE)),
            connection: life.child_token(),
            faulty: life.child_token(),
            life,
            stopped: false,
        })))
    }

    /// Makes it as it was, and keeps where its events go.
    pub(super) fn reset(&self, session: &Session, seed: u64) {
        let mut inner = self.0.lock();
        inner.online = session.online;
        inner.account = Account::new(session, seed);
        inner.journal = Journal::default();
        inner.faults = Faults::default();
        inner.dice = Dice::new(seed, &session.name);
        inner.end();
    }

    pub(super) fn me(&self) -> Me {
        self.0.lock().account.me.clone()
    }

    pub(super) fn announces_itself(&self) -> bool {
        self.0.lock().online
    }

    pub(super) fn events(&self) -> Option<EngineEvents> {
        self.0.lock().events.clone()
    }

    pub(super) fn set_events(&self, events: Option<EngineEvents>) {
        self.0.lock().events = events;
    }

    pub(super) fn outlet(&self) -> Option<Arc<dyn Outlet>> {
        self.0.lock().outlet.clone()
    }

    pub(super) fn set_outlet(&self, outlet: Arc<dyn Outlet>) {
        self.0.lock().outlet = Some(outlet);
    }

    pub(super) fn take_outlet(&self) -> Option<Arc<dyn Outlet>> {
        self.0.lock().outlet.take()
    }

    pub(super) fn engine(&self) -> String {
        self.0.lock().engine.clone()
    }

    pub(super) fn set_engine(&self, engine: &str) {
        engine.clone_into(&mut self.0.lock().engine);
    }

    pub(super) fn faults(&self) -> Faults {
        self.0.lock().faults.clone()
    }

    /// Replaces the faults. The token is cancelled when they are replaced in their turn.
    pub(super) fn set_faults(&self, faults: Faults) -> CancellationToken {
        let mut inner = self.0.lock();
        inner.faults = faults;
        let faulty = inner.life.child_token();
        std::mem::replace(&mut inner.faulty, faulty.clone()).cancel();
        faulty
    }

    /// Cancelled when the connection of now ends.
    pub(super) fn connection(&self) -> CancellationToken {
        self.0.lock().connection.clone()
    }

    /// Ends the connection of now: what is on its way on it is lost.
    pub(super) fn cut(&self) {
        self.0.lock().cut();
    }

    /// Ends all that goes on by itself.
    pub(super) fn end(&self) {
        self.0.lock().end();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.0.lock().stopped
    }

    pub(super) fn set_stopped(&self, stopped: bool) {
        self.0.lock().stopped = stopped;
    }

    pub(super) fn journal<T>(&self, use_it: impl FnOnce(&mut Journal) -> T) -> T {
        use_it(&mut self.0.lock().journal)
    }

    pub(super) fn sender<T>(&self, use_it: impl FnOnce(&mut Sender) -> T) -> T {
        use_it(&mut self.0.lock().account.sender)
    }

    /// Rolls the dice for a stanza with the faults of now.
    pub(super) fn roll<T>(&self, use_it: impl FnOnce(&mut Dice, &Faults) -> T) -> T {
        let mut inner = self.0.lock();
        let Inner { dice, faults, .. } = &mut *inner;
        use_it(dice, faults)
    }

    /// Lets a stanza wait to be overtaken. The token is cancelled when it no longer waits.
    pub(super) fn hold(&self, stanza: Node, fate: Fate) -> CancellationToken {
        let released = CancellationToken::new();
        self.0.lock().held = Some(Held { stanza, fate, released: released.clone() });
        released
    }

    pub(super) fn late(&self) -> Arc<Semaphore> {
        self.0.lock().late.clone()
    }

    pub(super) fn take_held(&self) -> Option<Held> {
        self.0.lock().held.take()
    }
}

impl Inner {
    fn cut(&mut self) {
        self.held = None;
        std::mem::replace(&mut self.connection, self.life.child_token()).cancel();
    }

    fn end(&mut self) {
        self.held = None;
        let life = CancellationToken::new();
        self.connection = life.child_token();
        self.faulty = life.child_token();
        std::mem::replace(&mut self.life, life).cancel();
    }
}
