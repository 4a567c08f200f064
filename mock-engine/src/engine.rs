//! The engine: carries the world's stanzas to a gateway, and the gateway's requests to the world.
//!
//! One file of over 400 lines: it is the whole public handle, one short method per thing that a test or the
//! control API can do; what the methods do is in the files below.
//!
//! ```text
//! world -> stanza -> faults -> bytes -> stanza -> Baileys event -> gateway
//! world <- node   <- bytes  <- faults <- Baileys operation      <- gateway
//! ```
//!
//! [`MockEngine`] is all of it. A gateway sees it through [`MockEngine::noweb`], which is an
//! [`Engine`](host_sdk::Engine) as any other.

mod account;
mod deliver;
mod error;
mod happened;
mod host;
mod link;
mod outlet;
mod stub;

use std::sync::Arc;

use host_sdk::{Clock, EngineEvents, Me, SessionStatus};
use indexmap::IndexMap;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{sync::Notify, task::JoinHandle};

pub use error::MockError;
pub use happened::{Happened, Heard, LOG_BYTES, LOG_LIMIT};
pub(crate) use outlet::Outlet;
pub use stub::{Match, Stub};

use self::{
    happened::Log,
    link::{Link, Links},
    stub::Stubs,
};
use crate::{
    faults::Faults,
    journal::{Entry, Matcher},
    noweb::{Event, event_of_version},
    scenario::{Scenario, Session, Switch},
    time::{Pace, VirtualClock},
    wire::Node,
    world::{Act, Rules, World},
};

/// The most stanzas of a session that a fault delays at the same time; others are dropped.
const MAX_LATE: usize = 10_000;

/// A NOWEB engine without a phone. Cheap to clone; clones are one engine.
///
/// Without a gateway it still behaves, and shows the events that a gateway would get:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use mock_engine::{MockEngine, Scenario};
///
/// let scenario = Scenario::parse("[contacts.alice]\nphone = \"5511999990001\"").unwrap();
/// let mock = MockEngine::new(&scenario, 7);
/// mock.connect("default").await;
/// mock.contact("alice").types().await.unwrap();
/// assert_eq!(mock.events("default").last().unwrap().data()["id"], "5511999990001@s.whatsapp.net");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MockEngine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: VirtualClock,
    state: Mutex<State>,
    /// Held from making an event until it is handed over, so that a session sees events in the world's order.
    turn: tokio::sync::Mutex<()>,
    /// Notified whenever a journal gets an entry.
    sent: Notify,
    stubs: Stubs,
    log: Log,
}

#[derive(Debug)]
struct State {
    seed: u64,
    scenario: Arc<Scenario>,
    world: World,
    links: Links,
}

