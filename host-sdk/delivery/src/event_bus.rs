//! Where events leave the gateway: from a session's worker to webhooks and WebSockets.

mod drain;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use indexmap::IndexMap;
use parking_lot::RwLock;
use tokio::{runtime::Handle, sync::Notify};

pub(crate) use self::drain::Deadline;
pub use self::drain::Leftovers;
use crate::{
    clock::Clock,
    egress::Egress,
    envelope::{EmittedEvent, Envelope, EventIds, Keys},
    lane::Limits,
    metrics::Metrics,
    socket::{Filter, Socket, Waiting},
    tls::Tls,
    webhook::{
        BreakerSettings, EndpointHealth, WebhookConfig,
        connection::Dialer,
        endpoint::{Endpoint, Surroundings},
    },
};

/// How events are delivered.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// Decides all chance: event ids and the jitter of retries.
    pub seed: u64,
    /// The webhooks of all sessions.
    pub global_webhooks: Vec<WebhookConfig>,
    /// How much may wait for one receiver.
    pub limits: Limits,
    /// How many requests are in flight to one endpoint at most.
    pub in_flight: usize,
    /// How long a receiver may take to answer, in the world's time.
    pub request_timeout: Duration,
    /// When an endpoint counts as down.
    pub breaker: BreakerSettings,
    /// Where webhooks may go.
    pub egress: Egress,
    /// Whom HTTPS receivers have to convince.
    pub tls: Tls,
}

impl Default for DeliverySettings {
    /// No webhooks, 32 requests in flight, 30 s for an answer; the rest as their own defaults say.
    fn default() -> Self {
        Self {
            seed: 0,
            global_webhooks: Vec::new(),
            limits: Limits::default(),
            in_flight: 32,
            request_timeout: Duration::from_secs(30),
            breaker: BreakerSettings::default(),
            egress: Egress::default(),
            tls: Tls::default(),
        }
    }
}

/// Takes events and sees to their delivery. Cheap to clone; clones are one bus.
#[derive(Clone)]
pub struct EventBus(Arc<Bus>);

type Observer = Arc<dyn Fn(&EmittedEvent) + Send + Sync>;

struct Bus {
    around: Arc<Surroundings>,
    metrics: Metrics,
    seed: u64,
    next_number: AtomicU64,
    receivers: RwLock<Receivers>,
    observers: RwLock<Arc<[Observer]>>,
}

#[derive(Default)]
struct Receivers {
    global: Vec<Arc<Endpoint>>,
    sessions: IndexMap<String, Vec<Arc<Endpoint>>>,
    sockets: Vec<Arc<Waiting>>,
    /// Removed, but they may still be sending.
    retired: Vec<Arc<Endpoint>>,
}

