//! How events are sent to an endpoint: its workers, their connections, and what an answer means.
//!
//! An endpoint has up to 32 workers. Each has one connection of its own, takes the next lane that is
//! ready, sends, reads the answer and takes the next; so there is a pool of connections, a bound on
//! requests in flight, and no task or channel an event. The connection is driven by the worker
//! itself: hyper's pooled client costs a task switch a request more. A worker without work ends
//! after a while.
//!
//! | the receiver | what it means |
//! |---|---|
//! | answers 2xx | delivered |
//! | answers 502, 503 or 504 | down, unless `attempts` is configured: this is how a proxy says that the receiver behind it is away |
//! | answers anything else, redirects among it | refused: uses up an attempt |
//! | cannot be reached, breaks off, or does not answer in time | down |
//!
//! **Down** uses up no attempts. The update waits as its retry policy says and goes again;
//! after five failures in a row the breaker opens and all lanes wait for a probe, the next update of
//! the lane that became ready last. When an endpoint answers a probe, all goes out in order.
//!
//! **Refused** as often as `attempts` says, the update is given up and counted. The last state of a key is kept:
//! it goes once more, as a new event, when the endpoint next takes something, and after that, if it is refused again,
//! no sooner than the breaker's pace allows. Where `attempts` is not configured, a last state does not wait for that
//! but goes at the breaker's pace, from its first wait to its longest, until a newer one comes or the endpoint is
//! removed.
//!
//! Waits run on the gateway's clock. The time-out of a request is in the world's time, whatever the
//! clock: a simulation that runs a thousand times as fast still talks to real sockets.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Body, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::Instant};
use tower::{Service, ServiceExt};

use super::{
    endpoint::{Endpoint, Job},
    request::Target,
    retry::retry_after,
};
use crate::{
    egress::{Connector, Egress},
    tls::Tls,
};

/// How much of an answer is read before the connection is given up.
const ANSWER_LIMIT: usize = 20 * 1024;

/// How long a worker waits for work, and its connection stays open.
const IDLE: Duration = Duration::from_secs(60);

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Delivered,
    Refused { status: StatusCode, retry_after: Option<Duration> },
    Down { reason: String },
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type Driver = http1::Connection<Stream, Full<Bytes>>;

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Dialer {
    connector: HttpsConnector<Connector>,
    timeout: Duration,
}

impl Dialer {
    pub(crate) fn new(tls: Tls, egress: Egress, timeout: Duration) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.0)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector { egress });
        Self { connector, timeout }
    }

    async fn connect(&self, target: &Target) -> Result<Connection, Failure> {
        let mut connector = self.connector.clone();
        let stream = connector.ready().await.map_err(|error| Failure::connect(&*error))?;
        let stream = stream
            .call(target.config.uri().clone())
            .await
            .map_err(|error| Failure::connect(&*error))?;
        let (sender, driver) =
            http1::handshake(stream).await.map_err(|error| Failure::exchange(&error))?;
        Ok(Connection { sender, driver: Some(Box::pin(driver)), used: false })
    }

    /// Sends one request, over `connection` if it is still good.
    async fn send(
        &self,
        connection: &mut Option<Connection>,
        target: &Target,
        request: Request<Full<Bytes>>,
        now_ms: u64,
    ) -> Outcome {
        let exchange = self.exchange(connection, target, request, now_ms);
        let outcome = tokio::time::timeout(self.timeout, exchange).await;
        match outcome {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(failure)) => {
                *connection = None;
                Outcome::Down { reason: failure.0 }
            }
            Err(_) => {
                *connection = None;
                let reason = format!("no answer within {:?}", self.timeout);
                Outcome::Down { reason }
            }
        }
    }

    async fn exchange(
        &self,
        slot: &mut Option<Connection>,
        target: &Target,
        request: Request<Full<Bytes>>,
        now_ms: u64,
    ) -> Result<Outcome, Failure> {
        if let Some(connection) = slot
            && connection.used
        {
            // The receiver may have closed it just now; that says nothing about a new one.
            if let Ok(response) = connection.send(request.clone()).await {
                return Ok(read(slot, response, now_ms).await);
            }
            *slot = None;
        }
        let connection = match slot {
            Some(connection) => connection,
            None => slot.insert(self.connect(target).await?),
        };
        let response = connection.send(request).await.map_err(|error| Failure::exchange(&error))?;
        Ok(read(slot, response, now_ms).await)
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Reads the answer; what it says is known before its end.
async fn read(slot: &mut Option<Connection>, response: Response<Incoming>, now_ms: u64) -> Outcome {
    let status = response.status();
    let retry_after =
        response.headers().get(header::RETRY_AFTER).and_then(|value| retry_after(value, now_ms));
    let reusable = match slot {
        Some(connection) => connection.read_to_end(response.into_body()).await,
        None => false,
    };
    if !reusable {
        *slot = None;
    }
    if status.is_success() { Outcome::Delivered } else { Outcome::Refused { status, retry_after } }
}

/// A connection that makes progress while it is used.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: Option<Pin<Box<Driver>>>,
    used: bool,
}

