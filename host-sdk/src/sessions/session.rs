//! One session: its lifecycle, what is known of it, and the events that it publishes.

use std::{
    pin::pin,
    slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use host_abi::abi::EmissionAbi;
use host_delivery::envelope::Envelope;
use parking_lot::{Mutex, RwLock};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use super::{Around, SessionConfig, SessionSpec};
use crate::engine::{
    Engine, Me, SessionStatus,
    events::{EngineEvents, Job},
};

/// How many of its statuses a session remembers.
const MAX_STATUSES: usize = 16;

/// How a session is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It keeps its account.
    Stop,
    /// It is unlinked from its account.
    Logout,
}

/// One WhatsApp account.
///
/// Owned by the gateway's map and by the session's worker; requests hold it while they run. Its worker
/// writes what the engine reports, and callers of `start`, `shut_down` and `configure` the rest; both
/// wake the requests that wait for a status.
///
/// `lifecycle` is taken before `announcing`, and `announcing` before `state`. No lock but `lifecycle`
/// is held across an await, and `state` is never held while an event is published.
pub(crate) struct Session {
    name: String,
    engine: Arc<dyn Engine>,
    around: Arc<Around>,
    state: RwLock<State>,
    /// Held from a change of the status until it is published, so that both have one order.
    announcing: Mutex<()>,
    /// Notified on every change of the status; waiters wake in FIFO order.
    status_changed: Notify,
    queue: mpsc::Sender<Job>,
    /// When the engine last reported anything, in Unix milliseconds; 0 for never.
    last_activity_ms: AtomicU64,
    /// One start or stop at a time.
    pub(super) lifecycle: tokio::sync::Mutex<()>,
}

/// What is known of a session.
struct State {
    config: SessionConfig,
    me: Option<Me>,
    /// The constant parts of its events, renewed with `config` and `me`.
    envelope: Arc<Envelope>,
    status: SessionStatus,
    /// The latest statuses, each with its time in Unix milliseconds.
    statuses: Vec<(SessionStatus, u64)>,
    /// Counts the starts and stops; reports of an earlier start are dropped.
    start: u64,
    /// Set when the gateway has forgotten the session; requests may still hold it.
    removed: bool,
}

