//! Asking the engine to tell of a chat: once, however many requests want it at the same time.
//!
//! A subscription on its way is a task of the host's, so that it goes on when the request that
//! began it is dropped. It ends when the engine has answered or, if somebody waits for it, when
//! the first update has come or the wait is over.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use foldhash::fast::RandomState;
use host_abi::{ErrorKind, PluginError};
use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    context::{Context, Session},
    dialect::noweb::Call,
    jid::Jid,
};

/// So many may be on their way at once.
const MOST: usize = 4096;

/// The subscriptions that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    flights: Mutex<IndexMap<Key, Arc<Flight>, RandomState>>,
    /// How many there are, so that an event need not take the lock to see that there are none.
    count: AtomicUsize,
}

/// One connection's subscription to a chat.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    session: String,
    connection: u64,
    chat: String,
}

#[derive(Debug)]
struct Flight {
    phase: Mutex<Phase>,
    /// Told of each change of the phase; who waits is woken in the order in which they came.
    phase_changed: Notify,
    /// Somebody wants the first update, not the subscription only.
    awaits_news: AtomicBool,
    news: Notify,
}

impl Flight {
    fn set_phase(&self, phase: Phase) {
        *self.phase.lock() = phase;
        self.phase_changed.notify_waiters();
    }

    /// Waits for a phase of which `is_it` holds.
    async fn reaches(&self, is_it: impl Fn(&Phase) -> bool) -> Phase {
        loop {
            let mut changed = pin!(self.phase_changed.notified());
            changed.as_mut().enable();
            let phase = self.phase.lock().clone();
            if is_it(&phase) {
                return phase;
            }
            changed.await;
        }
    }
}

#[derive(Debug, Clone)]
enum Phase {
    Asking,
    /// The engine has agreed; the first update is awaited.
    Waiting,
    Over(Result<(), PluginError>),
}

/// Subscribes to a chat, whether or not that was done before.
pub(crate) async fn subscribe(
    context: &Arc<Context>,
    session: &str,
    chat: &Jid<'_>,
) -> Result<(), PluginError> {
    let joined = join(context, session, chat, Wish::Subscription)?;
    let Some(flight) = joined else { return Ok(()) };
    match flight.reaches(|phase| !matches!(phase, Phase::Asking)).await {
        Phase::Over(result) => result,
        Phase::Asking | Phase::Waiting => Ok(()),
    }
}

/// Subscribes to a chat unless that was done before, and waits a while for the first update.
pub(crate) async fn subscribe_for_news(
    context: &Arc<Context>,
    session: &str,
    chat: &Jid<'_>,
) -> Result<(), PluginError> {
    let on_their_way = context.subscriptions.count.load(Ordering::SeqCst);
    if on_their_way == 0 && context.session(session).state.read().is_subscribed(chat) {
        return Ok(());
    }
    let joined = join(context, session, chat, Wish::News)?;
    let Some(flight) = joined else { return Ok(()) };
    match flight.reaches(|phase| matches!(phase, Phase::Over(_))).await {
        Phase::Over(result) => result,
        Phase::Asking | Phase::Waiting => Err(cut_short()),
    }
}