impl Connection {
    async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let Self { sender, driver, used } = self;
        driven(driver, sender.ready()).await?;
        *used = true;
        driven(driver, sender.send_request(request)).await
    }

    /// `false` when the answer is too long or breaks off: the connection is of no more use.
    async fn read_to_end(&mut self, mut body: Incoming) -> bool {
        let mut read = 0;
        while !body.is_end_stream() {
            match driven(&mut self.driver, body.frame()).await {
                None => break,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => {
                    read += frame.data_ref().map_or(0, Bytes::len);
                    if read > ANSWER_LIMIT {
                        return false;
                    }
                }
            }
        }
        self.driver.is_some() && !self.sender.is_closed()
    }

    /// Waits until the receiver closes the connection.
    async fn closed(connection: &mut Option<Self>) {
        match connection.as_mut().and_then(|connection| connection.driver.as_mut()) {
            Some(driver) => {
                let _ = driver.await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Polls `future` and, for it, the connection.
async fn driven<F: Future>(driver: &mut Option<Pin<Box<Driver>>>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        if let Some(connection) = driver
            && connection.as_mut().poll(cx).is_ready()
        {
            *driver = None;
        }
        future.as_mut().poll(cx)
    })
    .await
}

/// Why there was no answer, in words.
struct Failure(String);

impl Failure {
    fn connect(error: &(dyn std::error::Error + 'static)) -> Self {
        Self(format!("failed to connect: {}", causes(error)))
    }

    fn exchange(error: &hyper::Error) -> Self {
        Self(format!("failed to get an answer: {}", causes(error)))
    }
}

/// An error and what caused it, without repetitions.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let mut causes: Vec<String> = chain.map(ToString::to_string).collect();
    causes.dedup();
    causes.join(": ")
}

/// Sends what waits for `endpoint` until there has been nothing for a while.
pub(crate) async fn work(endpoint: Arc<Endpoint>) {
    let mut connection: Option<Connection> = None;
    loop {
        match endpoint.next_job() {
            Job::Send { taken, target, probe } => {
                let request = target.request(&taken.update.event, taken.folded);
                let now_ms = endpoint.now_ms();
                let asked = Instant::now();
                let dialer = endpoint.dialer();
                let outcome = dialer.send(&mut connection, &target, request, now_ms).await;
                endpoint.finish(taken, &target, probe, outcome, asked.elapsed());
                // Other tasks, the receiver of a test among them, need their turn too.
                tokio::task::consume_budget().await;
            }
            Job::Wait => {
                tokio::select! {
                    () = endpoint.roused() => continue,
                    () = Connection::closed(&mut connection) => connection = None,
                    () = tokio::time::sleep(IDLE) => {}
                }
                if endpoint.dismiss() {
                    return;
                }
                endpoint.roused().await;
            }
            Job::End => return,
        }
    }
}
