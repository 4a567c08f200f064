//! The one consumer of a session's queue: hands the engine's events to the listeners, in order.

use std::{future::poll_fn, sync::Arc, task::Poll};

use tokio::sync::mpsc;

use super::{listener::Listener, session::Session};
use crate::engine::events::{Job, Report};

/// How many events are taken from the queue at once.
const BATCH: usize = 256;

tokio::task_local! {
    /// The session whose worker this task is: what its listeners emit needs no lookup by name.
    pub(super) static CURRENT: Arc<Session>;
}

/// Hands on what is reported; the session's map entry ends it.
pub(super) async fn work(
    session: Arc<Session>,
    listeners: Vec<Box<dyn Listener>>,
    mut jobs: mpsc::Receiver<Job>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        session.note_activity(batch.len());
        for job in batch.drain(..) {
            apply(&session, &listeners, job);
        }
        // A queue that is never empty must leave room for other tasks.
        give_way().await;
    }
}

/// Lets other tasks run. Unlike tokio's `yield_now`, it wakes the task at once, so that a clock that is
/// stepped sees that the task has more to do.
async fn give_way() {
    let mut gave_way = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pub(super) fn apply(session: &Session, listeners: &[Box<dyn Listener>], job: Job) {
    let (name, start) = (session.name(), job.start);
    match job.report {
        // Answered even when stale, so that its caller does not wait for ever.
        Report::Barrier(done) => drop(done.send(())),
        Report::Status(status) => session.set_status(start, status),
        Report::Me(me) => session.set_me(start, me),
        _ if !session.is_current(start) => {}
        Report::Presence(event) => {
            let mut updates = Vec::new();
            event.updates(&mut updates);
            listeners.iter().for_each(|it| it.on_presence(name, event.chat(), &updates));
        }
        Report::Event { kind, data } => {
            listeners.iter().for_each(|it| it.on_event(&kind, name, &data));
        }
        Report::Forgotten => {
            session.set_me(start, None);
            listeners.iter().for_each(|it| it.on_event("session.forgotten", name, b"{}"));
        }
    }
}
