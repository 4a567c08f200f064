//! A clock that moves only when the test says so.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures_util::future::BoxFuture;
use host_delivery::clock::Clock;
use tokio::{
    sync::{Notify, oneshot},
    task::AbortHandle,
};

/// A stepped clock. Cheap to clone; clones are one clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestClock {
    state: Arc<Mutex<State>>,
    /// Notified when a timer is added.
    added: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    now_ms: u64,
    /// By deadline in Unix milliseconds and then by age. A timer whose sleeper is gone is closed.
    timers: BTreeMap<(u64, u64), oneshot::Sender<()>>,
    last_timer: u64,
}

impl TestClock {
    /// A clock that stands at `now_ms` (Unix milliseconds).
    pub(crate) fn at(now_ms: u64) -> Self {
        let clock = Self::default();
        clock.state().now_ms = now_ms;
        clock
    }

    /// Waits until there is a timer, and says how far off it is.
    pub(crate) async fn next_timer(&self) -> Duration {
        loop {
            let added = self.added.notified();
            if let Some(until) = self.until_next_timer() {
                return until;
            }
            added.await;
        }
    }

    fn until_next_timer(&self) -> Option<Duration> {
        let mut state = self.state();
        state.timers.retain(|_, timer| !timer.is_closed());
        let ((deadline, _), _) = state.timers.first_key_value()?;
        Some(Duration::from_millis(deadline.saturating_sub(state.now_ms)))
    }

    /// Moves the clock on and ends the sleeps that are over then.
    pub(crate) fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.now_ms += u64::try_from(by.as_millis()).unwrap();
        let later = (state.now_ms + 1, 0);
        let later = state.timers.split_off(&later);
        for timer in std::mem::replace(&mut state.timers, later).into_values() {
            let _ = timer.send(());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.state().now_ms
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (timer, rings) = oneshot::channel();
        let mut state = self.state();
        state.last_timer += 1;
        let deadline = state.now_ms + u64::try_from(duration.as_millis()).unwrap();
        let key = (deadline, state.last_timer);
        state.timers.insert(key, timer);
        drop(state);
        self.added.notify_waiters();
        Box::pin(async move {
            let _ = rings.await;
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        tokio::spawn(task).abort_handle()
    }
}