impl EventBus {
    /// A bus that delivers as `settings` say.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, settings: DeliverySettings) -> Self {
        let around = Arc::new(Surroundings {
            clock,
            runtime: Handle::current(),
            dialer: Dialer::new(settings.tls, settings.egress, settings.request_timeout),
            limits: settings.limits,
            breaker: settings.breaker,
            in_flight: settings.in_flight.max(1),
            ids: EventIds::new(settings.seed),
            draining: AtomicBool::new(false),
            emptied: Notify::new(),
        });
        let bus = Self(Arc::new(Bus {
            around,
            metrics: Metrics::default(),
            seed: settings.seed,
            next_number: AtomicU64::new(1),
            receivers: RwLock::default(),
            observers: RwLock::new(Arc::new([])),
        }));
        let global = bus.endpoints(None, Vec::new(), settings.global_webhooks).0;
        bus.0.receivers.write().global = global;
        bus
    }

    /// Sends an event to all who listen. Never waits; renders the body once, and only when somebody
    /// listens.
    ///
    /// Events of one session, name and `lane` stay in order: those with `keys`, and those without.
    /// Keys are what a later one supersedes; without keys it is never folded. `payload` is JSON.
    pub fn emit(
        &self,
        envelope: &Envelope,
        event: &str,
        lane: &str,
        keys: &[&str],
        payload: &[u8],
    ) {
        let bus = &*self.0;
        if bus.around.draining.load(Ordering::Relaxed) {
            return;
        }
        let observers = bus.observers.read().clone();
        let receivers = bus.receivers.read();
        let session = envelope.session();
        let own = receivers.sessions.get(session).map_or(&[][..], Vec::as_slice);
        let endpoints = || own.iter().chain(&receivers.global).filter(|e| e.wants(event));
        let sockets = || receivers.sockets.iter().filter(|s| s.wants(session, event));
        if observers.is_empty() && endpoints().next().is_none() && sockets().next().is_none() {
            return;
        }
        let event = bus.render(envelope, event, lane, keys, payload);
        bus.metrics.emitted();
        endpoints_of(own, &receivers.global, &event).for_each(|endpoint| endpoint.push(&event));
        receivers
            .sockets
            .iter()
            .filter(|socket| socket.wants(session, &event.event))
            .for_each(|socket| socket.push(&event));
        drop(receivers);
        observers.iter().for_each(|observer| observer(&event));
    }

    /// Sets the webhooks of a session. One with a URL that the session had before goes on with
    /// what waits for it.
    pub fn set_webhooks(&self, session: &str, webhooks: Vec<WebhookConfig>) {
        let mut receivers = self.0.receivers.write();
        let before = receivers.sessions.swap_remove(session).unwrap_or_default();
        let (endpoints, removed) = self.endpoints(Some(session), before, webhooks);
        if !endpoints.is_empty() {
            receivers.sessions.insert(session.to_owned(), endpoints);
        }
        receivers.retire(removed);
    }

    /// Forgets a session and its webhooks.
    pub fn remove_session(&self, session: &str) {
        self.set_webhooks(session, Vec::new());
        self.0.metrics.forget_session(session);
    }

    /// How the webhooks are doing: the global ones, then the sessions'.
    #[must_use]
    pub fn health(&self) -> Vec<EndpointHealth> {
        let receivers = self.0.receivers.read();
        let sessions = receivers.sessions.values().flatten();
        receivers.global.iter().chain(sessions).map(|endpoint| endpoint.health()).collect()
    }

    /// Tries at once what waits for its time, as after the clock was set to another time.
    pub fn hurry(&self) {
        self.0.receivers.read().all().iter().for_each(|endpoint| endpoint.hurry());
    }

    /// The counts, for the gateway to add to and for Prometheus to read.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Shows every event to `observer`, on the thread that emits it and after its receivers have it. No lock
    /// is held meanwhile: the observer may set webhooks, emit, and add observers.
    pub fn observe(&self, observer: impl Fn(&EmittedEvent) + Send + Sync + 'static) {
        let mut observers = self.0.observers.write();
        let added: Observer = Arc::new(observer);
        *observers = observers.iter().cloned().chain([added]).collect();
    }

    /// The clock that it lives by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.around.clock
    }

    /// Adds a socket, which gets all events from now on that `filter` lets through. While the bus is
    /// drained, it is closed at once.
    #[must_use]
    pub fn open(&self, filter: Filter) -> Socket {
        let socket = Arc::new(Waiting::new(filter, self.0.around.limits, &self.0.metrics));
        let mut receivers = self.0.receivers.write();
        if self.0.around.draining.load(Ordering::SeqCst) {
            socket.close();
        } else {
            receivers.sockets.push(socket.clone());
            self.0.metrics.socket_opened();
        }
        drop(receivers);
        Socket::new(self.clone(), socket)
    }

    pub(crate) fn close(&self, socket: &Arc<Waiting>) {
        let mut receivers = self.0.receivers.write();
        let before = receivers.sockets.len();
        receivers.sockets.retain(|other| !Arc::ptr_eq(other, socket));
        if receivers.sockets.len() < before {
            self.0.metrics.socket_closed();
        }
        self.0.around.emptied.notify_waiters();
    }

    /// Tells who drains that a socket has sent all.
    pub(crate) fn emptied(&self) {
        if self.0.around.draining.load(Ordering::Relaxed) {
            self.0.around.emptied.notify_waiters();
        }
    }

    /// The endpoints for `webhooks`, some of them from `before`, and those of `before` that are
    /// wanted no more.
    fn endpoints(
        &self,
        session: Option<&str>,
        mut before: Vec<Arc<Endpoint>>,
        webhooks: Vec<WebhookConfig>,
    ) -> (Vec<Arc<Endpoint>>, Vec<Arc<Endpoint>>) {
        let endpoint = |webhook: WebhookConfig| {
            let same = before.iter().position(|endpoint| endpoint.url() == webhook.url());
            match same {
                Some(at) => {
                    let endpoint = before.remove(at);
                    endpoint.reconfigure(webhook);
                    endpoint
                }
                None => self.endpoint(session, webhook),
            }
        };
        let endpoints = webhooks.into_iter().map(endpoint).collect();
        (endpoints, before)
    }

    fn endpoint(&self, session: Option<&str>, webhook: WebhookConfig) -> Arc<Endpoint> {
        let bus = &*self.0;
        let number = bus.next_number.fetch_add(1, Ordering::Relaxed);
        let authority = webhook.uri().authority().map_or("", |authority| authority.as_str());
        // Paths may carry tokens, so they are not shown.
        let label = format!("{authority} #{number}");
        let row = bus.metrics.row("webhook", session.unwrap_or("*"), &label);
        Endpoint::new(bus.around.clone(), session, label, webhook, row, bus.seed ^ number)
    }
}

