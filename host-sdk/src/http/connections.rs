//! Accepts connections and serves HTTP/1.1 on them, within limits that hold before any key is asked for.
//!
//! What a client can hold is bounded in number and in time: how many connections there are in all and
//! per address, how long a request's head may take, how long a connection may rest between requests,
//! how long an answer may stay unread, and how many bytes of large answers wait to be read. Where a
//! limit on connections is reached, the one that has rested longest makes room; if all are at work the
//! new one is answered 503.
//!
//! All of these times are real time, whatever clock the gateway runs on.

mod answer;
mod stream;
mod table;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    response::IntoResponse,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tower::ServiceExt as _;

use self::{
    answer::{Answer, Budget},
    stream::Stream,
    table::{Full, Table},
};

pub(crate) use self::table::ConnectionCounts;
use super::error::HttpError;

/// How often the limits on time are checked, and so how exactly they hold.
const BEAT: Duration = Duration::from_millis(250);

/// File descriptors that are kept for what is not a client's connection.
const RESERVED_DESCRIPTORS: usize = 64;

/// What clients' connections may take.
///
/// | limit | default | beyond it |
/// |---|---|---|
/// | `connections` | 4,096, and fewer where the process may open fewer files | the longest at rest is closed, else 503 |
/// | `per_address` | 2,048 | the same, among those of that address |
/// | `head_bytes` | 64 KiB (twice that where it arrives at once), in up to 128 fields | 431 |
/// | `head` | 15 s | 408 |
/// | `idle` | 75 s | closed |
/// | `unread` | 30 s | closed |
/// | `answer_bytes` | 256 MiB | 503 |
///
/// [`BODY_LIMIT`](crate::BODY_LIMIT) bounds a request's body, which may take 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections at a time from one address.
    pub per_address: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Time from the first byte of a request, or from the start of the connection, to the end of its
    /// head.
    pub head: Duration,
    /// Time between two requests.
    pub idle: Duration,
    /// Time in which a client that is sent an answer reads nothing of it.
    pub unread: Duration,
    /// Bytes of answers of 64 KiB and more that wait to be read, over all connections.
    pub answer_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            per_address: 2_048,
            head_bytes: 64 * 1024,
            head: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            unread: Duration::from_secs(30),
            answer_bytes: 256 << 20,
        }
    }
}

/// How many fields a request's head may have.
const MAX_FIELDS: usize = 128;

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: ConnectionLimits,
    table: Arc<Table>,
    budget: Budget,
    ending: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Connections {
    pub(crate) fn new(limits: ConnectionLimits, counts: Arc<ConnectionCounts>) -> Self {
        let limits = within_descriptors(limits);
        Self {
            limits,
            table: Arc::new(Table::new(limits, counts)),
            budget: Budget::new(limits.answer_bytes),
            ending: watch::Sender::new(false),
            tasks: JoinSet::new(),
        }
    }

    /// Accepts and serves connections; it ends only with an error of the listener that will not go
    /// away by itself.
    pub(crate) async fn accept(&mut self, listener: &TcpListener, router: &Router) -> io::Error {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => self.take(stream, address, router),
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) if is_out_of_descriptors(&error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        if !self.table.evict_longest_at_rest() {
                            tokio::time::sleep(BEAT).await;
                        }
                    }
                    Err(error) => return error,
                },
                _ = beat.tick() => self.table.close_overdue(BEAT),
                // Forgets the tasks that have ended.
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
            }
        }
    }

    /// Lets requests under way end, closes the connections at rest, and waits for those that were upgraded. What is left when this is
    /// dropped is closed as it is.
    pub(crate) async fn end(self) {
        let Self { ending, mut tasks, table, .. } = self;
        table.end();
        ending.send_replace(true);
        let mut beat = tokio::time::interval(BEAT);
        let all_ended = async {
            while tasks.join_next().await.is_some() {}
            table.empty().await;
        };
        tokio::pin!(all_ended);
        loop {
            tokio::select! {
                () = &mut all_ended => return,
                _ = beat.tick() => table.close_overdue(BEAT),
            }
        }
    }

    fn take(&mut self, tcp: TcpStream, address: SocketAddr, router: &Router) {
        // Small answers must not wait for more. A connection that is gone already shows it when read.
        let _ = tcp.set_nodelay(true);
        let watch = match self.table.enter(address.ip()) {
            Ok(watch) => watch,
            Err(Full) => return refuse(&tcp),
        };
        let stream = Stream::new(tcp, watch.clone(), self.table.clone());
        let (router, budget) = (router.clone(), self.budget.clone());
        let (seen, table) = (watch.clone(), self.table.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            seen.request_began();
            let answer = router.clone().oneshot(request.map(Body::new));
            let (seen, table, budget) = (seen.clone(), table.clone(), budget.clone());
            async move {
                let answer = answer.await.unwrap_or_else(|never| match never {});
                if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                    seen.upgraded();
                }
                let (answer, permit) = match budget.take(&answer) {
                    Ok(permit) => (answer, permit),
                    Err(spent) => (spent.into_response(), None),
                };
                Ok::<_, Infallible>(answer.map(|body| Answer::new(body, permit, seen, table)))
            }
        });
        let connection = http1::Builder::new()
            // The table has the limits on time.
            .header_read_timeout(None)
            .max_buf_size(self.limits.head_bytes)
            .max_headers(MAX_FIELDS)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut ending = self.ending.subscribe();
        self.tasks.spawn(async move {
            tokio::pin!(connection);
            let mut ends = false;
            loop {
                tokio::select! {
                    // An error is a client that went away or broke the protocol, and was answered if it
                    // could be.
                    _ = &mut connection => return,
                    () = watch.closed() => return,
                    _ = ending.wait_for(|ending| *ending), if !ends => {
                        ends = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        });
    }
}

/// Leaves descriptors for files, webhooks and engines.
fn within_descriptors(mut limits: ConnectionLimits) -> ConnectionLimits {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) {
        let most = limit.saturating_sub(RESERVED_DESCRIPTORS).max(limit / 2).max(1);
        limits.connections = limits.connections.min(most);
    }
    limits
}

/// Answers 503 as far as that is possible without waiting.
fn refuse(tcp: &TcpStream) {
    let _ = tcp
        .try_write(last_words(StatusCode::SERVICE_UNAVAILABLE, "too many connections").as_bytes());
}

/// An answer from outside of HTTP's machinery, after which the connection is closed.
fn last_words(status: StatusCode, message: &str) -> String {
    let body = HttpError::new(status, message).into_json();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\nretry-after: 1\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Errors that say something of the connection that would have come, and nothing of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    use rustix::io::Errno;
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}
