//! A clock for tests and simulations, which may stop it, step it or let it run fast.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    ops::RangeInclusive,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::future::BoxFuture;
use host_sdk::Clock;
use parking_lot::{Mutex, MutexGuard};
use tokio::{task::AbortHandle, time::Instant};

use super::activity::Activity;

/// How a [`VirtualClock`] moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Only when [`VirtualClock::advance`] is called.
    Stepped,
    /// By itself, at a multiple of real time.
    Running {
        /// Virtual seconds per real second, within [`SPEEDS`].
        speed: f64,
    },
}

/// The speeds at which a clock can run: multiples of real time.
pub const SPEEDS: RangeInclusive<f64> = 0.001..=1_000_000.0;

/// A clock that can be stopped, stepped and let run. Cheap to clone; clones share one clock.
///
/// Any task may read it or sleep on it. `state` is a short lock that is never held over an await or while a
/// waker is called; `stepping` serialises [`advance`](Self::advance) and is taken first. A sleeper on a
/// stepped clock is woken by `advance`; on a running one, by a timer of tokio.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use host_sdk::Clock;
/// use mock_engine::time::VirtualClock;
/// use std::time::Duration;
///
/// let clock = VirtualClock::stepped(1_686_719_326_000);
/// let hour = clock.spawn(clock.sleep(Duration::from_secs(3600)));
/// clock.advance(Duration::from_secs(3600)).await;
/// assert!(hour.is_finished());
/// assert_eq!(clock.now_ms(), 1_686_722_926_000);
/// # }
/// ```
#[derive(Clone)]
pub struct VirtualClock(Arc<Shared>, Activity);

struct Shared {
    state: Mutex<State>,
    /// Held during [`VirtualClock::advance`].
    stepping: tokio::sync::Mutex<()>,
    /// Notified when a timer is added, for [`VirtualClock::next_timer`].
    added: tokio::sync::Notify,
}

struct State {
    pace: Pace,
    /// The clock's own time at `anchor`: timers go by it, and it never goes back.
    base_ms: u64,
    anchor: Instant,
    /// What the clock shows beyond its own time.
    ahead_ms: i64,
    /// Its own time past which it does not run; see [`VirtualClock::hold_at`].
    limit_ms: u64,
    timers: BTreeMap<TimerKey, Waker>,
    next_timer: u64,
}

/// Deadline in milliseconds of the clock's own time, then the order in which timers were made.
type TimerKey = (u64, u64);

impl State {
    fn own_ms(&self) -> u64 {
        match self.pace {
            Pace::Stepped => self.base_ms,
            Pace::Running { speed } => {
                let ran = self.unheld_ms(speed);
                ran.min(self.limit_ms).max(self.base_ms)
            }
        }
    }

    /// The own time of a running clock, without the limit of [`VirtualClock::hold_at`].
    fn unheld_ms(&self, speed: f64) -> u64 {
        self.base_ms.saturating_add(millis(self.anchor.elapsed().mul_f64(speed)))
    }

    fn shown_ms(&self) -> u64 {
        self.own_ms().saturating_add_signed(self.ahead_ms)
    }

    fn re_anchor(&mut self, own_ms: u64) {
        self.base_ms = own_ms;
        self.anchor = Instant::now();
    }
}

impl VirtualClock {
    /// A clock that stands at `now_ms` (Unix milliseconds) until it is advanced.
    #[must_use]
    pub fn stepped(now_ms: u64) -> Self {
        Self::new(now_ms, Pace::Stepped)
    }

    /// A clock that starts at `now_ms` (Unix milliseconds) and runs at `speed` times real time.
    ///
    /// # Panics
    ///
    /// When `speed` is not within [`SPEEDS`].
    #[must_use]
    pub fn running(now_ms: u64, speed: f64) -> Self {
        Self::new(now_ms, Pace::Running { speed })
    }

    fn new(now_ms: u64, pace: Pace) -> Self {
        check(pace);
        let anchor = Instant::now();
        let timers = BTreeMap::new();
        Self(
            Arc::new(Shared {
                state: Mutex::new(State {
                    pace,
                    base_ms: now_ms,
                    anchor,
                    ahead_ms: 0,
                    limit_ms: u64::MAX,
                    timers,
                    next_timer: 0,
                }),
                stepping: tokio::sync::Mutex::new(()),
                added: tokio::sync::Notify::new(),
            }),
            Activity::new(),
        )
    }

    /// Has the clock's tasks take turns ([`Activity::in_turns`]). For a clock that has no tasks yet and
    /// was not cloned.
    #[must_use]
    pub fn in_turns(self) -> Self {
        Self(self.0, Activity::in_turns())
    }

