//! Tells when nothing is left to do but wait.
//!
//! A clock that is stepped must not move on before what its last step woke has run. [`Activity`]
//! counts the tracked tasks that are runnable: woken and not yet polled, or being polled. A task that
//! sleeps, or waits for a socket, does not count.
//!
//! A simulation must also be the same each time, however many threads there are: there tasks take
//! turns ([`Activity::in_turns`]), one at a time and in the order in which they were woken.

use std::{
    collections::VecDeque,
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
use parking_lot::Mutex;
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
    turns: Option<Turns>,
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

    /// A count whose tasks run one at a time, in the order in which they were woken: the same causes
    /// have the same effects, however many threads there are.
    #[must_use]
    pub fn in_turns() -> Self {
        Self(Arc::new(Count { turns: Some(Turns::default()), ..Count::default() }))
    }

    /// Counts `task` whenever it is runnable, from now until it ends or is dropped. It is to be spawned
    /// at once: it has its place among those that take turns from now on.
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
        // When a task has used up its turn, tokio puts its wakes off to where they are not counted. A
        // tracked task that yields wakes itself at once instead.
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

impl Task {
    /// What it takes turns in.
    fn turns(&self) -> Option<&Turns> {
        self.count.turns.as_ref()
    }
}

/// The runnable tasks in the order of their turns. The first one runs, or is about to.
#[derive(Default)]
struct Turns(Mutex<VecDeque<Arc<Task>>>);

impl Turns {
    fn enter(&self, task: &Arc<Task>) {
        let mut queue = self.0.lock();
        queue.push_back(task.clone());
        let first = queue.len() == 1;
        drop(queue);
        if first {
            task.outer.wake();
        }
    }

    fn is_first(&self, task: &Arc<Task>) -> bool {
        self.0.lock().front().is_some_and(|first| Arc::ptr_eq(first, task))
    }

    /// Ends the turn of the first one.
    fn pass_on(&self) {
        let mut queue = self.0.lock();
        let done = queue.pop_front();
        let next = queue.front().cloned();
        drop(queue);
        drop(done);
        if let Some(next) = next {
            next.outer.wake();
        }
    }

    /// Takes out a task that is no more.
    fn remove(&self, task: &Arc<Task>) {
        let was_first = self.is_first(task);
        let mut queue = self.0.lock();
        queue.retain(|waiting| !Arc::ptr_eq(waiting, task));
        let next = queue.front().cloned().filter(|_| was_first);
        drop(queue);
        if let Some(next) = next {
            next.outer.wake();
        }
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
            // It has its place already.
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
            // It is woken when its turn comes; if it has no place among the others, it gets one.
            state.wake_by_ref();
            return Poll::Pending;
        }
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
mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::Activity;

    /// Lets other tasks run, while the caller counts as runnable.
    async fn give_way() {
        let mut gave_way = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut gave_way, true) {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }

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

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn tasks_that_take_turns_run_one_at_a_time_in_the_order_of_their_wakes() {
        let activity = Activity::in_turns();
        let log = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
        let gate = std::sync::Arc::new(tokio::sync::Notify::new());
        for name in 0..50 {
            let (log, gate) = (log.clone(), gate.clone());
            tokio::spawn(activity.track(async move {
                gate.notified().await;
                for round in 0..3 {
                    log.lock().push((round, name));
                    give_way().await;
                }
            }));
        }
        activity.idle().await;
        tokio::spawn(activity.track(async move { gate.notify_waiters() }));
        activity.idle().await;
        let expected = (0..3).flat_map(|round| (0..50).map(move |name| (round, name)));
        assert_eq!(*log.lock(), expected.collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_task_that_ends_or_is_dropped_in_its_turn_leaves_it_to_the_next() {
        let activity = Activity::in_turns();
        let waiting = activity.track(std::future::pending::<()>());
        let panics = activity.track(async { panic!("a test") });
        let last = activity.track(async { 7 });
        drop(waiting);
        assert!(tokio::spawn(panics).await.is_err());
        assert_eq!(last.await, 7);
        assert!(activity.idle().now_or_never().is_some());
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
