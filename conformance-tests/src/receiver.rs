//! The suite's webhook receiver, which records every delivery and sends configured replies.

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

/// A running webhook receiver; stops when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    base: String,
    inbox: Arc<Inbox>,
    made: AtomicU64,
    server: JoinHandle<()>,
}

/// The deliveries per path, shared by the receiver, its hooks and the handler. The handler appends
/// under the mutex and then notifies `changed`, which wakes every [`Hook::wait`].
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

/// The reply to one delivery; 200 unless configured otherwise.
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

/// A webhook that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// The time of arrival on the suite's monotonic clock.
    pub(crate) at: Instant,
    /// The time of arrival in Unix milliseconds.
    pub(crate) at_ms: u64,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) answered: u16,
}

impl Delivery {
    /// The body as JSON; null if it is not valid JSON.
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
    /// Listens on `bind`; `advertise` is the URL that the target uses, if different.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound.
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

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that the target uses.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Whether nothing has arrived so far.
    pub(crate) fn is_silent(&self) -> bool {
        self.inbox.lock().values().all(|mailbox| mailbox.deliveries.is_empty())
    }

    /// Whether any hook was created.
    pub(crate) fn has_hooks(&self) -> bool {
        self.made.load(Ordering::Relaxed) > 0
    }

    /// A new hook: a URL whose deliveries are recorded separately.
    pub(crate) fn hook(&self) -> Hook {
        let path = format!("/hooks/{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.inbox.lock().entry(path.clone()).or_default();
        let (url, inbox) = (format!("{}{path}", self.base), Arc::clone(&self.inbox));
        Hook { url, path, inbox, before: 0 }
    }

    /// The hook for deliveries to any other URL.
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

/// One URL of the receiver, with its own deliveries.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    url: String,
    path: String,
    inbox: Arc<Inbox>,
    /// The number of earlier deliveries, which are ignored.
    before: usize,
}

impl Hook {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The same hook, limited to deliveries from now on.
    pub(crate) fn afresh(&self) -> Self {
        let paths = self.inbox.lock();
        let before = paths.get(&self.path).map_or(0, |mailbox| mailbox.deliveries.len());
        Self { before, ..self.clone() }
    }

    /// Sends these replies to the next deliveries, in order, then 200.
    pub(crate) fn replies(&self, replies: impl IntoIterator<Item = Reply>) {
        let mut paths = self.inbox.lock();
        paths.entry(self.path.clone()).or_default().replies = replies.into_iter().collect();
    }

    /// The deliveries that `wanted` accepts, in order of arrival.
    pub(crate) fn deliveries(&self, wanted: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let paths = self.inbox.lock();
        let all = paths.get(&self.path).map_or(&[][..], |mailbox| &mailbox.deliveries);
        all.iter().skip(self.before).filter(|delivery| wanted(delivery)).cloned().collect()
    }

    /// Waits until `wanted` accepts `count` deliveries or `limit` has passed.
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
