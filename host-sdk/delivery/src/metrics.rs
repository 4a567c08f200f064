//! What a gateway counts, for Prometheus.
//!
//! Each gateway has a registry of its own, so that two in one process do not mix. It is written out
//! by hand: the counts are plain atomics that hot paths add to, and a histogram with fixed buckets
//! needs no upkeep, where metrics-exporter-prometheus keeps every sample until somebody renders.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Weak,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use indexmap::IndexMap;
use parking_lot::{Mutex, RwLock};

use crate::lane::{Counts, Lanes, Update};

/// A gateway's counts.
#[derive(Debug, Default)]
pub struct Metrics {
    events_in: Family,
    plugin_panics: Family,
    events_emitted: AtomicU64,
    open_sockets: AtomicI64,
    rows: Mutex<Vec<Weak<Row>>>,
    /// The rows of WebSockets, which come and go: theirs stays.
    sockets: Mutex<IndexMap<String, Arc<Row>>>,
}

/// One value a label.
#[derive(Debug, Default)]
struct Family(RwLock<IndexMap<String, AtomicU64>>);

impl Family {
    fn add(&self, label: &str, number: u64) {
        if let Some(value) = self.0.read().get(label) {
            value.fetch_add(number, Relaxed);
            return;
        }
        self.0.write().entry(label.to_owned()).or_default().fetch_add(number, Relaxed);
    }

    fn forget(&self, label: &str) {
        self.0.write().shift_remove(label);
    }
}

impl Metrics {
    /// Counts events that a session's engine sent.
    pub fn events_in(&self, session: &str, events: usize) {
        self.events_in.add(session, u64::try_from(events).unwrap_or(u64::MAX));
    }

    /// Counts a panic of a plugin.
    pub fn plugin_panicked(&self, plugin: &str) {
        self.plugin_panics.add(plugin, 1);
    }

    /// Forgets what was counted for a session.
    pub(crate) fn forget_session(&self, session: &str) {
        self.events_in.forget(session);
        self.sockets.lock().shift_remove(session);
    }

    pub(crate) fn emitted(&self) {
        self.events_emitted.fetch_add(1, Relaxed);
    }

    pub(crate) fn socket_opened(&self) {
        self.open_sockets.fetch_add(1, Relaxed);
    }

    pub(crate) fn socket_closed(&self) {
        self.open_sockets.fetch_sub(1, Relaxed);
    }

    /// The row of all WebSockets for one session's events; `*` is those for all sessions'.
    pub(crate) fn socket_row(&self, session: &str) -> Arc<Row> {
        let row = || self.row("websocket", session, "websocket");
        self.sockets.lock().entry(session.to_owned()).or_insert_with(row).clone()
    }

    /// The row of a receiver, which is shown as long as somebody keeps it.
    pub(crate) fn row(&self, kind: &'static str, session: &str, endpoint: &str) -> Arc<Row> {
        let labels = format!(
            "kind=\"{kind}\",session=\"{}\",endpoint=\"{}\"",
            escape(session),
            escape(endpoint)
        );
        let mut rows = self.rows.lock();
        rows.retain(|row| row.strong_count() > 0);
        // Two rows of the same labels would be no metrics.
        if let Some(row) = rows.iter().filter_map(Weak::upgrade).find(|row| row.labels == labels) {
            return row;
        }
        let row = Arc::new(Row { labels, ..Row::default() });
        rows.push(Arc::downgrade(&row));
        row
    }

    /// Writes all counts in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let families = [
            ("events_in_total", "counter", "Events that engines sent.", "session", &self.events_in),
            ("plugin_panics_total", "counter", "Panics of plugins.", "plugin", &self.plugin_panics),
        ];
        for (name, kind, help, label, family) in families {
            head(&mut text, name, kind, help);
            for (key, value) in &*family.0.read() {
                let labels = format!("{label}=\"{}\"", escape(key));
                line(&mut text, name, &labels, value.load(Relaxed));
            }
        }
        head(&mut text, "events_emitted_total", "counter", "Events that had a receiver.");
        line(&mut text, "events_emitted_total", "", self.events_emitted.load(Relaxed));
        head(&mut text, "open_sockets", "gauge", "Open WebSockets.");
        line(&mut text, "open_sockets", "", self.open_sockets.load(Relaxed));

        let rows: Vec<Arc<Row>> = self.rows.lock().iter().filter_map(Weak::upgrade).collect();
        for (name, kind, help, value) in COLUMNS {
            head(&mut text, name, kind, help);
            for row in &rows {
                line(&mut text, name, &row.labels, value(row));
            }
        }
        let name = "delivery_age_seconds";
        head(&mut text, name, "histogram", "Age of events when their receiver had them.");
        rows.iter().for_each(|row| row.age.render(&mut text, name, &row.labels));
        text
    }
}

