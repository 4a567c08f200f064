//! What speaks WhatsApp for a session: the trait that the author of a gateway implements.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use host_abi::{ErrorKind, PluginError, PresenceUpdate};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

/// A library that speaks WhatsApp, for example NOWEB.
///
/// One engine serves many sessions, each by its name. What it hears goes to the [`EngineEvents`]
/// that it got when the session was started.
pub trait Engine: Send + Sync + 'static {
    /// The engine's name, as WAHA writes it: `NOWEB`, `WEBJS`, `GOWS`.
    fn name(&self) -> &str;

    /// Connects a session. Answers when the connection is under way; how it goes is reported
    /// through `events`.
    fn start(
        &self,
        session: &str,
        events: EngineEvents,
    ) -> BoxFuture<'static, Result<(), EngineError>>;

    /// Disconnects a session and keeps its credentials.
    fn stop(&self, session: &str) -> BoxFuture<'static, Result<(), EngineError>>;

    /// Disconnects a session and forgets its credentials.
    fn logout(&self, session: &str) -> BoxFuture<'static, Result<(), EngineError>> {
        self.stop(session)
    }

    /// The session, logged out before, is deleted and will not come back.
    fn removed(&self, _session: &str) {}

    /// Does what a plugin asks for. `op` and the JSON of `args` and answer are between the plugin and
    /// the engine, for example Baileys' `sendMessage`; the gateway only carries them.
    fn call(
        &self,
        op: &str,
        session: &str,
        args: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, EngineError>>;
}

/// Why an engine did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine, or WhatsApp behind it, refused: 502.
    #[error("the engine refused: {0}")]
    Refused(String),
    /// There was no answer in time: 504.
    #[error("the engine did not answer: {0}")]
    Timeout(String),
    /// The engine has no such operation: 422.
    #[error("the engine does not implement {0}")]
    Unsupported(String),
}

impl From<EngineError> for PluginError {
    fn from(error: EngineError) -> Self {
        let kind = match error {
            EngineError::Refused(_) => ErrorKind::ENGINE,
            EngineError::Timeout(_) => ErrorKind::TIMEOUT,
            EngineError::Unsupported(_) => ErrorKind::UNSUPPORTED,
        };
        Self::new(kind, error.to_string())
    }
}

/// How a session is, in WAHA's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionStatus {
    /// Not running.
    Stopped,
    /// Connecting.
    Starting,
    /// Waiting for a phone to scan the code.
    ScanQrCode,
    /// Connected.
    Working,
    /// Given up; a restart may help.
    Failed,
}

impl SessionStatus {
    /// The status as WAHA writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Starting => "STARTING",
            Self::ScanQrCode => "SCAN_QR_CODE",
            Self::Working => "WORKING",
            Self::Failed => "FAILED",
        }
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The account behind a session (WAHA's `MeInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The account's chat id, `…@c.us`.
    pub id: String,
    /// The name that the account shows to others.
    pub push_name: String,
    /// The account's hidden id, `…@lid`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lid: Option<String>,
    /// The account's id with its device, `…:7@s.whatsapp.net`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jid: Option<String>,
}

/// Where an engine puts what it hears of one session. Cheap to clone.
///
/// All of it goes through the session's one queue, in order. The queue is bounded
/// ([`QUEUE_DEPTH`]); an engine that is faster than the plugins waits. What is sent after the session
/// was stopped, or started again, is dropped.
#[derive(Debug, Clone)]
pub struct EngineEvents {
    pub(crate) queue: mpsc::Sender<Job>,
    /// Which start of the session these events belong to.
    pub(crate) start: u64,
}

/// How many events of a session may wait for the plugins.
pub const QUEUE_DEPTH: usize = 4096;

impl EngineEvents {
    /// Presence news of one chat: one event, about one or more participants.
    pub async fn presence(&self, chat: &str, updates: &[PresenceUpdate<'_>]) {
        self.send(Heard::Presence(OwnedPresence::new(chat, updates))).await;
    }

    /// Any other event, in the engine's own JSON, for example `messages.upsert`.
    pub async fn event(&self, kind: &str, data: Bytes) {
        self.send(Heard::Event { kind: kind.into(), data }).await;
    }

    /// The session's status changed.
    pub async fn status(&self, status: SessionStatus) {
        self.send(Heard::Status(status)).await;
    }

    /// The session's account is known, or no longer.
    pub async fn me(&self, me: Option<Me>) {
        self.send(Heard::Me(me)).await;
    }

    /// The account was unlinked: what plugins know of the session is to be forgotten.
    pub async fn forgotten(&self) {
        self.send(Heard::Forgotten).await;
    }

    /// Waits until all that was sent before is applied by the plugins.
    pub async fn settled(&self) {
        let (done, applied) = oneshot::channel();
        self.send(Heard::Barrier(done)).await;
        // A barrier that was dropped with its queue is as settled as it will be.
        let _ = applied.await;
    }

    async fn send(&self, heard: Heard) {
        // Fails only when the session is gone, and then nobody wants to know.
        let _ = self.queue.send(Job { start: self.start, heard }).await;
    }
}

/// One entry of a session's queue.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) start: u64,
    pub(crate) heard: Heard,
}

#[derive(Debug)]
pub(crate) enum Heard {
    Presence(OwnedPresence),
    Event { kind: Arc<str>, data: Bytes },
    Status(SessionStatus),
    Me(Option<Me>),
    Forgotten,
    Barrier(oneshot::Sender<()>),
}

/// A presence event that waits in a queue: all its text in one buffer.
#[derive(Debug)]
pub(crate) struct OwnedPresence {
    text: String,
    chat_len: usize,
    updates: Vec<OwnedUpdate>,
}

#[derive(Debug)]
struct OwnedUpdate {
    participant_len: usize,
    status: host_abi::EngineStatus,
    last_seen: Option<u64>,
}

impl OwnedPresence {
    fn new(chat: &str, updates: &[PresenceUpdate<'_>]) -> Self {
        let len = updates.iter().map(|update| update.participant().len()).sum::<usize>();
        let mut text = String::with_capacity(chat.len() + len);
        text.push_str(chat);
        let updates = updates.iter().map(|update| {
            text.push_str(update.participant());
            OwnedUpdate {
                participant_len: update.participant().len(),
                status: update.status(),
                last_seen: update.last_seen(),
            }
        });
        let updates = updates.collect();
        Self { text, chat_len: chat.len(), updates }
    }

    pub(crate) fn chat(&self) -> &str {
        &self.text[..self.chat_len]
    }

    /// Shows the updates, borrowed; `buffer` is reused from one event to the next.
    pub(crate) fn updates<'a>(&'a self, buffer: &mut Vec<PresenceUpdate<'a>>) {
        let mut rest = &self.text[self.chat_len..];
        buffer.extend(self.updates.iter().map(|update| {
            let (participant, after) = rest.split_at(update.participant_len);
            rest = after;
            PresenceUpdate::new(participant, update.status, update.last_seen)
        }));
    }
}