impl Subscriptions {
    /// Tells who waits for it that there is news of a chat.
    pub(crate) fn tell(&self, session: &str, connection: u64, chat: &str) {
        // The state was written before, under its lock. A flight is counted before it reads the
        // state under that lock: either it is seen here, or it sees the news.
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let key = Key { session: session.to_owned(), connection, chat: chat.to_owned() };
        if let Some(flight) = self.flights.lock().get(&key) {
            flight.news.notify_one();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Subscription,
    News,
}

/// Joins the subscription that is on its way, or begins one; none if there is nothing to wait for.
fn join(
    context: &Arc<Context>,
    name: &str,
    chat: &Jid<'_>,
    wish: Wish,
) -> Result<Option<Arc<Flight>>, PluginError> {
    let session = context.session(name);
    let connection = session.connection();
    let key = Key { session: name.to_owned(), connection, chat: chat.to_string() };
    let mut flights = context.subscriptions.flights.lock();
    if let Some(flight) = flights.get(&key) {
        flight.awaits_news.fetch_or(wish == Wish::News, Ordering::SeqCst);
        return Ok(Some(flight.clone()));
    }
    // Whoever ends a flight has marked the chat before, so that no second one begins here.
    if wish == Wish::News && session.state.read().is_subscribed(chat) {
        return Ok(None);
    }
    session.state.read().has_room_for(chat)?;
    if flights.len() >= MOST {
        let message = format!("{MOST} subscriptions are on their way already, which is the limit");
        return Err(PluginError::new(ErrorKind::UNAVAILABLE, message));
    }
    let flight = Arc::new(Flight {
        phase: Mutex::new(Phase::Asking),
        phase_changed: Notify::new(),
        awaits_news: AtomicBool::new(wish == Wish::News),
        news: Notify::new(),
    });
    flights.insert(key.clone(), flight.clone());
    context.subscriptions.count.store(flights.len(), Ordering::SeqCst);
    drop(flights);
    let landing = Landing { context: context.clone(), key, flight: flight.clone() };
    context.host.spawn("subscribe", landing.fly(session));
    Ok(Some(flight))
}

/// A flight's way, and its end even if the task is dropped halfway.
#[derive(Debug)]
struct Landing {
    context: Arc<Context>,
    key: Key,
    flight: Arc<Flight>,
}

impl Landing {
    async fn fly(self, session: Arc<Session>) {
        let asked = self.ask(&session).await;
        if asked.is_err() || !self.goes_on_waiting(&session) {
            self.end(asked);
            return;
        }
        let pause = self.context.host.sleep(self.context.config.first_update_wait());
        tokio::select! {
            biased;
            () = self.flight.news.notified() => {}
            () = pause => {}
        }
        self.end(Ok(()));
    }

    async fn ask(&self, session: &Session) -> Result<(), PluginError> {
        let chat = Jid::parse(&self.key.chat)
            .map_err(|error| PluginError::new(ErrorKind::INTERNAL, error.to_string()))?;
        if session.is_gone() {
            return Err(cut_short());
        }
        let Call { op, args } = Call::subscribe(&chat);
        self.context.host.engine(op, &self.key.session, args).await.map_err(|error| {
            let message = format!("failed to subscribe to {chat}: {}", error.message());
            PluginError::new(error.kind(), message)
        })?;
        let still_connected = session.connection() == self.key.connection;
        session.state.write().set_subscribed(&chat, still_connected)?;
        Ok(())
    }

    /// Decides, once the engine has agreed, whether there is somebody to wait and nothing to tell.
    fn goes_on_waiting(&self, session: &Session) -> bool {
        // Under the lock, so that who joins is either seen here or sees what was decided.
        let _flights = self.context.subscriptions.flights.lock();
        let has_news =
            Jid::parse(&self.key.chat).is_ok_and(|chat| session.state.read().has_news(&chat));
        let waits = !has_news && self.flight.awaits_news.load(Ordering::SeqCst);
        if waits {
            self.flight.set_phase(Phase::Waiting);
        }
        waits
    }

    fn end(&self, result: Result<(), PluginError>) {
        let subscriptions = &self.context.subscriptions;
        let mut flights = subscriptions.flights.lock();
        flights.swap_remove(&self.key);
        subscriptions.count.store(flights.len(), Ordering::SeqCst);
        self.flight.set_phase(Phase::Over(result));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let over = matches!(*self.flight.phase.lock(), Phase::Over(_));
        if !over {
            self.end(Err(cut_short()));
        }
    }
}

fn cut_short() -> PluginError {
    PluginError::new(ErrorKind::UNAVAILABLE, "the subscription was cut short; try again")
}
