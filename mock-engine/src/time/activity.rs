//! Detects when every task of a simulation is waiting.
//!
//! A stepped clock must not move on before everything that its last step woke has run. [`Activity`]
//! counts the tracked tasks that are runnable: woken and not yet polled, or being polled. A task that
//! sleeps, or waits for a socket, does not count.
//!
//! # Who wakes whom
//!
//! Each tracked future owns a [`Task`], which its waker shares. A wake sets the task's phase, adds it to
//! the count and wakes the runtime's own waker (`outer`); with turns it joins the queue instead, and the
//! end of the turn before it wakes `outer`. Whoever takes the count to zero notifies [`Activity::idle`].
//! The queue's mutex is the only lock; no waker is called while it is held.

mod turns;

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use self::turns::Turns;

/// A count of runnable tasks. Cheap to clone; clones share the count.
#[derive(Clone, Default)]
pub struct Activity(Arc<Count>);

#[derive(Default)]
struct Count {
    /// The number of runnable tasks, plus [`PATIENT`] per task in [`Activity::alone`]. One number, so that
    /// both are read at once.
    runnable: AtomicI64,
    idle: Notify,
    alone: Notify,
    turns: Option<Turns>,
}

/// Added per task in [`Activity::alone`]: it counts as runnable too.
const PATIENT: i64 = (1 << 32) + 1;

impl Count {
    fn add(&self, change: i64) {
        let count = self.runnable.fetch_add(change, Ordering::SeqCst) + change;
        if count == 0 {
            self.idle.notify_waiters();
        } else if count % PATIENT == 0 {
            self.alone.notify_waiters();
        }
    }
}

impl Activity {
    /// A new count, at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A count whose tasks run one at a time, in the order in which they were woken, so that the order of
    /// effects does not depend on the number of threads.
    #[must_use]
    pub fn in_turns() -> Self {
        Self(Arc::new(Count { turns: Some(Turns::default()), ..Count::default() }))
    }

    /// Counts `task` whenever it is runnable, until it ends or is dropped. Spawn it at once: it is in the
    /// queue of turns from now on.
    pub fn track<T: 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        self.0.add(1);
        let state = Arc::new(Task {
            count: self.0.clone(),
            phase: AtomicU8::new(RUNNABLE),
            outer: AtomicWaker::new(),
        });
        if let Some(turns) = state.turns() {
            turns.enter(&state);
        }
        // Past its budget, tokio would defer the task's wakes to where they are not counted.
        let task = Box::pin(tokio::task::unconstrained(task));
        Tracked { task, waker: Waker::from(state.clone()), state }
    }

    /// Waits until no tracked task is runnable.
    pub async fn idle(&self) {
        loop {
            let idle = self.0.idle.notified();
            if self.0.runnable.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Waits, in a tracked task, until all other tracked tasks wait. For [`idle`](Self::idle) the caller
    /// stays runnable, so that a stepped clock does not move on.
    pub async fn alone(&self) {
        let mut alone = pin!(self.0.alone.notified());
        // Registers now, not at the first poll.
        alone.as_mut().enable();
        let _patient = Patient::new(&self.0);
        alone.await;
    }
}

/// The share of the count of a task in [`Activity::alone`].
struct Patient<'a>(&'a Count);

impl<'a> Patient<'a> {
    fn new(count: &'a Count) -> Self {
        count.add(PATIENT);
        Self(count)
    }
}

impl Drop for Patient<'_> {
    fn drop(&mut self) {
        self.0.add(-PATIENT);
    }
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runnable = self.0.runnable.load(Ordering::SeqCst) & 0xffff_ffff;
        f.debug_struct("Activity").field("runnable", &runnable).finish()
    }
}

const WAITING: u8 = 0;
const RUNNABLE: u8 = 1;
const ENDED: u8 = 2;

/// The state that a tracked future and its wakers share.
struct Task {
    count: Arc<Count>,
    /// [`WAITING`], [`RUNNABLE`] (counted, and queued for a turn) or [`ENDED`] (dropped).
    phase: AtomicU8,
    /// The runtime's waker for the task.
    outer: AtomicWaker,
}

impl Task {
    /// The queue of turns, when tasks take turns.
    fn turns(&self) -> Option<&Turns> {
        self.count.turns.as_ref()
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let woken =
            self.phase.compare_exchange(WAITING, RUNNABLE, Ordering::SeqCst, Ordering::SeqCst);
        if woken.is_ok() {
            self.count.add(1);
        }
        match self.turns() {
            None => self.outer.wake(),
            Some(turns) if woken.is_ok() => turns.enter(self),
            // It is queued already.
            Some(_) => {}
        }
    }
}

struct Tracked<T> {
    task: Pin<Box<dyn Future<Output = T> + Send>>,
    waker: Waker,
    state: Arc<Task>,
}

impl<T> Future for Tracked<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.state.outer.register(cx.waker());
        let state = self.state.clone();
        if state.turns().is_some_and(|turns| !turns.is_first(&state)) {
            // Not its turn. The end of the turn before it wakes it; it joins the queue if it is not in it.
            state.wake_by_ref();
            return Poll::Pending;
        }
        // The poll itself counts, so that the count cannot reach zero between a wake and its work.
        state.count.add(1);
        let _polling = Polling(&state);
        if state.phase.swap(WAITING, Ordering::SeqCst) == RUNNABLE {
            state.count.add(-1);
        }
        let waker = self.waker.clone();
        self.task.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

struct Polling<'a>(&'a Task);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.count.add(-1);
        if let Some(turns) = self.0.turns() {
            turns.pass_on();
        }
    }
}

impl<T> Drop for Tracked<T> {
    fn drop(&mut self) {
        if self.state.phase.swap(ENDED, Ordering::SeqCst) == RUNNABLE {
            self.state.count.add(-1);
            if let Some(turns) = self.state.turns() {
                turns.remove(&self.state);
            }
        }
    }
}

#[cfg(test)]
mod tests;