impl MockEngine {
    /// An engine on a stepped clock of its own, which stands at the scenario's start.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let start_ms = scenario.start_ms(Pace::Stepped);
        Self::on(scenario, seed, VirtualClock::stepped(start_ms).in_turns())
    }

    /// An engine on a clock that others share. Where the clock's tasks take turns
    /// ([`VirtualClock::in_turns`]), the same seed and scenario give the same events on any threads.
    pub fn on(scenario: &Scenario, seed: u64, clock: VirtualClock) -> Self {
        let now_ms = clock.now_ms();
        let mut links = IndexMap::new();
        for session in &scenario.sessions {
            links.insert(session.name.clone(), Link::new(session, seed));
        }
        let world = scenario.world(seed, now_ms / 1000);
        let state = State { seed, scenario: Arc::new(scenario.clone()), world, links };
        Self(Arc::new(Shared {
            clock,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::new(()),
            sent: Notify::new(),
            stubs: Stubs::default(),
            log: Log::default(),
        }))
    }

    /// The clock that it lives by.
    pub fn clock(&self) -> &VirtualClock {
        &self.0.clock
    }

    /// The seed that decides all chance.
    pub fn seed(&self) -> u64 {
        self.0.state.lock().seed
    }

    /// The scenario that it began with.
    pub fn scenario(&self) -> Arc<Scenario> {
        self.0.state.lock().scenario.clone()
    }

    /// The sessions' names.
    pub fn sessions(&self) -> Vec<String> {
        self.0.state.lock().links.keys().cloned().collect()
    }

    /// The account of a session.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist.
    pub fn me(&self, session: &str) -> Result<Me, MockError> {
        Ok(self.link(session)?.me())
    }

    /// Does what a contact does, and hands each session what it gets to see of it.
    ///
    /// # Errors
    ///
    /// Fails when a name is not known, and when it is not one who can do that.
    pub async fn act(&self, act: Act<'_>) -> Result<Vec<(String, Event)>, MockError> {
        if let Some(session) = act.session {
            self.link(session)?;
        }
        let _turn = self.0.turn.lock().await;
        let now = self.now_ms() / 1000;
        let deliveries = self.0.state.lock().world.act(act, now)?;
        let mut events = Vec::new();
        for delivery in deliveries {
            let made = self.deliver(&delivery.session, delivery.stanza).await;
            events.extend(made.into_iter().map(|event| (delivery.session.clone(), event)));
        }
        Ok(events)
    }

    /// Hands a session stanzas as if WhatsApp had sent them, whatever rules and faults say; answers
    /// with the events that came of them.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist, is stopped or is not on NOWEB, and when a
    /// node cannot be written as bytes.
    pub async fn inject(&self, session: &str, stanzas: Vec<Node>) -> Result<Vec<Event>, MockError> {
        let client = self.noweb_session(session)?.outlet();
        let frames = stanzas.iter().map(crate::wire::encode).collect::<Result<Vec<_>, _>>()?;
        let stanzas = frames.iter().map(|it| crate::wire::decode(it));
        let stanzas = stanzas.collect::<Result<Vec<_>, _>>()?;
        let _turn = self.0.turn.lock().await;
        if let Some(client) = client {
            frames.into_iter().for_each(|frame| client.stanza(frame));
        }
        let events: Vec<Event> = {
            let baileys = self.scenario().baileys;
            stanzas.iter().filter_map(|it| event_of_version(it, baileys)).collect()
        };
        for event in &events {
            self.hand_over(session, event.clone()).await;
        }
        Ok(events)
    }

    /// Hands a session events as they are.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist, is stopped, or is not on NOWEB.
    pub async fn hand(&self, session: &str, events: Vec<Event>) -> Result<(), MockError> {
        self.noweb_session(session)?;
        let _turn = self.0.turn.lock().await;
        for event in events {
            self.hand_over(session, event).await;
        }
        Ok(())
    }

    /// Opens or closes a session's connection to WhatsApp; `code` is Baileys' reason of a close.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist or is stopped.
    pub async fn connection(
        &self,
        session: &str,
        state: Switch,
        code: u16,
    ) -> Result<(), MockError> {
        self.running(session)?;
        let _turn = self.0.turn.lock().await;
        match state {
            Switch::Open => self.open(session).await,
            Switch::Close => self.close(session, code).await,
        }
        Ok(())
    }

    /// Connects a session, as its gateway does when it starts it.
    pub async fn connect(&self, session: &str) {
        self.begin(session, "NOWEB", None).await;
    }

    /// Has a session report a status.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist or is stopped.
    pub async fn set_status(&self, session: &str, status: SessionStatus) -> Result<(), MockError> {
        let events = self.running(session)?.events();
        if let Some(events) = events {
            events.status(status).await;
        }
        Ok(())
    }

    /// Replaces a session's faults.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist.
    pub fn set_faults(&self, session: &str, faults: &Faults) -> Result<(), MockError> {
        let link = self.link(session)?;
        let over = link.set_faults(faults.clone());
        if let Some(disconnect) = faults.disconnect {
            self.spawn(self.lose_connection(session, disconnect, over));
        }
        Ok(())
    }

    /// A session's faults.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist.
    pub fn faults(&self, session: &str) -> Result<Faults, MockError> {
        Ok(self.link(session)?.faults())
    }

    /// What a session sent after the entry numbered `since`, oldest first.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist.
    pub fn journal(&self, session: &str, since: u64) -> Result<Vec<Entry>, MockError> {
        Ok(self.link(session)?.journal(|journal| journal.since(since).cloned().collect()))
    }

    /// How many entries a session's journal has lost to its limit.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist.
    pub fn journal_dropped(&self, session: &str) -> Result<u64, MockError> {
        Ok(self.link(session)?.journal(|journal| journal.dropped()))
    }

    /// Forgets what a session sent.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist.
    pub fn clear_journal(&self, session: &str) -> Result<(), MockError> {
        self.link(session)?.journal(crate::journal::Journal::clear);
        Ok(())
    }

    /// Waits until a session sent a node after `since` that matches, and answers with all that do.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist.
    pub async fn sent(
        &self,
        session: &str,
        since: u64,
        matcher: &Matcher,
    ) -> Result<Vec<Entry>, MockError> {
        loop {
            let news = self.0.sent.notified();
            let mut entries = self.journal(session, since)?;
            entries.retain(|entry| matcher.matches(&entry.node));
            if !entries.is_empty() {
                return Ok(entries);
            }
            news.await;
        }
    }

    /// The events that a session got, oldest first, as far as the log goes back ([`LOG_LIMIT`],
    /// [`LOG_BYTES`]); empty when the session does not exist.
    pub fn events(&self, session: &str) -> Vec<Event> {
        self.0.log.events(session)
    }

    /// The same.
    ///
    /// # Errors
    ///
    /// Fails when the session does not exist.
    pub(crate) fn heard(&self, session: &str) -> Result<Vec<Event>, MockError> {
        self.link(session)?;
        Ok(self.events(session))
    }

    /// Calls `observer` for everything that happens from now on, in order.
    pub fn observe(&self, observer: impl Fn(&Happened) + Send + Sync + 'static) {
        self.0.log.observe(Box::new(observer));
    }

    /// Makes nodes that match fail, before any other fault does; see [`Stub`].
    pub fn given(&self, matcher: impl Match) -> Stub {
        Stub::new(self.0.stubs.clone(), matcher)
    }

    /// Reads or changes the world, between two of its moments.
    pub fn with_world<T>(&self, use_it: impl FnOnce(&mut World) -> T) -> T {
        use_it(&mut self.0.state.lock().world)
    }

    /// The world as JSON.
    pub fn world_json(&self) -> Value {
        self.with_world(|world| world.to_json())
    }

    /// Changes what sessions get to see.
    pub fn set_rules(&self, rules: Rules) {
        self.with_world(|world| world.set_rules(rules));
    }

    /// Waits until everything that the sessions were handed has been applied by the plugins; on a
    /// stepped clock, until nothing that came of it is still running, either. On one that runs there
    /// may always be something.
    ///
    /// Not for a task that the clock waits for: it would wait for itself.
    pub async fn settled(&self) {
        self.applied().await;
        if self.clock().pace() == Pace::Stepped {
            self.clock().idle().await;
        }
    }

    /// Waits until everything that the sessions were handed has been applied by the plugins.
    pub(crate) async fn applied(&self) {
        let events: Vec<EngineEvents> =
            self.0.state.lock().links.values().filter_map(Link::events).collect();
        for events in events {
            events.settled().await;
        }
    }

    /// Makes everything as it was at the start, with the scenario that is given or the one that was
    /// there: the time, an empty journal, no faults, and gateways forget all chats.
    pub async fn reset(&self, scenario: Option<Scenario>) {
        let _turn = self.0.turn.lock().await;
        self.forget_clients();
        let sessions: Vec<(String, Option<EngineEvents>)> = {
            let mut state = self.0.state.lock();
            let state = &mut *state;
            if let Some(scenario) = scenario {
                state.seed = scenario.seed.unwrap_or(state.seed);
                state.scenario = Arc::new(scenario);
            }
            self.clock().show(state.scenario.start_ms(self.clock().pace()));
            state.world = state.scenario.world(state.seed, self.now_ms() / 1000);
            for session in &state.scenario.sessions {
                let new = || Link::new(session, state.seed);
                state.links.entry(session.name.clone()).or_insert_with(new);
            }
            for (name, link) in &mut state.links {
                let spec = state.scenario.sessions.iter().find(|session| session.name == *name);
                let spec = spec.cloned().unwrap_or_else(|| Session::new(name));
                state.world.add_session(name);
                link.reset(&spec, state.seed);
            }
            state.links.iter().map(|(name, link)| (name.clone(), link.events())).collect()
        };
        self.0.stubs.clear();
        self.0.log.clear();
        for (session, events) in sessions {
            let Some(events) = events else { continue };
            events.forgotten().await;
            self.open(&session).await;
        }
    }

    /// The current time of the mock's clock, in Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.0.clock.now_ms()
    }

    /// Runs a task that the clock waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        tokio::spawn(self.clock().activity().track(task))
    }

    /// A session that the gateway has not stopped.
    fn running(&self, session: &str) -> Result<Link, MockError> {
        let link = self.link(session)?;
        if link.is_stopped() {
            return Err(MockError::Stopped(session.to_owned()));
        }
        Ok(link)
    }

    /// One that Baileys speaks for, too.
    fn noweb_session(&self, session: &str) -> Result<Link, MockError> {
        let link = self.running(session)?;
        let engine = link.engine();
        if engine != "NOWEB" {
            return Err(MockError::Engine { session: session.to_owned(), engine });
        }
        Ok(link)
    }

    fn link(&self, session: &str) -> Result<Link, MockError> {
        let state = self.0.state.lock();
        state
            .links
            .get(session)
            .cloned()
            .ok_or_else(|| MockError::unknown_session(session, state.links.keys()))
    }
}

#[cfg(test)]
mod tests;
