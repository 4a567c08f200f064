//! The time limit of a check, which excludes the driver's time: a slow driver is not the target's
//! fault.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

/// A check's time limit, which stands still while its driver works.
///
/// Clones share one state behind a mutex that is never held across an await. [`pause`](Self::pause)
/// writes it, [`within`](Self::within) reads it; neither wakes the other: `within` looks again when
/// its deadline passes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patience(Arc<Mutex<Pauses>>);

#[derive(Debug, Default)]
struct Pauses {
    /// The total length of the finished pauses.
    over: Duration,
    /// The start of the current pause, if any, and the number of concurrent ones.
    now: Option<(Instant, u32)>,
}

impl Patience {
    /// The output of `work`; none when it takes longer than `limit`, excluding pauses.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(work);
        let started = Instant::now();
        loop {
            let deadline = started + limit + self.paused();
            if let Ok(done) = timeout_at(deadline, &mut work).await {
                return Some(done);
            }
            // Time spent paused does not count; wait for the rest of the limit.
            if started + limit + self.paused() <= Instant::now() {
                return None;
            }
        }
    }

    /// Runs `work` without counting its time.
    pub(crate) async fn pause<T>(&self, work: impl Future<Output = T>) -> T {
        let _paused = Paused::begin(self);
        work.await
    }

    fn paused(&self) -> Duration {
        let pauses = self.lock();
        pauses.over + pauses.now.map_or(Duration::ZERO, |(since, _)| since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Pauses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pause, which also ends when its work is dropped.
struct Paused<'a>(&'a Patience);

impl<'a> Paused<'a> {
    fn begin(patience: &'a Patience) -> Self {
        let mut pauses = patience.lock();
        let (since, count) = pauses.now.unwrap_or((Instant::now(), 0));
        pauses.now = Some((since, count + 1));
        drop(pauses);
        Self(patience)
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        let mut pauses = self.0.lock();
        match pauses.now {
            Some((since, 1)) => {
                pauses.over += since.elapsed();
                pauses.now = None;
            }
            Some((since, count)) => pauses.now = Some((since, count - 1)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::{join, time::sleep};

    use super::Patience;

    const LIMIT: Duration = Duration::from_millis(20);
    const LONGER: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn work_that_does_not_end_is_abandoned() {
        assert_eq!(Patience::default().within(LIMIT, pending::<()>()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_do_not_count_but_the_time_after_them_does() {
        let patience = Patience::default();
        let pauses = async {
            join!(patience.pause(sleep(LONGER)), patience.pause(sleep(LONGER)));
            patience.pause(sleep(LONGER)).await;
        };
        assert_eq!(patience.within(LIMIT, pauses).await, Some(()));
        let patience = Patience::default();
        let work = async {
            patience.pause(sleep(LONGER)).await;
            pending::<()>().await;
        };
        assert_eq!(patience.within(LIMIT, work).await, None);
    }
}
