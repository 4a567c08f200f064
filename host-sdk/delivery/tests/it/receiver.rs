//! A receiver that answers when and as the test says, and a bus to send to it.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use host_delivery::{
    clock::Clock,
    envelope::Envelope,
    event_bus::{DeliverySettings, EventBus},
    webhook::{Retries, RetryPolicy, WebhookConfig},
};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
};

use crate::clock::TestClock;

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A port of the test's own, whether or not somebody listens there.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    /// Bound and never listened on, so that nobody else is given the port meanwhile.
    _held: TcpSocket,
}

impl Port {
    pub(crate) fn new() -> Self {
        let held = Self::socket("127.0.0.1:0".parse().unwrap());
        Self { address: held.local_addr().unwrap(), _held: held }
    }

    fn listen(&self) -> TcpListener {
        Self::socket(self.address).listen(1024).unwrap()
    }

    fn socket(address: SocketAddr) -> TcpSocket {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseport(true).unwrap();
        socket.bind(address).unwrap();
        socket
    }

    /// A webhook for all events that go here.
    pub(crate) fn webhook(&self) -> WebhookConfig {
        WebhookConfig::new(&format!("http://{}/hook", self.address)).unwrap()
    }
}

/// Hands every request to the test.
pub(crate) struct Receiver {
    port: Port,
    requests: mpsc::UnboundedReceiver<Request>,
    server: JoinHandle<()>,
}

/// A request that waits for its answer.
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    answer: oneshot::Sender<Response<Body>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::start_at(Port::new())
    }

    pub(crate) fn start_at(port: Port) -> Self {
        let listener = port.listen();
        let (sender, requests) = mpsc::unbounded_channel();
        let server = tokio::spawn(async move {
            // Dropped with this task, and all connections with it.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let sender = sender.clone();
                let service = service_fn(move |request| hand_over(sender.clone(), request));
                let _ = stream.set_nodelay(true);
                connections
                    .spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { port, requests, server }
    }

    /// Ends the listener and breaks off all connections.
    pub(crate) async fn kill(self) -> Port {
        self.server.abort();
        assert!(self.server.await.unwrap_err().is_cancelled());
        self.port
    }

    /// A webhook for all events that go here.
    pub(crate) fn webhook(&self) -> WebhookConfig {
        self.port.webhook()
    }

    pub(crate) async fn next(&mut self) -> Request {
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, self.requests.recv())
            .await
            .expect("no request came")
            .unwrap()
    }

    /// The next request, if it is there already.
    pub(crate) fn at_hand(&mut self) -> Option<Request> {
        self.requests.try_recv().ok()
    }

    /// Takes the next requests and answers 200: their payloads.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Value> {
        let mut payloads = Vec::new();
        for _ in 0..count {
            let request = self.next().await;
            payloads.push(request.payload());
            request.answer(200);
        }
        payloads
    }
}

impl Request {
    pub(crate) fn answer(self, code: u16) {
        self.respond(status(StatusCode::from_u16(code).unwrap()));
    }

    pub(crate) fn respond(self, response: Response<Body>) {
        let _ = self.answer.send(response);
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn payload(&self) -> Value {
        self.json()["payload"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Hands a request to the test and waits for its answer; without one the connection breaks off.
async fn hand_over(
    sender: mpsc::UnboundedSender<Request>,
    request: http::Request<Incoming>,
) -> Result<Response<Body>, oneshot::error::RecvError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (answer, answered) = oneshot::channel();
    let _ = sender.send(Request { headers: parts.headers, body, answer });
    answered.await
}

fn status(code: StatusCode) -> Response<Body> {
    Response::builder().status(code).body(Body::default()).unwrap()
}

/// A bus on a clock that stands still.
pub(crate) struct Stage {
    pub(crate) clock: TestClock,
    pub(crate) bus: EventBus,
    envelope: Envelope,
}

impl Stage {
    pub(crate) fn new(settings: DeliverySettings) -> Self {
        let clock = TestClock::at(1_686_719_326_000);
        let bus = EventBus::new(Arc::new(clock.clone()), settings);
        Self { clock, bus, envelope: envelope("default") }
    }

    pub(crate) fn with(webhooks: Vec<WebhookConfig>) -> Self {
        let stage = Self::new(DeliverySettings::default());
        stage.bus.set_webhooks("default", webhooks);
        stage
    }

    /// Emits a state of `key` in `chat`.
    pub(crate) fn emit(&self, chat: &str, key: &str, payload: u64) {
        self.emit_json(chat, key, &payload.to_string());
    }

    pub(crate) fn emit_json(&self, chat: &str, key: &str, payload: &str) {
        self.bus.emit(&self.envelope, "presence.update", chat, &[key], payload.as_bytes());
    }

    /// Emits an event that is never folded.
    pub(crate) fn emit_fifo(&self, payload: u64) {
        let payload = payload.to_string();
        self.bus.emit(&self.envelope, "session.status", "status", &[], payload.as_bytes());
    }

    /// Waits for the next timer and lets the time come: how long it was.
    pub(crate) async fn wait_out(&self) -> Duration {
        let wait = self.clock.next_timer().await;
        self.clock.advance(wait);
        wait
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The value of a count in `/metrics`.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let metrics = self.bus.metrics().render();
        let start = format!("waha_{name}{{");
        let lines = metrics.lines().filter(|line| line.starts_with(&start));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Delivers all that waits.
    pub(crate) async fn drain(&self) {
        let leftovers = self.bus.drain(Duration::from_secs(30)).await;
        assert!(leftovers.is_empty(), "{leftovers:?}");
    }
}

/// Lets the world's time pass, by which requests time out.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

pub(crate) fn envelope(session: &str) -> Envelope {
    let environment = json!({"version": "1", "engine": "NOWEB", "tier": "CORE", "browser": null});
    Envelope::new(session, "NOWEB", None, None, &environment)
}

pub(crate) fn retries(policy: RetryPolicy, delay_seconds: u64, attempts: u32) -> Retries {
    Retries { policy, delay: Duration::from_secs(delay_seconds), attempts: Some(attempts) }
}
