//! Turns: runnable tasks run one at a time, in the order in which they were woken.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use parking_lot::Mutex;

use super::{ENDED, Task};

/// The queue of runnable tasks. The first one runs, or has been woken to run.
#[derive(Default)]
pub(super) struct Turns(Mutex<VecDeque<Arc<Task>>>);

impl Turns {
    pub(super) fn enter(&self, task: &Arc<Task>) {
        let mut queue = self.0.lock();
        // It may have been dropped since it was woken. `remove` takes the lock after setting the phase, so
        // that a task is either not queued here or removed there.
        if task.phase.load(Ordering::SeqCst) == ENDED {
            return;
        }
        queue.push_back(task.clone());
        let first = queue.len() == 1;
        drop(queue);
        if first {
            task.outer.wake();
        }
    }

    pub(super) fn is_first(&self, task: &Arc<Task>) -> bool {
        self.0.lock().front().is_some_and(|first| Arc::ptr_eq(first, task))
    }

    /// Ends the turn of the first task.
    pub(super) fn pass_on(&self) {
        let mut queue = self.0.lock();
        let done = queue.pop_front();
        let next = queue.front().cloned();
        drop(queue);
        drop(done);
        if let Some(next) = next {
            next.outer.wake();
        }
    }

    /// Removes a task that has been dropped.
    pub(super) fn remove(&self, task: &Arc<Task>) {
        let mut queue = self.0.lock();
        let was_first = queue.front().is_some_and(|first| Arc::ptr_eq(first, task));
        queue.retain(|waiting| !Arc::ptr_eq(waiting, task));
        let next = queue.front().cloned().filter(|_| was_first);
        drop(queue);
        if let Some(next) = next {
            next.outer.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU8};

    use futures_util::task::{ArcWake, AtomicWaker, waker};

    use super::*;
    use crate::time::activity::{Count, RUNNABLE};

    struct Flag(AtomicBool);

    impl ArcWake for Flag {
        fn wake_by_ref(flag: &Arc<Self>) {
            flag.0.store(true, Ordering::SeqCst);
        }
    }

    fn task(phase: u8) -> Arc<Task> {
        let (count, outer) = (Arc::new(Count::default()), AtomicWaker::new());
        Arc::new(Task { count, phase: AtomicU8::new(phase), outer })
    }

    #[test]
    fn a_task_that_was_dropped_while_it_was_woken_is_not_queued() {
        let (turns, dropped, next) = (Turns::default(), task(ENDED), task(RUNNABLE));
        turns.enter(&dropped);
        turns.enter(&next);
        assert!(turns.is_first(&next));
    }

    #[test]
    fn the_next_task_is_woken_when_one_is_dropped_while_the_turn_before_it_ends() {
        for round in 0..500 {
            let turns = Turns::default();
            let [first, dropped, next] = [(); 3].map(|()| task(RUNNABLE));
            let flag = Arc::new(Flag(AtomicBool::new(false)));
            next.outer.register(&waker(flag.clone()));
            [&first, &dropped, &next].into_iter().for_each(|task| turns.enter(task));
            // Spinning starts both within nanoseconds of each other.
            let arrived = AtomicU8::new(0);
            let start = || {
                arrived.fetch_add(1, Ordering::SeqCst);
                while arrived.load(Ordering::SeqCst) < 2 {
                    std::hint::spin_loop();
                }
            };
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    start();
                    turns.pass_on();
                });
                dropped.phase.store(ENDED, Ordering::SeqCst);
                start();
                turns.remove(&dropped);
            });
            assert!(flag.0.load(Ordering::SeqCst), "round {round}: nothing woke the next task");
        }
    }
}
