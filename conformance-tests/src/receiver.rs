//! The suite's own webhook receiver: it keeps every delivery and answers as it is told.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use indexmap::IndexMap;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{clock, target::header_list, trace::Traced};

/// A running receiver; it stops when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    base: String,
    inbox: Arc<Inbox>,
    made: AtomicU64,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Inbox {
    paths: Mutex<IndexMap<String, Mailbox>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Mailbox {
    deliveries: Vec<Delivery>,
    replies: VecDeque<Reply>,
}

/// How one delivery is answered; 200 when nothing else was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) header: Option<(&'static str, String)>,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, header: None }
    }
}

/// One webhook that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// When, on the suite's monotonic clock.
    pub(crate) at: Instant,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) answered: u16,
}

impl Delivery {
    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn traced(&self) -> Traced {
        Traced::Webhook {
            headers: header_list(&self.headers),
            body: String::from_utf8_lossy(&self.body).into_owned(),
            answered: self.answered,
        }
    }
}

impl Receiver {
    /// Listens on `bind`; `advertise` is its address as the target reaches it, when that is another.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn listen(bind: SocketAddr, advertise: Option<&str>) -> io::Result<Self> {
        let listener = TcpListener::bind(bind).await?;
        let address = listener.local_addr()?;
        let base = match advertise {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{address}"),
        };
        let inbox = Arc::new(Inbox { paths: Mutex::default(), changed: watch::Sender::new(0) });
        let router = Router::new().fallback(receive).with_state(Arc::clone(&inbox));
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, base, inbox, made: AtomicU64::new(0), server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as the target reaches it.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Whether nothing has arrived at all.
    pub(crate) fn is_silent(&self) -> bool {
        self.inbox.lock().values().all(|mailbox| mailbox.deliveries.is_empty())
    }

    /// Whether anybody asked for an address of its own.
    pub(crate) fn has_hooks(&self) -> bool {
        self.made.load(Ordering::Relaxed) > 0
    }

    /// A new address of its own, whose deliveries are kept apart.
    pub(crate) fn hook(&self) -> Hook {
        let path = format!("/hooks/{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.inbox.lock().entry(path.clone()).or_default();
        let (url, inbox) = (format!("{}{path}", self.base), Arc::clone(&self.inbox));
        Hook { url, path, inbox, before: 0 }
    }

    /// What arrives at any address that is nobody else's.
    pub(crate) fn catch_all(&self) -> Hook {
        let (url, inbox) = (self.base.clone(), Arc::clone(&self.inbox));
        Hook { url, path: String::new(), inbox, before: 0 }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Inbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, IndexMap<String, Mailbox>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(
    State(inbox): State<Arc<Inbox>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = {
        let mut paths = inbox.lock();
        let path = if paths.contains_key(uri.path()) { uri.path() } else { "" };
        let mailbox = paths.entry(path.to_owned()).or_default();
        let reply = mailbox.replies.pop_front().unwrap_or(Reply::status(200));
        let (at, at_ms, answered) = (Instant::now(), clock::now_ms(), reply.status);
        mailbox.deliveries.push(Delivery { at, at_ms, headers, body, answered });
        reply
    };
    inbox.changed.send_modify(|count| *count += 1);
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    match reply.header {
        Some(header) => (status, [header]).into_response(),
        None => status.into_response(),
    }
}

/// One address of the receiver.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    url: String,
    path: String,
    inbox: Arc<Inbox>,
    /// How many deliveries came before, which are none of this check's.
    before: usize,
}

impl Hook {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The same address, for what arrives from now on.
    pub(crate) fn afresh(&self) -> Self {
        let paths = self.inbox.lock();
        let before = paths.get(&self.path).map_or(0, |mailbox| mailbox.deliveries.len());
        Self { before, ..self.clone() }
    }

    /// Answers the next deliveries so, one after the other, and then 200.
    pub(crate) fn replies(&self, replies: impl IntoIterator<Item = Reply>) {
        let mut paths = self.inbox.lock();
        paths.entry(self.path.clone()).or_default().replies = replies.into_iter().collect();
    }

    /// All that has arrived for which `wanted` holds, in order.
    pub(crate) fn deliveries(&self, wanted: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let paths = self.inbox.lock();
        let all = paths.get(&self.path).map_or(&[][..], |mailbox| &mailbox.deliveries);
        all.iter().skip(self.before).filter(|delivery| wanted(delivery)).cloned().collect()
    }

    /// Waits until so many have arrived for which `wanted` holds, or `limit` has passed.
    pub(crate) async fn wait(
        &self,
        count: usize,
        limit: Duration,
        wanted: impl Fn(&Delivery) -> bool,
    ) -> Vec<Delivery> {
        let deadline = Instant::now() + limit;
        let mut changed = self.inbox.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let found = self.deliveries(&wanted);
            if found.len() >= count {
                return found;
            }
            if !matches!(timeout_at(deadline, changed.changed()).await, Ok(Ok(()))) {
                return found;
            }
        }
    }
}
