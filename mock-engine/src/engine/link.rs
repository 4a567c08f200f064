//! One session's side of the engine.

use std::sync::Arc;

use host_sdk::{EngineEvents, Me};
use indexmap::IndexMap;
use parking_lot::Mutex;

use super::account::Account;
use crate::{
    faults::{Dice, Faults},
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
    engine: String,
    journal: Journal,
    faults: Faults,
    dice: Dice,
    /// Counts the changes of the faults, so that what an earlier one began can end.
    epoch: u64,
    /// A stanza that the next one overtakes.
    held: Option<Node>,
}

impl Link {
    pub(super) fn new(session: &Session, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            online: session.online,
            account: Account::new(session, seed),
            events: None,
            engine: session.engine.clone(),
            journal: Journal::default(),
            faults: Faults::default(),
            dice: Dice::new(seed, &session.name),
            epoch: 0,
            held: None,
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
        inner.epoch += 1;
        inner.held = None;
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

    pub(super) fn engine(&self) -> String {
        self.0.lock().engine.clone()
    }

    pub(super) fn set_engine(&self, engine: &str) {
        engine.clone_into(&mut self.0.lock().engine);
    }

    pub(super) fn faults(&self) -> Faults {
        self.0.lock().faults.clone()
    }

    pub(super) fn set_faults(&self, faults: Faults) -> u64 {
        let mut inner = self.0.lock();
        inner.faults = faults;
        inner.epoch += 1;
        inner.epoch
    }

    pub(super) fn epoch(&self) -> u64 {
        self.0.lock().epoch
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

    pub(super) fn hold(&self, stanza: Node) -> Option<Node> {
        self.0.lock().held.replace(stanza)
    }

    pub(super) fn take_held(&self) -> Option<Node> {
        self.0.lock().held.take()
    }
}