impl Session {
    /// A session that is stopped, with its webhooks.
    pub(super) fn new(
        around: Arc<Around>,
        spec: SessionSpec,
        engine: Arc<dyn Engine>,
        queue: mpsc::Sender<Job>,
    ) -> Arc<Self> {
        around.bus.set_webhooks(&spec.name, spec.config.webhooks.clone());
        let state = State {
            envelope: envelope(&around, &spec.name, engine.name(), &spec.config, None),
            config: spec.config,
            me: None,
            status: SessionStatus::Stopped,
            statuses: vec![(SessionStatus::Stopped, around.clock.now_ms())],
            start: 0,
            removed: false,
        };
        Arc::new(Self {
            name: spec.name,
            engine,
            around,
            state: RwLock::new(state),
            announcing: Mutex::new(()),
            status_changed: Notify::new(),
            queue,
            last_activity_ms: AtomicU64::new(0),
            lifecycle: tokio::sync::Mutex::new(()),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    pub(crate) fn status(&self) -> SessionStatus {
        self.state.read().status
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.status() == SessionStatus::Stopped
    }

    /// Whether it would start, if it were asked to.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.status().is_at_rest()
    }

    /// Whether the gateway has forgotten it.
    pub(crate) fn is_removed(&self) -> bool {
        self.state.read().removed
    }

    pub(crate) fn me(&self) -> Option<Me> {
        self.state.read().me.clone()
    }

    pub(crate) fn config(&self) -> SessionConfig {
        self.state.read().config.clone()
    }

    /// When the engine last reported anything, in Unix milliseconds.
    pub(crate) fn last_activity_ms(&self) -> Option<u64> {
        Some(self.last_activity_ms.load(Ordering::Relaxed)).filter(|&ms| ms > 0)
    }

    /// Replaces the configuration; it applies from the next event on.
    pub(crate) fn configure(&self, config: SessionConfig) {
        let mut state = self.state.write();
        if !state.removed {
            self.around.bus.set_webhooks(&self.name, config.webhooks.clone());
            state.config = config;
            self.renew_envelope(&mut state);
        }
    }

    /// Waits until the session has one of these statuses, up to `patience` by the gateway's clock.
    pub(crate) async fn wait_until(
        &self,
        wanted: &[SessionStatus],
        patience: Duration,
    ) -> SessionStatus {
        let settled = || Some(self.status()).filter(|status| wanted.contains(status));
        if let Some(status) = settled() {
            return status;
        }
        let settles = async {
            loop {
                let mut changed = pin!(self.status_changed.notified());
                changed.as_mut().enable();
                if settled().is_some() {
                    return;
                }
                changed.await;
            }
        };
        tokio::select! {
            biased;
            () = settles => {}
            () = self.around.clock.sleep(patience) => {}
        }
        self.status()
    }

    /// Starts the session unless it runs. Returns when the engine has accepted the start.
    pub(crate) async fn start(&self) {
        let _alone = self.lifecycle.lock().await;
        self.begin().await;
    }

    /// Stops the session, and with [`Ending::Logout`] forgets its account.
    pub(crate) async fn shut_down(&self, ending: Ending) {
        let _alone = self.lifecycle.lock().await;
        self.end(ending).await;
    }

    /// Stops the session and starts it again, with nothing in between.
    pub(crate) async fn restart(&self, ending: Ending) {
        let _alone = self.lifecycle.lock().await;
        self.end(ending).await;
        self.begin().await;
    }

    /// Stops the session and has its account forgotten, by the engine too. Holds `lifecycle`.
    pub(super) async fn unlink(&self) {
        self.end(Ending::Logout).await;
        self.engine.removed(&self.name);
    }

    /// Marks the session as forgotten, and forgets its webhooks.
    pub(super) fn remove(&self) {
        let mut state = self.state.write();
        state.removed = true;
        self.around.bus.remove_session(&self.name);
    }

    async fn begin(&self) {
        let start = {
            let mut state = self.state.write();
            if !state.status.is_at_rest() || state.removed {
                return;
            }
            state.start += 1;
            state.start
        };
        self.set_status(start, SessionStatus::Starting);
        if let Err(error) = self.engine.start(&self.name, self.events(start)).await {
            tracing::error!(session = self.name, %error, "the session failed to start");
            self.set_status(start, SessionStatus::Failed);
        }
    }

    async fn end(&self, ending: Ending) {
        if self.is_removed() {
            return;
        }
        let stopped = match ending {
            Ending::Stop if self.is_stopped() => return,
            Ending::Stop => self.engine.stop(&self.name).await,
            Ending::Logout => self.engine.logout(&self.name).await,
        };
        if let Err(error) = stopped {
            tracing::warn!(session = self.name, %error, "the engine failed to stop the session");
        }
        let start = {
            let mut state = self.state.write();
            state.start += 1;
            state.start
        };
        if ending == Ending::Logout {
            let events = self.events(start);
            events.forgotten().await;
            events.settled().await;
        }
        self.set_status(start, SessionStatus::Stopped);
    }

    fn events(&self, start: u64) -> EngineEvents {
        EngineEvents { queue: self.queue.clone(), start }
    }

    /// Publishes an event of a plugin, unless the session ignores chats of that kind.
    pub(crate) fn emit(&self, emission: &EmissionAbi<'_>) {
        let envelope = {
            let state = self.state.read();
            if state.removed || state.config.ignore.covers(emission.lane()) {
                return;
            }
            state.envelope.clone()
        };
        let (one, many): (&str, Vec<&str>);
        let keys = match emission.keys() {
            [key] => {
                one = key.as_str();
                slice::from_ref(&one)
            }
            keys => {
                many = keys.iter().map(|key| key.as_str()).collect();
                &many
            }
        };
        let (event, lane) = (emission.event(), emission.lane());
        self.around.bus.emit(&envelope, event, lane, keys, emission.payload());
    }

    /// Whether `start` is the latest start, whose reports count.
    pub(super) fn is_current(&self, start: u64) -> bool {
        self.state.read().start == start
    }

    #[cfg(test)]
    pub(super) fn latest_start(&self) -> u64 {
        self.state.read().start
    }

    #[cfg(test)]
    pub(super) fn envelope(&self) -> Arc<Envelope> {
        self.state.read().envelope.clone()
    }

    /// Notes that the engine reported `events`.
    pub(super) fn note_activity(&self, events: usize) {
        self.last_activity_ms.store(self.around.clock.now_ms(), Ordering::Relaxed);
        self.around.bus.metrics().events_in(&self.name, events);
    }

    /// Sets and publishes the status, if it changes and `start` is the latest start.
    pub(super) fn set_status(&self, start: u64, status: SessionStatus) {
        let _alone = self.announcing.lock();
        let (envelope, statuses) = {
            let mut state = self.state.write();
            if state.start != start || state.status == status {
                return;
            }
            state.status = status;
            state.statuses.push((status, self.around.clock.now_ms()));
            let surplus = state.statuses.len().saturating_sub(MAX_STATUSES);
            state.statuses.drain(..surplus);
            let statuses = state.statuses.iter();
            let statuses = statuses.map(|(status, ms)| json!({"status": status, "timestamp": ms}));
            (state.envelope.clone(), statuses.collect::<Vec<Value>>())
        };
        self.status_changed.notify_waiters();
        tracing::info!(session = self.name, %status, "session status");
        let payload = json!({ "name": self.name, "status": status, "statuses": statuses });
        let event = "session.status";
        self.around.bus.emit(&envelope, event, event, &[], payload.to_string().as_bytes());
    }

    /// Sets the account, if `start` is the latest start.
    pub(super) fn set_me(&self, start: u64, me: Option<Me>) {
        let mut state = self.state.write();
        if state.start == start {
            state.me = me;
            self.renew_envelope(&mut state);
        }
    }

    fn renew_envelope(&self, state: &mut State) {
        let (config, me) = (&state.config, state.me.as_ref());
        state.envelope = envelope(&self.around, &self.name, self.engine.name(), config, me);
    }
}

fn envelope(
    around: &Around,
    session: &str,
    engine: &str,
    config: &SessionConfig,
    me: Option<&Me>,
) -> Arc<Envelope> {
    let (me, environment) = (me.map(|me| json!(me)), around.environment(engine));
    Arc::new(Envelope::new(session, engine, config.metadata.as_ref(), me.as_ref(), &environment))
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("name", &self.name)
            .field("engine", &self.engine.name())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
