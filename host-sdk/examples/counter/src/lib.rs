//! A small plugin: counts the events of each session, and reports the count by HTTP and as an event.
//!
//! It shows everything that a plugin can do: answer, receive and emit events, wait, keep its state over a
//! restart.

#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use host_abi::{
    Emission, ErrorKind, Host, Key, Manifest, Plugin, PluginError, PresenceUpdate, Request,
    Response, Route, Snapshot,
};

const COUNT: Route = Route::new(1, "GET", "/api/{session}/count");
const COUNT_LATER: Route = Route::new(2, "GET", "/api/{session}/count/after/{seconds}");
const SCHEMA: u32 = 1;

/// Events of each session.
#[derive(Debug)]
pub struct Counter {
    host: Host,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Plugin for Counter {
    const MANIFEST: Manifest = Manifest {
        name: "counter",
        version: env!("CARGO_PKG_VERSION"),
        routes: &[COUNT, COUNT_LATER],
        consumes: &["messages.upsert"],
        emits: &["count.changed"],
        ..Manifest::EMPTY
    };

    fn create(host: Host, _: &[u8], restore: Option<Snapshot>) -> Result<Self, PluginError> {
        let counts = restore.map(|snapshot| read(&snapshot)).transpose()?.unwrap_or_default();
        tracing::info!(sessions = counts.len(), "counting");
        Ok(Self { host, counts: Mutex::new(counts) })
    }

    async fn handle(self: Arc<Self>, request: Request) -> Result<Response, PluginError> {
        if request.route() == COUNT_LATER.id() {
            let seconds = request.param(0).unwrap_or_default();
            let seconds = seconds.parse().map_err(|_| {
                let message = format!("{seconds:?} is not a number of seconds");
                PluginError::new(ErrorKind::INVALID, message)
            })?;
            self.host.sleep(Duration::from_secs(seconds)).await;
        }
        let count = self.counts().get(request.session()).copied().unwrap_or_default();
        Ok(Response::json(200, format!(r#"{{"count":{count}}}"#)))
    }

    fn on_presence(
        &self,
        session: &str,
        _: &str,
        updates: &[PresenceUpdate<'_>],
    ) -> Result<(), PluginError> {
        self.count(session, updates.len() as u64)
    }

    fn on_event(&self, _: &str, session: &str, _: &[u8]) -> Result<(), PluginError> {
        self.count(session, 1)
    }

    async fn export_state(self: Arc<Self>) -> Result<Snapshot, PluginError> {
        let lines: String =
            self.counts().iter().map(|(session, count)| format!("{count} {session}\n")).collect();
        Ok(Snapshot::new(SCHEMA, lines))
    }
}

impl Counter {
    fn count(&self, session: &str, events: u64) -> Result<(), PluginError> {
        let count = {
            let mut counts = self.counts();
            let count = counts.entry(session.to_owned()).or_default();
            *count += events;
            *count
        };
        self.host.emit(Emission {
            session,
            event: "count.changed",
            lane: "count",
            keys: &[Key::new("count")],
            payload: format!(r#"{{"count":{count}}}"#).into_bytes(),
        })
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(snapshot: &Snapshot) -> Result<BTreeMap<String, u64>, PluginError> {
    let unreadable =
        || PluginError::new(ErrorKind::INVALID, "the snapshot is not one of a counter");
    let text = std::str::from_utf8(snapshot.bytes()).map_err(|_| unreadable())?;
    let line = |line: &str| {
        let (count, session) = line.split_once(' ')?;
        Some((session.to_owned(), count.parse().ok()?))
    };
    if snapshot.schema() != SCHEMA {
        return Err(unreadable());
    }
    text.lines().map(|text| line(text).ok_or_else(unreadable)).collect()
}

host_abi::export_plugin!(Counter);