fn endpoints_of<'a>(
    own: &'a [Arc<Endpoint>],
    global: &'a [Arc<Endpoint>],
    event: &'a EmittedEvent,
) -> impl Iterator<Item = &'a Arc<Endpoint>> {
    own.iter().chain(global).filter(|endpoint| endpoint.wants(&event.event))
}

impl Bus {
    fn render(
        &self,
        envelope: &Envelope,
        event: &str,
        lane: &str,
        keys: &[&str],
        payload: &[u8],
    ) -> Arc<EmittedEvent> {
        let (id, timestamp_ms) = self.around.next_id();
        let payload = if payload.is_empty() { b"null" } else { payload };
        let body = envelope.render(id.as_str(), timestamp_ms, event, payload);
        let session = envelope.session();
        let mut lane_name = String::with_capacity(session.len() + event.len() + lane.len() + 2);
        for part in [session, "\0", event, "\0", lane] {
            lane_name.push_str(part);
        }
        Arc::new(EmittedEvent {
            id,
            timestamp_ms,
            session: session.into(),
            event: event.into(),
            lane_name: lane_name.into(),
            keys: Keys::new(keys),
            payload: envelope.payload_range(body.len(), payload.len()),
            body,
        })
    }
}

impl Receivers {
    fn retire(&mut self, removed: Vec<Arc<Endpoint>>) {
        self.retired.retain(|endpoint| endpoint.pending() > 0);
        removed.iter().for_each(|endpoint| endpoint.retire());
        self.retired.extend(removed);
    }

    fn all(&self) -> Vec<Arc<Endpoint>> {
        let sessions = self.sessions.values().flatten();
        self.global.iter().chain(sessions).chain(&self.retired).cloned().collect()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        for endpoint in self.receivers.get_mut().all() {
            endpoint.abandon();
        }
    }
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let receivers = self.0.receivers.read();
        f.debug_struct("EventBus")
            .field("global", &receivers.global)
            .field("sessions", &receivers.sessions)
            .field("sockets", &receivers.sockets.len())
            .finish_non_exhaustive()
    }
}
