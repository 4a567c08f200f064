//! Which connections there are, what each is doing, and since when.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::ConnectionLimits;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Waiting for a request's first byte.
    Rest,
    /// Receiving a request's head. A new connection begins here: it was opened to send a request.
    Head,
    /// A request is being answered.
    Work,
    /// It speaks another protocol, which has limits of its own.
    Upgraded,
    /// It was told to close, after its head took too long.
    Late,
    /// It was told to close.
    Closing,
}

impl Phase {
    const ALL: [Self; 6] =
        [Self::Rest, Self::Head, Self::Work, Self::Upgraded, Self::Late, Self::Closing];
}

/// One connection's progress, as of [`Table::now`] in milliseconds. The connection's task writes it
/// and the table's beat reads it, each field by itself: a value that is a beat old does no harm.
#[derive(Debug)]
pub(super) struct Watch {
    number: u64,
    address: IpAddr,
    phase: AtomicU8,
    /// Since when it has been in its phase.
    since: AtomicU64,
    /// Since when nothing could be written; 0 while writing goes on.
    unread_since: AtomicU64,
    close: Notify,
}

impl Watch {
    fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Relaxed))]
    }

    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    pub(super) fn read(&self, table: &Table) {
        if self.phase() == Phase::Rest {
            self.since.store(table.now(), Relaxed);
            self.set(Phase::Head);
        }
    }

    pub(super) fn request_began(&self) {
        self.set(Phase::Work);
    }

    pub(super) fn upgraded(&self) {
        self.set(Phase::Upgraded);
    }

    pub(super) fn answered(&self, table: &Table) {
        if self.phase() == Phase::Work {
            self.since.store(table.now(), Relaxed);
            self.set(Phase::Rest);
        }
    }

    pub(super) fn wrote(&self) {
        self.unread_since.store(0, Relaxed);
    }

    pub(super) fn cannot_write(&self, table: &Table) {
        let _ = self.unread_since.compare_exchange(0, table.now().max(1), Relaxed, Relaxed);
    }

    pub(super) fn is_late_with_its_head(&self) -> bool {
        self.phase() == Phase::Late
    }

    /// Waits until the table closes the connection.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }

    fn close(&self, phase: Phase) {
        self.set(phase);
        self.close.notify_one();
    }

    /// What has lasted too long by `now`, if anything.
    fn overdue(&self, now: u64, limits: &ConnectionLimits) -> Option<Overdue> {
        let over =
            |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) > limit.as_millis();
        let unread_since = self.unread_since.load(Relaxed);
        if unread_since > 0 && over(unread_since, limits.unread) {
            return Some(Overdue::Unread);
        }
        let since = self.since.load(Relaxed);
        match self.phase() {
            Phase::Rest if over(since, limits.idle) => Some(Overdue::Idle),
            Phase::Head if over(since, limits.head) => Some(Overdue::Head),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Overdue {
    Head,
    Idle,
    Unread,
}

/// There is no room for another connection.
#[derive(Debug)]
pub(super) struct Full;

/// What became of connections, for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCounts {
    pub(crate) open: AtomicU64,
    pub(crate) accepted: AtomicU64,
    /// Answered 503: all others were at work.
    pub(crate) refused: AtomicU64,
    /// Closed to make room for another one.
    pub(crate) evicted: AtomicU64,
    /// Answered 408: the head took too long.
    pub(crate) late: AtomicU64,
    /// Closed after a long rest.
    pub(crate) idle: AtomicU64,
    /// Closed because an answer was not read.
    pub(crate) unread: AtomicU64,
}

impl ConnectionCounts {
    /// Writes the counts in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        let mut text = format!(
            "# HELP waha_open_connections Open connections of clients.\n\
             # TYPE waha_open_connections gauge\n\
             waha_open_connections {}\n\
             # HELP waha_connections_total Connections of clients, and why the server ended them.\n\
             # TYPE waha_connections_total counter\n",
            self.open.load(Relaxed)
        );
        let rows = [
            ("accepted", &self.accepted),
            ("refused", &self.refused),
            ("evicted", &self.evicted),
            ("late", &self.late),
            ("idle", &self.idle),
            ("unread", &self.unread),
        ];
        for (outcome, count) in rows {
            let count = count.load(Relaxed);
            text.push_str(&format!("waha_connections_total{{outcome=\"{outcome}\"}} {count}\n"));
        }
        text
    }
}

/// All connections of one listener, in no order. The accept loop adds them, a connection's end takes
/// it out, and the beat goes through them; the lock is held for one of these at a time.
#[derive(Debug)]
pub(super) struct Table {
    limits: ConnectionLimits,
    counts: Arc<ConnectionCounts>,
    /// Milliseconds since the table was made, a beat's length at a time.
    now: AtomicU64,
    ending: AtomicBool,
    /// Notified when the last connection has left.
    emptied: Notify,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    connections: IndexMap<u64, Arc<Watch>>,
    per_address: IndexMap<IpAddr, usize>,
}

