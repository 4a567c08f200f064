//! What an engine reports of a session, on its way through the session's queue.

use std::sync::Arc;

use bytes::Bytes;
use host_abi::PresenceUpdate;
use tokio::sync::{mpsc, oneshot};

use super::{Me, SessionStatus};

/// Where an engine reports the events of one session. Cheap to clone.
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

/// The most events of a session that wait for the plugins.
pub const QUEUE_DEPTH: usize = 4096;

impl EngineEvents {
    /// Presence news of one chat: one event, about one or more participants.
    pub async fn presence(&self, chat: &str, updates: &[PresenceUpdate<'_>]) {
        self.send(Report::Presence(OwnedPresence::new(chat, updates))).await;
    }

    /// Any other event, in the engine's own JSON, for example `messages.upsert`.
    pub async fn event(&self, kind: &str, data: Bytes) {
        self.send(Report::Event { kind: kind.into(), data }).await;
    }

    /// The session's status changed.
    pub async fn status(&self, status: SessionStatus) {
        self.send(Report::Status(status)).await;
    }

    /// The session's account, or `None` when it is no longer known.
    pub async fn me(&self, me: Option<Me>) {
        self.send(Report::Me(me)).await;
    }

    /// The account was unlinked: what plugins know of the session is to be forgotten.
    pub async fn forgotten(&self) {
        self.send(Report::Forgotten).await;
    }

    /// Waits until the plugins have applied everything that was sent before.
    pub async fn settled(&self) {
        let (done, applied) = oneshot::channel();
        self.send(Report::Barrier(done)).await;
        // The barrier of a deleted session is dropped with its queue.
        let _ = applied.await;
    }

    async fn send(&self, report: Report) {
        // Fails only when the session is deleted, and its events are dropped anyway.
        let _ = self.queue.send(Job { start: self.start, report }).await;
    }
}

/// One entry of a session's queue.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) start: u64,
    pub(crate) report: Report,
}

#[derive(Debug)]
pub(crate) enum Report {
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
