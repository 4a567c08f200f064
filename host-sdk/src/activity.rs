//! Tells when nothing is left to do but wait.
//!
//! A clock that is stepped must not move on before what its last step woke has run. [`Activity`]
//! counts the tracked tasks that are runnable: woken and not yet polled, or being polled. A task that
//! sleeps, or waits for a socket, does not count.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// A count of runnable tasks. Cheap to clone; clones share the count.
#[derive(Clone, Default)]
pub struct Activity(Arc<Count>);

#[derive(Default)]
struct Count {
    /// How many are runnable, and [`PATIENT`] for each that only waits for the others. One number, so
    /// that both are read at one time.
    runnable: AtomicI64,
    idle: Notify,
    alone: Notify,
}

/// What a task adds that waits for the others ([`Activity::alone`]): it counts as runnable, too.
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
    /// A count of its own, at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts `task` whenever it is runnable, from now until it ends or is dropped.
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
        // When a task has used up its turn, tokio puts its wakes off to where they are not counted.
        // A tracked task gives way by itself instead: see [`give_way`].
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

    /// Waits, in a tracked task, until all other tracked tasks wait. To [`idle`](Self::idle) the caller
    /// counts as runnable meanwhile: a clock that is stepped does not move on.
    pub async fn alone(&self) {
        let mut alone = pin!(self.0.alone.notified());
        // From now on, and not only once it is polled.
        alone.as_mut().enable();
        let _patient = Patient::new(&self.0);
        alone.await;
    }
}

/// A task that waits for the others; it is counted as one that is runnable.
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

/// Lets other tasks run, while the caller counts as runnable.
pub(crate) async fn give_way() {
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

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runnable = self.0.runnable.load(Ordering::SeqCst) & 0xffff_ffff;
        f.debug_struct("Activity").field("runnable", &runnable).finish()
    }
}

const WAITING: u8 = 0;
const RUNNABLE: u8 = 1;
const ENDED: u8 = 2;

struct Task {
    count: Arc<Count>,
    phase: AtomicU8,
    outer: AtomicWaker,
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
        self.outer.wake();
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
        // The poll itself counts, so that the count cannot touch zero between a wake and its work.
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
    }
}

impl<T> Drop for Tracked<T> {
    fn drop(&mut self) {
        if self.state.phase.swap(ENDED, Ordering::SeqCst) == RUNNABLE {
            self.state.count.add(-1);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::{Activity, give_way};

    #[tokio::test]
    async fn a_task_that_waits_is_idle_and_one_that_was_woken_is_not() {
        let activity = Activity::new();
        let (wake, woken) = oneshot::channel::<()>();
        let mut task = Box::pin(activity.track(woken));
        assert!(activity.idle().now_or_never().is_none(), "not polled yet");
        assert!((&mut task).now_or_never().is_none());
        assert!(activity.idle().now_or_never().is_some(), "waits for the channel");
        wake.send(()).unwrap();
        assert!(activity.idle().now_or_never().is_none(), "was woken");
        task.await.unwrap();
        assert!(activity.idle().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_dropped_task_no_longer_counts_even_when_it_is_woken_later() {
        let activity = Activity::new();
        let (wake, woken) = oneshot::channel::<()>();
        let mut task = Box::pin(activity.track(woken));
        assert!((&mut task).now_or_never().is_none());
        drop(task);
        let _ = wake.send(());
        assert!(activity.idle().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_task_that_does_much_in_one_turn_stays_runnable() {
        let activity = Activity::new();
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        (0..10_000).for_each(|number| send.send(number).unwrap());
        let task = tokio::spawn(activity.track(async move {
            for _ in 0..10_000 {
                receive.recv().await;
            }
        }));
        activity.idle().await;
        assert!(task.is_finished());
    }

    #[tokio::test]
    async fn a_task_that_waits_for_the_others_goes_on_when_they_wait_and_before_who_waits_for_all()
    {
        let activity = Activity::new();
        let (wake, woken) = oneshot::channel::<()>();
        let inner = activity.clone();
        let mut patient = Box::pin(activity.track(async move { inner.alone().await }));
        let mut other = Box::pin(activity.track(woken));
        assert!((&mut patient).now_or_never().is_none(), "the other was not polled yet");
        assert!((&mut other).now_or_never().is_none());
        assert!(activity.idle().now_or_never().is_none(), "the patient one is to go on first");
        assert!((&mut patient).now_or_never().is_some());
        assert!(activity.idle().now_or_never().is_some());
        wake.send(()).unwrap();
        other.await.unwrap();
    }

    #[tokio::test]
    async fn a_task_that_is_dropped_while_it_waits_for_the_others_no_longer_counts() {
        let activity = Activity::new();
        let other = activity.track(std::future::pending::<()>());
        let inner = activity.clone();
        let mut patient = Box::pin(activity.track(async move { inner.alone().await }));
        assert!((&mut patient).now_or_never().is_none());
        drop(patient);
        drop(other);
        assert!(activity.idle().now_or_never().is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn each_turn_of_a_patient_task_comes_after_all_that_it_began() {
        let activity = Activity::new();
        let inner = activity.clone();
        let player = activity.track(async move {
            let done = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            for turn in 1..=1_000 {
                for _ in 0..3 {
                    let done = done.clone();
                    tokio::spawn(inner.track(async move {
                        give_way().await;
                        done.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    }));
                }
                inner.alone().await;
                assert_eq!(done.load(std::sync::atomic::Ordering::SeqCst), turn * 3);
            }
        });
        tokio::spawn(player).await.unwrap();
    }

    #[tokio::test]
    async fn a_task_that_gives_way_is_still_runnable() {
        let activity = Activity::new();
        let mut task = Box::pin(activity.track(give_way()));
        assert!((&mut task).now_or_never().is_none());
        assert!(activity.idle().now_or_never().is_none());
        task.await;
        assert!(activity.idle().now_or_never().is_some());
    }
}