impl Table {
    pub(super) fn new(limits: ConnectionLimits, counts: Arc<ConnectionCounts>) -> Self {
        Self {
            limits,
            counts,
            now: AtomicU64::new(1),
            ending: AtomicBool::new(false),
            emptied: Notify::new(),
            inner: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    /// Takes a new connection in. Where there is no room, the one that has rested longest is closed.
    pub(super) fn enter(&self, address: IpAddr) -> Result<Arc<Watch>, Full> {
        let mut inner = self.inner.lock();
        let of_address = inner.per_address.get(&address).copied().unwrap_or_default();
        let made_room = if of_address >= self.limits.per_address {
            self.evict(&inner, |watch| watch.address == address)
        } else if inner.connections.len() >= self.limits.connections {
            self.evict(&inner, |_| true)
        } else {
            true
        };
        if !made_room {
            self.counts.refused.fetch_add(1, Relaxed);
            return Err(Full);
        }
        inner.next += 1;
        let watch = Arc::new(Watch {
            number: inner.next,
            address,
            phase: AtomicU8::new(Phase::Head as u8),
            since: AtomicU64::new(self.now()),
            unread_since: AtomicU64::new(0),
            close: Notify::new(),
        });
        inner.connections.insert(watch.number, watch.clone());
        *inner.per_address.entry(address).or_default() += 1;
        self.counts.accepted.fetch_add(1, Relaxed);
        self.counts.open.fetch_add(1, Relaxed);
        Ok(watch)
    }

    pub(super) fn leave(&self, watch: &Watch) {
        let mut inner = self.inner.lock();
        // Eviction looks for the oldest by its time, so the order does not matter.
        if inner.connections.swap_remove(&watch.number).is_none() {
            return;
        }
        self.counts.open.fetch_sub(1, Relaxed);
        if let Some(count) = inner.per_address.get_mut(&watch.address) {
            *count -= 1;
            if *count == 0 {
                inner.per_address.swap_remove(&watch.address);
            }
        }
        let used = inner.connections.len();
        if used == 0 {
            self.emptied.notify_waiters();
        }
        // A crowd that has left gives its memory back.
        if inner.connections.capacity() > 64 + 4 * used {
            inner.connections.shrink_to(2 * used);
            inner.per_address.shrink_to_fit();
        }
    }

    /// Whether a connection that is to be closed may wait for its client: not one that was closed to make
    /// room or for not reading, nor one at rest when all are to end.
    pub(super) fn may_linger(&self, watch: &Watch) -> bool {
        match watch.phase() {
            Phase::Closing => false,
            Phase::Rest => !self.ending.load(Relaxed),
            _ => true,
        }
    }

    /// All connections are to end.
    pub(super) fn end(&self) {
        self.ending.store(true, Relaxed);
    }

    /// Waits until all connections have ended, those that were upgraded included.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.inner.lock().connections.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Makes room; whether there was one at rest.
    pub(super) fn evict_longest_at_rest(&self) -> bool {
        self.evict(&self.inner.lock(), |_| true)
    }

    fn evict(&self, inner: &Inner, among: impl Fn(&Watch) -> bool) -> bool {
        // A head that comes slowly is as good as a rest: an attack must not look busier than clients do.
        let waiting = |watch: &&Arc<Watch>| {
            matches!(watch.phase(), Phase::Rest | Phase::Head) && among(watch)
        };
        let candidates = inner.connections.values().filter(waiting);
        let Some(longest) = candidates.min_by_key(|watch| watch.since.load(Relaxed)) else {
            return false;
        };
        longest.close(Phase::Closing);
        self.counts.evicted.fetch_add(1, Relaxed);
        true
    }

    /// Moves the table's time on, and closes what has lasted too long.
    pub(super) fn close_overdue(&self, beat: Duration) {
        let beat = u64::try_from(beat.as_millis()).unwrap_or(u64::MAX);
        let now = self.now.fetch_add(beat, Relaxed) + beat;
        let inner = self.inner.lock();
        for watch in inner.connections.values() {
            let Some(overdue) = watch.overdue(now, &self.limits) else { continue };
            let (phase, count) = match overdue {
                Overdue::Head => (Phase::Late, &self.counts.late),
                Overdue::Idle => (Phase::Closing, &self.counts.idle),
                Overdue::Unread => (Phase::Closing, &self.counts.unread),
            };
            if !matches!(watch.phase(), Phase::Closing | Phase::Late) {
                watch.close(phase);
                count.fetch_add(1, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests;