    /// The count of the clock's tasks that are runnable.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.1
    }

    /// Waits until none of the clock's tasks is runnable.
    pub async fn idle(&self) {
        self.1.idle().await;
    }

    /// How the clock moves.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.0.state.lock().pace
    }

    /// Changes how the clock moves, from now on.
    ///
    /// # Panics
    ///
    /// When the speed is not within [`SPEEDS`].
    pub fn set_pace(&self, pace: Pace) {
        check(pace);
        let mut state = self.0.state.lock();
        let own_ms = state.own_ms();
        state.re_anchor(own_ms);
        state.pace = pace;
        Self::wake_sleepers(state);
    }

    /// Sets the displayed time to `now_ms` (Unix milliseconds), later or earlier than before. Sleepers are
    /// not affected.
    pub fn show(&self, now_ms: u64) {
        let mut state = self.0.state.lock();
        // A time beyond the range of a signed number is shown as the nearest within it.
        let ahead = i128::from(now_ms) - i128::from(state.own_ms());
        state.ahead_ms = i64::try_from(ahead).unwrap_or(i64::MAX);
    }

    /// Stops a running clock at `now_ms` (Unix milliseconds) until the next call, so that it can wait for
    /// work that is late; `None` lifts the limit. The clock never goes back.
    pub fn hold_at(&self, now_ms: Option<u64>) {
        let mut state = self.0.state.lock();
        if let Pace::Running { speed } = state.pace
            && state.unheld_ms(speed) > state.limit_ms
        {
            // It stood at the limit, and runs on from there.
            let own_ms = state.own_ms();
            state.re_anchor(own_ms);
        }
        let own_ms = |shown_ms: u64| {
            let own_ms = i128::from(shown_ms) - i128::from(state.ahead_ms);
            u64::try_from(own_ms.max(0)).unwrap_or(u64::MAX)
        };
        state.limit_ms = now_ms.map_or(u64::MAX, own_ms).max(state.own_ms());
    }

    /// The time until the next timer is due; `None` without timers.
    #[must_use]
    pub fn until_next_timer(&self) -> Option<Duration> {
        let state = self.0.state.lock();
        let ((deadline, _), _) = state.timers.first_key_value()?;
        Some(Duration::from_millis(deadline.saturating_sub(state.own_ms())))
    }

    /// Waits until there is a timer, and returns the time until it is due.
    pub async fn next_timer(&self) -> Duration {
        loop {
            let added = self.0.added.notified();
            if let Some(until) = self.until_next_timer() {
                return until;
            }
            added.await;
        }
    }

    /// Moves a stepped clock on. Timers fire one at a time, by deadline and then by age, and
    /// after each one all tasks of the clock run until they wait again. A running clock
    /// jumps to the target in the same way and runs on from there.
    pub async fn advance(&self, by: Duration) {
        let _alone = self.0.stepping.lock().await;
        self.idle().await;
        let target = self.0.state.lock().own_ms().saturating_add(millis(by));
        while let Some(waker) = self.take_due(target) {
            waker.wake();
            self.idle().await;
        }
        self.move_to(target);
        self.idle().await;
    }

    /// Wakes all sleepers, which compute how long they still have to sleep.
    fn wake_sleepers(state: MutexGuard<'_, State>) {
        let wakers: Vec<Waker> = state.timers.values().cloned().collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Takes the next timer that is due by `target` and moves the time to its deadline.
    fn take_due(&self, target: u64) -> Option<Waker> {
        let mut state = self.0.state.lock();
        let entry = state.timers.first_entry()?;
        let (deadline, _) = *entry.key();
        if deadline > target {
            return None;
        }
        let waker = entry.remove();
        let own_ms = state.own_ms().max(deadline);
        state.re_anchor(own_ms);
        Some(waker)
    }

    fn move_to(&self, target: u64) {
        let mut state = self.0.state.lock();
        let own_ms = state.own_ms().max(target);
        state.re_anchor(own_ms);
        if matches!(state.pace, Pace::Running { .. }) {
            Self::wake_sleepers(state);
        }
    }
}

fn check(pace: Pace) {
    if let Pace::Running { speed } = pace {
        assert!(SPEEDS.contains(&speed), "a clock cannot run {speed} times as fast: {SPEEDS:?}");
    }
}

impl Clock for VirtualClock {
    fn now_ms(&self) -> u64 {
        self.0.state.lock().shown_ms()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let key = {
            let mut state = self.0.state.lock();
            state.next_timer += 1;
            (state.own_ms().saturating_add(millis(duration)), state.next_timer)
        };
        Box::pin(Sleep { clock: self.0.clone(), key, real: None })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        tokio::spawn(self.1.track(task)).abort_handle()
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("VirtualClock")
            .field("pace", &state.pace)
            .field("now_ms", &state.shown_ms())
            .field("timers", &state.timers.len())
            .finish()
    }
}

struct Sleep {
    clock: Arc<Shared>,
    key: TimerKey,
    /// What wakes the sleeper of a running clock.
    real: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let (left, pace) = {
                let mut state = this.clock.state.lock();
                let left = this.key.0.saturating_sub(state.own_ms());
                if left == 0 {
                    return Poll::Ready(());
                }
                let before = state.timers.insert(this.key, cx.waker().clone());
                let pace = state.pace;
                drop(state);
                // A waker may own the last reference to a task that holds a sleep of this clock.
                drop(before);
                (left, pace)
            };
            this.clock.added.notify_waiters();
            let Pace::Running { speed } = pace else {
                this.real = None;
                return Poll::Pending;
            };
            let mut real = Box::pin(tokio::time::sleep(Duration::from_millis(left).div_f64(speed)));
            if real.as_mut().poll(cx).is_pending() {
                this.real = Some(real);
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let waker = self.clock.state.lock().timers.remove(&self.key);
        drop(waker);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
