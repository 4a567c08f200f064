//! One webhook receiver: its waiting events, whether it is up, and its workers.
//!
//! One file of over 400 lines: everything here happens under the endpoint's one lock.

mod outcome;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore},
};

use super::{
    breaker::{Admits, Breaker, BreakerSettings},
    config::WebhookConfig,
    connection::{self, Dialer},
    request::Target,
};
use crate::{
    clock::Clock,
    envelope::{Chance, EmittedEvent, EventId, EventIds},
    event_bus::Deadline,
    lane::{Lanes, Limits, Parked, Taken, Update},
    metrics::{Depth, Row},
};

/// What all endpoints of a gateway share.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: Handle,
    pub(crate) dialer: Dialer,
    pub(crate) limits: Limits,
    pub(crate) breaker: BreakerSettings,
    /// How many requests are in flight to one endpoint at most.
    pub(crate) in_flight: usize,
    pub(crate) ids: EventIds,
    pub(crate) draining: AtomicBool,
    /// Told when an endpoint has become empty while draining.
    pub(crate) emptied: Notify,
}

impl Surroundings {
    /// The id and the time of a new event.
    pub(crate) fn next_id(&self) -> (EventId, u64) {
        self.ids.next(self.clock.now_ms())
    }
}

/// An event on its way to one endpoint.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) event: Arc<EmittedEvent>,
    around: Arc<Surroundings>,
    /// When it may go again after it was given up, in Unix milliseconds.
    not_before_ms: u64,
    /// How many requests have failed.
    tries: u32,
    /// How many of them were refused by a living receiver.
    refused: u32,
}

impl Update for Outgoing {
    fn keys(&self) -> &[Box<str>] {
        self.event.keys.as_slice()
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.event.bytes()
    }

    fn restate(&mut self) {
        let (id, timestamp_ms) = self.around.next_id();
        self.event = Arc::new(self.event.restated(id, timestamp_ms));
    }
}

/// What a worker does next.
pub(crate) enum Job {
    Send { taken: Taken<Outgoing>, target: Arc<Target>, probe: bool },
    Wait,
    End,
}

/// How an endpoint is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointHealth {
    /// The session it belongs to; none for a global one.
    pub session: Option<String>,
    /// Its host and port, and a number that tells it from others.
    pub endpoint: String,
    /// Whether it answers. One that answers only refusals is up and [`refusing`](Self::refusing).
    pub up: bool,
    /// How many events wait for it, those that were given up and are kept among them.
    pub waiting: usize,
    /// How many events were given up and are kept, as last states, until it takes something.
    pub given_up: usize,
    /// The status that it refuses events with, unless it has taken one since.
    pub refusing: Option<u16>,
    /// How many requests it has refused since it last took an event.
    pub refusals: u64,
    /// What went wrong last, unless something has gone well since.
    pub last_error: Option<String>,
}

pub(crate) struct Endpoint {
    around: Arc<Surroundings>,
    session: Option<String>,
    label: String,
    target: RwLock<Arc<Target>>,
    state: Mutex<State>,
    /// A permit for each idle worker that is called to work.
    calls: Semaphore,
    alarm: Notify,
    row: Arc<Row>,
}

struct State {
    lanes: Lanes<Outgoing>,
    breaker: Breaker,
    workers: usize,
    idle: usize,
    timers: BTreeSet<(u64, Parked)>,
    timing: bool,
    retired: bool,
    chance: Chance,
    /// How long it took to answer lately, in the world's time.
    answer_time: Option<Duration>,
    last_error: Option<String>,
    last_refusal: Option<u16>,
    /// Refusals since the last delivery.
    refusals: u64,
    /// When what was given up is recalled, in Unix milliseconds; `None` where only a delivery recalls it.
    recall_at: Option<u64>,
    depth: Depth,
}