type Column = (&'static str, &'static str, &'static str, fn(&Row) -> i64);

const COLUMNS: [Column; 10] = [
    ("delivered_total", "counter", "Events that a receiver has taken.", |row| int(&row.delivered)),
    ("conflated_total", "counter", "Events replaced by a newer one while they waited.", |row| {
        int(&row.conflated)
    }),
    (
        "superseded_total",
        "counter",
        "Events that failed, and of which a newer one waited.",
        |row| int(&row.superseded),
    ),
    ("retried_total", "counter", "Requests that failed and are repeated.", |row| int(&row.retried)),
    ("failed_total", "counter", "Events given up after their attempts.", |row| int(&row.failed)),
    ("dropped_total", "counter", "Events dropped because of a limit.", |row| int(&row.dropped)),
    ("queue_depth", "gauge", "Events that wait.", |row| row.waiting.load(Relaxed)),
    ("in_flight", "gauge", "Events that are being sent.", |row| row.in_flight.load(Relaxed)),
    ("lanes", "gauge", "Lanes with events.", |row| row.lanes.load(Relaxed)),
    ("queue_bytes", "gauge", "Bytes that wait or are being sent.", |row| row.bytes.load(Relaxed)),
];

fn int(value: &AtomicU64) -> i64 {
    i64::try_from(value.load(Relaxed)).unwrap_or(i64::MAX)
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to memory does not fail.
    let _ = write!(text, "# HELP waha_{name} {help}\n# TYPE waha_{name} {kind}\n");
}

fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = match labels {
        "" => writeln!(text, "waha_{name} {value}"),
        labels => writeln!(text, "waha_{name}{{{labels}}} {value}"),
    };
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// What is counted for one receiver, or for all of one kind.
#[derive(Debug, Default)]
pub(crate) struct Row {
    labels: String,
    delivered: AtomicU64,
    conflated: AtomicU64,
    superseded: AtomicU64,
    retried: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    waiting: AtomicI64,
    in_flight: AtomicI64,
    lanes: AtomicI64,
    bytes: AtomicI64,
    age: Histogram,
}

impl Row {
    pub(crate) fn delivered(&self, age_ms: u64) {
        self.delivered.fetch_add(1, Relaxed);
        self.age.record(age_ms);
    }

    pub(crate) fn superseded(&self) {
        self.superseded.fetch_add(1, Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.retried.fetch_add(1, Relaxed);
    }

    pub(crate) fn failed(&self, events: u64) {
        self.failed.fetch_add(events, Relaxed);
    }

    /// Adds what has changed since `before`, which becomes `now`.
    pub(crate) fn moved(&self, before: &mut Depth, now: Depth) {
        let gauge = |gauge: &AtomicI64, before: i64, now: i64| {
            if before != now {
                gauge.fetch_add(now - before, Relaxed);
            }
        };
        gauge(&self.waiting, before.waiting, now.waiting);
        gauge(&self.in_flight, before.in_flight, now.in_flight);
        gauge(&self.lanes, before.lanes, now.lanes);
        gauge(&self.bytes, before.bytes, now.bytes);
        let counter = |counter: &AtomicU64, before: u64, now: u64| {
            if now > before {
                counter.fetch_add(now - before, Relaxed);
            }
        };
        counter(&self.conflated, before.counts.folded, now.counts.folded);
        counter(&self.dropped, before.counts.dropped, now.counts.dropped);
        *before = now;
    }
}

/// How much waits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Depth {
    pub(crate) waiting: i64,
    pub(crate) in_flight: i64,
    lanes: i64,
    bytes: i64,
    counts: Counts,
}

impl Depth {
    pub(crate) fn of<T: Update>(lanes: &Lanes<T>) -> Self {
        let int = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            waiting: int(lanes.waiting()),
            in_flight: int(lanes.in_flight()),
            lanes: int(lanes.lanes()),
            bytes: int(lanes.bytes()),
            counts: lanes.counts(),
        }
    }
}

/// The upper bounds of the age buckets, in milliseconds.
const BOUNDS_MS: [u64; 15] =
    [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000, 600_000];

#[derive(Debug, Default)]
struct Histogram {
    /// One more than there are bounds: the rest.
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_ms: AtomicU64,
}

impl Histogram {
    fn record(&self, ms: u64) {
        let bucket = BOUNDS_MS.partition_point(|&bound| bound < ms);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum_ms.fetch_add(ms, Relaxed);
    }

    fn render(&self, text: &mut String, name: &str, labels: &str) {
        let mut count = 0;
        let bounds = BOUNDS_MS.iter().map(|&ms| seconds(ms)).chain(["+Inf".to_owned()]);
        for (bucket, bound) in self.buckets.iter().zip(bounds) {
            count += bucket.load(Relaxed);
            line(text, &format!("{name}_bucket"), &format!("{labels},le=\"{bound}\""), count);
        }
        line(text, &format!("{name}_sum"), labels, seconds(self.sum_ms.load(Relaxed)));
        line(text, &format!("{name}_count"), labels, count);
    }
}

