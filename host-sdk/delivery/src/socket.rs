//! The bus's side of a WebSocket: which events it gets, and what waits for it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    envelope::EmittedEvent,
    event_bus::{Deadline, EventBus},
    lane::{Lanes, Limits, Taken},
    metrics::{Depth, Metrics, Row},
};

/// Which events a socket gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The session whose events it gets; `None`: those of all sessions.
    pub session: Option<String>,
    /// The names of the events it gets; `None`: all.
    pub events: Option<Vec<String>>,
}

impl Filter {
    fn wants(&self, session: &str, event: &str) -> bool {
        self.session.as_ref().is_none_or(|own| own == session)
            && self.events.as_ref().is_none_or(|own| own.iter().any(|name| name == event))
    }
}

/// A socket while the bus has events for it: until this is dropped.
#[derive(Debug)]
pub struct Socket {
    bus: EventBus,
    waiting: Arc<Waiting>,
}

/// Events that were taken and are to be sent, in this order.
pub type Batch = Vec<Taken<Arc<EmittedEvent>>>;

impl Socket {
    pub(crate) fn new(bus: EventBus, waiting: Arc<Waiting>) -> Self {
        Self { bus, waiting }
    }

    /// The bus that it gets its events from.
    #[must_use]
    pub fn bus(&self) -> &EventBus {
        &self.bus
    }

    /// Takes what waits, until `batch` has `most`. Never waits.
    pub fn take(&self, batch: &mut Batch, most: usize) {
        let mut waiting = self.waiting.lanes.lock();
        let (lanes, depth) = &mut *waiting;
        while batch.len() < most
            && let Some(taken) = lanes.take()
        {
            batch.push(taken);
        }
        self.waiting.row.moved(depth, Depth::of(lanes));
    }

    /// Counts a batch as delivered, and empties it.
    pub fn sent(&self, batch: &mut Batch) {
        let now_ms = self.bus.clock().now_ms();
        let mut waiting = self.waiting.lanes.lock();
        let (lanes, depth) = &mut *waiting;
        for taken in batch.drain(..) {
            self.waiting.row.delivered(now_ms.saturating_sub(taken.update.timestamp_ms));
            lanes.delivered(taken.ticket);
        }
        self.waiting.row.moved(depth, Depth::of(lanes));
        drop(waiting);
        self.bus.emptied();
    }

    /// Waits until something has happened since the last call: there are events, or it is to close.
    pub async fn news(&self) {
        self.waiting.news.notified().await;
    }

    /// Waits until it is to close: what is left then is given up.
    pub async fn closed(&self) {
        loop {
            let closed = self.waiting.closed.notified();
            if self.is_closing() {
                return;
            }
            closed.await;
        }
    }

    /// Whether it is to close: what is left then is given up.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.waiting.closing.load(Ordering::SeqCst)
    }

    /// The number of events that are not sent yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.waiting.pending()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.bus.close(&self.waiting);
    }
}

/// What waits for a WebSocket.
#[derive(Debug)]
pub(crate) struct Waiting {
    filter: Filter,
    lanes: Mutex<(Lanes<Arc<EmittedEvent>>, Depth)>,
    news: Notify,
    closing: AtomicBool,
    /// Notified once, when it is to close.
    closed: Notify,
    row: Arc<Row>,
}

impl Waiting {
    pub(crate) fn new(filter: Filter, limits: Limits, metrics: &Metrics) -> Self {
        let row = metrics.socket_row(filter.session.as_deref().unwrap_or("*"));
        Self {
            filter,
            lanes: Mutex::new((Lanes::new(limits), Depth::default())),
            news: Notify::new(),
            closing: AtomicBool::new(false),
            closed: Notify::new(),
            row,
        }
    }

    pub(crate) fn wants(&self, session: &str, event: &str) -> bool {
        self.filter.wants(session, event)
    }

    pub(crate) fn push(&self, event: &Arc<EmittedEvent>) {
        let mut waiting = self.lanes.lock();
        let (lanes, depth) = &mut *waiting;
        lanes.push(&event.lane_name, event.clone());
        self.row.moved(depth, Depth::of(lanes));
        drop(waiting);
        self.news.notify_one();
    }

    pub(crate) fn pending(&self) -> usize {
        let waiting = self.lanes.lock();
        waiting.0.waiting() + waiting.0.in_flight()
    }

    /// Folds what waits if it is too much for `deadline`.
    pub(crate) fn hurry_for(&self, deadline: Deadline) {
        let mut waiting = self.lanes.lock();
        let (lanes, depth) = &mut *waiting;
        if deadline.is_short_for(lanes.longest(), None) {
            lanes.fold();
            self.row.moved(depth, Depth::of(lanes));
        }
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.news.notify_one();
        self.closed.notify_waiters();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let (_, depth) = self.lanes.get_mut();
        self.row.moved(depth, Depth::default());
    }
}