impl Endpoint {
    pub(crate) fn new(
        around: Arc<Surroundings>,
        session: Option<&str>,
        label: String,
        config: WebhookConfig,
        row: Arc<Row>,
        seed: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            session: session.map(str::to_owned),
            label,
            target: RwLock::new(Arc::new(Target::new(config))),
            state: Mutex::new(State {
                lanes: Lanes::new(around.limits),
                breaker: Breaker::new(around.breaker),
                workers: 0,
                idle: 0,
                timers: BTreeSet::new(),
                timing: false,
                retired: false,
                chance: Chance::new(seed),
                answer_time: None,
                last_error: None,
                last_refusal: None,
                refusals: 0,
                recall_at: None,
                depth: Depth::default(),
            }),
            calls: Semaphore::new(0),
            alarm: Notify::new(),
            row,
            around,
        })
    }

    pub(crate) fn url(&self) -> String {
        self.target.read().config.url().to_owned()
    }

    pub(crate) fn wants(&self, event: &str) -> bool {
        self.target.read().config.wants(event)
    }

    /// Goes on with what waits under a new configuration for the same URL.
    pub(crate) fn reconfigure(&self, config: WebhookConfig) {
        if self.target.read().config != config {
            *self.target.write() = Arc::new(Target::new(config));
        }
    }

    /// Has the event delivered.
    pub(crate) fn push(self: &Arc<Self>, event: &Arc<EmittedEvent>) {
        let around = self.around.clone();
        let update =
            Outgoing { event: event.clone(), around, not_before_ms: 0, tries: 0, refused: 0 };
        let mut state = self.state.lock();
        if state.retired {
            return;
        }
        state.lanes.push(&event.lane_name, update);
        self.show(&mut state);
        self.rouse(&mut state, 1);
    }

    /// Takes nothing more. What waits still goes out if the receiver takes it at once.
    pub(crate) fn retire(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.retired = true;
        if state.breaker.is_closed() {
            self.wake_all(&mut state);
        } else {
            state.lanes.clear();
        }
        state.timers.clear();
        self.end_idle(&mut state);
        self.show(&mut state);
    }

    /// Drops all that waits.
    pub(crate) fn abandon(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.retired = true;
        state.lanes.clear();
        state.timers.clear();
        self.end_idle(&mut state);
        self.show(&mut state);
    }

    /// Tries at once what waits for its time.
    pub(crate) fn hurry(self: &Arc<Self>) {
        self.end_waits(&mut self.state.lock());
    }

    /// Tries at once what waits for its time, and folds it if it is too much for `deadline`.
    pub(crate) fn hurry_for(self: &Arc<Self>, deadline: Deadline) {
        let mut state = self.state.lock();
        let rounds = state.lanes.waiting().div_ceil(self.around.in_flight);
        let rounds = rounds.max(state.lanes.longest());
        if deadline.is_short_for(rounds, state.answer_time) {
            state.lanes.fold();
            self.show(&mut state);
        }
        self.end_waits(&mut state);
    }

    /// How many events are not delivered yet and will be tried without waiting for a delivery.
    pub(crate) fn pending(&self) -> usize {
        let state = self.state.lock();
        let kept = if state.recall_at.is_none() { state.lanes.given_up() } else { 0 };
        state.lanes.waiting() - kept + state.lanes.in_flight()
    }

    pub(crate) fn health(&self) -> EndpointHealth {
        let state = self.state.lock();
        EndpointHealth {
            session: self.session.clone(),
            endpoint: self.label.clone(),
            up: state.breaker.is_closed(),
            waiting: state.lanes.waiting() + state.lanes.in_flight(),
            given_up: state.lanes.given_up(),
            refusing: state.last_refusal,
            refusals: state.refusals,
            last_error: state.last_error.clone(),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.around.clock.now_ms()
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.around.dialer
    }

    /// What a worker does next; a worker that waits is counted as idle.
    pub(crate) fn next_job(&self) -> Job {
        let mut state = self.state.lock();
        let (taken, probe) = match state.breaker.admits() {
            Admits::All => (state.lanes.take(), false),
            Admits::Probe => (state.lanes.take_newest(), true),
            Admits::Nothing => (None, false),
        };
        match taken {
            Some(taken) => {
                if probe {
                    state.breaker.probe_sent();
                }
                self.show(&mut state);
                Job::Send { taken, target: self.target.read().clone(), probe }
            }
            None if state.retired => {
                state.workers -= 1;
                Job::End
            }
            None => {
                state.idle += 1;
                Job::Wait
            }
        }
    }

    /// Waits until an idle worker is called to work.
    pub(crate) async fn roused(&self) {
        if let Ok(call) = self.calls.acquire().await {
            call.forget();
        }
    }

    /// An idle worker wants to end. `false` when it has just been called to work, and the call
    /// waits for it.
    pub(crate) fn dismiss(&self) -> bool {
        let mut state = self.state.lock();
        if state.idle == 0 {
            return false;
        }
        state.idle -= 1;
        state.workers -= 1;
        true
    }

    /// Calls up to `count` workers, if there is work.
    fn rouse(self: &Arc<Self>, state: &mut State, count: usize) {
        let count = match state.breaker.admits() {
            Admits::All => count.min(state.lanes.ready()),
            Admits::Probe => count.min(state.lanes.ready()).min(1),
            Admits::Nothing => 0,
        };
        for _ in 0..count {
            if state.idle > 0 {
                state.idle -= 1;
                self.calls.add_permits(1);
            } else if state.workers < self.around.in_flight {
                state.workers += 1;
                self.around.runtime.spawn(connection::work(self.clone()));
            } else {
                return;
            }
        }
    }

    fn end_idle(&self, state: &mut State) {
        self.calls.add_permits(std::mem::take(&mut state.idle));
        self.alarm.notify_one();
    }

    fn end_waits(self: &Arc<Self>, state: &mut State) {
        state.breaker.tick(u64::MAX);
        self.wake_all(state);
    }

    fn wake_all(self: &Arc<Self>, state: &mut State) {
        for (_, parked) in std::mem::take(&mut state.timers) {
            state.lanes.wake(&parked);
        }
        if state.recall_at.is_some() {
            state.lanes.recall(|_| true);
        }
        let workers = self.around.in_flight;
        self.rouse(state, workers);
    }

    fn wake_later(
        self: &Arc<Self>,
        state: &mut State,
        parked: Parked,
        now_ms: u64,
        delay: Duration,
    ) {
        state.timers.insert((due(now_ms, delay), parked));
        self.watch_the_clock(state);
    }

    fn recall_later(self: &Arc<Self>, state: &mut State, at_ms: u64) {
        state.recall_at = Some(state.recall_at.map_or(at_ms, |at| at.min(at_ms)));
        self.watch_the_clock(state);
    }

    /// Starts the task that waits for the next timer, or notifies it.
    fn watch_the_clock(self: &Arc<Self>, state: &mut State) {
        if state.timing {
            self.alarm.notify_one();
        } else if state.next_deadline().is_some() {
            state.timing = true;
            self.around.runtime.spawn(keep_time(self.clone()));
        }
    }

    /// Ends all waits that are due. The time until the next one, if there is any.
    fn ring(self: &Arc<Self>) -> Option<Duration> {
        let now_ms = self.now_ms();
        let mut state = self.state.lock();
        while state.timers.first().is_some_and(|(deadline, _)| *deadline <= now_ms)
            && let Some((_, parked)) = state.timers.pop_first()
        {
            state.lanes.wake(&parked);
        }
        if state.recall_at.is_some_and(|at_ms| at_ms <= now_ms) {
            state.recall_at = None;
            let mut next = None;
            state.lanes.recall(|update| {
                let due = update.not_before_ms <= now_ms;
                if !due {
                    next = Some(
                        next.map_or(update.not_before_ms, |at: u64| at.min(update.not_before_ms)),
                    );
                }
                due
            });
            state.recall_at = next;
        }
        state.breaker.tick(now_ms);
        let workers = self.around.in_flight;
        self.rouse(&mut state, workers);
        self.show(&mut state);
        let next = state.next_deadline();
        state.timing = next.is_some();
        next.map(|deadline| Duration::from_millis(deadline.saturating_sub(now_ms)))
    }

    /// Brings the gauges up to date.
    fn show(&self, state: &mut State) {
        let now = Depth::of(&state.lanes);
        self.row.moved(&mut state.depth, now);
        if now.waiting + now.in_flight == 0 && self.around.draining.load(Ordering::Relaxed) {
            self.around.emptied.notify_waiters();
        }
    }
}

impl State {
    /// The receiver took so long to answer.
    fn answered_after(&mut self, time: Duration) {
        let before = self.answer_time.unwrap_or(time);
        self.answer_time = Some((before * 7 + time) / 8);
    }

    fn next_deadline(&self) -> Option<u64> {
        if self.retired {
            return None;
        }
        let timer = self.timers.first().map(|(deadline, _)| *deadline);
        timer.into_iter().chain(self.breaker.opens_at()).chain(self.recall_at).min()
    }
}

fn due(now_ms: u64, delay: Duration) -> u64 {
    now_ms.saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
}

async fn keep_time(endpoint: Arc<Endpoint>) {
    while let Some(wait) = endpoint.ring() {
        tokio::select! {
            () = endpoint.around.clock.sleep(wait) => {}
            () = endpoint.alarm.notified() => {}
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        self.row.moved(&mut state.depth, Depth::default());
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("label", &self.label).finish_non_exhaustive()
    }
}