fn seconds(ms: u64) -> String {
    format!("{}", std::time::Duration::from_millis(ms).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn counts_are_written_in_prometheus_text_format() {
        let metrics = Metrics::default();
        metrics.events_in("default", 3);
        metrics.plugin_panicked("a \"b\"");
        let row = metrics.row("webhook", "default", "example.com:443 #1");
        row.delivered(7);
        row.delivered(700_000);
        insta::assert_snapshot!(metrics.render(), @r#"
        # HELP waha_events_in_total Events that engines sent.
        # TYPE waha_events_in_total counter
        waha_events_in_total{session="default"} 3
        # HELP waha_plugin_panics_total Panics of plugins.
        # TYPE waha_plugin_panics_total counter
        waha_plugin_panics_total{plugin="a \"b\""} 1
        # HELP waha_events_emitted_total Events that had a receiver.
        # TYPE waha_events_emitted_total counter
        waha_events_emitted_total 0
        # HELP waha_open_sockets Open WebSockets.
        # TYPE waha_open_sockets gauge
        waha_open_sockets 0
        # HELP waha_delivered_total Events that a receiver has taken.
        # TYPE waha_delivered_total counter
        waha_delivered_total{kind="webhook",session="default",endpoint="example.com:443 #1"} 2
        # HELP waha_conflated_total Events replaced by a newer one while they waited.
        # TYPE waha_conflated_total counter
        waha_conflated_total{kind="webhook",session="default",endpoint="example.com:443 #1"} 0
        # HELP waha_superseded_total Events that failed, and of which a newer one waited.
        # TYPE waha_superseded_total counter
        waha_superseded_total{kind="webhook",session="default",endpoint="example.com:443 #1"} 0
        # HELP waha_retried_total Requests that failed and are repeated.
        # TYPE waha_retried_total counter
        waha_retried_total{kind="webhook",session="default",endpoint="example.com:443 #1"} 0
        # HELP waha_failed_total Events given up after their attempts.
        # TYPE waha_failed_total counter
        waha_failed_total{kind="webhook",session="default",endpoint="example.com:443 #1"} 0
        # HELP waha_dropped_total Events dropped because of a limit.
        # TYPE waha_dropped_total counter
        waha_dropped_total{kind="webhook",session="default",endpoint="example.com:443 #1"} 0
        # HELP waha_queue_depth Events that wait.
        # TYPE waha_queue_depth gauge
        waha_queue_depth{kind="webhook",session="default",endpoint="example.com:443 #1"} 0
        # HELP waha_in_flight Events that are being sent.
        # TYPE waha_in_flight gauge
        waha_in_flight{kind="webhook",session="default",endpoint="example.com:443 #1"} 0
        # HELP waha_lanes Lanes with events.
        # TYPE waha_lanes gauge
        waha_lanes{kind="webhook",session="default",endpoint="example.com:443 #1"} 0
        # HELP waha_queue_bytes Bytes that wait or are being sent.
        # TYPE waha_queue_bytes gauge
        waha_queue_bytes{kind="webhook",session="default",endpoint="example.com:443 #1"} 0
        # HELP waha_delivery_age_seconds Age of events when their receiver had them.
        # TYPE waha_delivery_age_seconds histogram
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="0.001"} 0
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="0.002"} 0
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="0.005"} 0
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="0.01"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="0.025"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="0.05"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="0.1"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="0.25"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="0.5"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="1"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="2.5"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="5"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="10"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="60"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="600"} 1
        waha_delivery_age_seconds_bucket{kind="webhook",session="default",endpoint="example.com:443 #1",le="+Inf"} 2
        waha_delivery_age_seconds_sum{kind="webhook",session="default",endpoint="example.com:443 #1"} 700.007
        waha_delivery_age_seconds_count{kind="webhook",session="default",endpoint="example.com:443 #1"} 2
        "#);
        drop(row);
        assert!(!metrics.render().contains("example.com"));
    }

    #[test]
    fn all_sockets_for_a_session_are_one_row_that_stays() {
        let metrics = Metrics::default();
        for _ in 0..2 {
            let (one, other) = (metrics.socket_row("default"), metrics.socket_row("default"));
            one.delivered(1);
            other.delivered(1);
        }
        let delivered = || {
            let text = metrics.render();
            let lines = text.lines().filter(|line| line.starts_with("waha_delivered_total{"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let line =
            "waha_delivered_total{kind=\"websocket\",session=\"default\",endpoint=\"websocket\"} 4";
        assert_eq!(delivered(), [line]);
        metrics.forget_session("default");
        assert_eq!(delivered(), Vec::<String>::new());
    }
}
