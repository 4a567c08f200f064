//! Where all time comes from.
//!
//! A gateway, its plugins and its engines read one [`Clock`], sleep on it, and run their tasks on it.
//! [`SystemClock`] is the machine's clock; a simulation brings one of its own, which it may stop, step or
//! let run fast.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use tokio::{task::AbortHandle, time::Instant};

/// A source of time, and of the tasks that live by it.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time in Unix milliseconds. It may go back, as a wall clock does when it is set.
    fn now_ms(&self) -> u64;

    /// Waits for `duration` by this clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Runs a task. A clock that is stepped does not move on while the task has work to do.
    ///
    /// Panics outside of a tokio runtime.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> AbortHandle;
}

/// The system's clock: the wall clock when it is made, the monotonic clock from then on.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started_ms: u64,
    started: Instant,
}

impl SystemClock {
    /// The system's time from now on.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the clock that all others ask")]
    pub fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started_ms: millis(since), started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        self.started_ms + millis(self.started.elapsed())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        tokio::spawn(task).abort_handle()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
