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
use tokio::task::AbortHandle;

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

/// The system's clock: the wall clock, read at each call, so that it is right after the machine slept or its
/// time was set.
#[derive(Clone)]
pub struct SystemClock {
    read: fn() -> SystemTime,
}

impl SystemClock {
    /// A reader of the system's wall clock.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the clock that all others ask")]
    pub fn new() -> Self {
        Self { read: SystemTime::now }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemClock")
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        millis((self.read)().duration_since(UNIX_EPOCH).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::{Duration, SystemTime, UNIX_EPOCH},
    };

    use super::{Clock, SystemClock};

    static WALL_MS: AtomicU64 = AtomicU64::new(0);

    fn wall() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(WALL_MS.load(Ordering::Relaxed))
    }

    #[test]
    fn the_system_clock_follows_the_wall_clock_through_sleep_and_steps() {
        let clock = SystemClock { read: wall };
        for now_ms in [1_000, 8 * 3_600_000, 5_000] {
            WALL_MS.store(now_ms, Ordering::Relaxed);
            assert_eq!(clock.now_ms(), now_ms);
        }
    }
}
