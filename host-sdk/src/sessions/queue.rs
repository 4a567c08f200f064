//! The one consumer of a session's queue: it tells the plugins what the engine said, in order.

use std::{
    future::poll_fn,
    sync::{Arc, Weak, atomic::Ordering},
    task::Poll,
};

use tokio::sync::mpsc;

use super::{Heard, Job, Session};
use crate::plugins::mounted::Mounted;

/// How many events are taken from the queue at once.
const BATCH: usize = 256;

/// Tells the plugins what is heard, until the session is gone.
pub(super) async fn work(
    session: Weak<Session>,
    plugins: Arc<[Arc<Mounted>]>,
    mut jobs: mpsc::Receiver<Job>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        let Some(session) = session.upgrade() else { return };
        session.note_activity(batch.len());
        for job in batch.drain(..) {
            apply(&session, &plugins, job);
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

fn apply(session: &Session, plugins: &[Arc<Mounted>], job: Job) {
    let current = job.start == session.started.load(Ordering::SeqCst);
    let name = session.name();
    match job.heard {
        // Answered even when stale: whoever waits must not wait for ever.
        Heard::Barrier(done) => drop(done.send(())),
        _ if !current => {}
        Heard::Presence(event) => {
            let mut updates = Vec::new();
            event.updates(&mut updates);
            for plugin in plugins.iter().filter(|plugin| plugin.works_with(session.engine().name()))
            {
                plugin.on_presence(name, event.chat(), &updates);
            }
        }
        Heard::Event { kind, data } => {
            for plugin in plugins.iter().filter(|plugin| plugin.works_with(session.engine().name()))
            {
                plugin.on_event(&kind, name, &data);
            }
        }
        Heard::Status(status) => session.set_status(status),
        Heard::Me(me) => session.set_me(me),
        Heard::Forgotten => {
            session.set_me(None);
            plugins.iter().for_each(|plugin| plugin.on_event("session.forgotten", name, b"{}"));
        }
    }
}

impl Session {
    fn note_activity(&self, events: usize) {
        if let Some(gateway) = self.gateway.upgrade() {
            self.last_activity_ms.store(gateway.clock.now_ms(), Ordering::Relaxed);
            gateway.bus.metrics().events_in(self.name(), events);
        }
    }
}
