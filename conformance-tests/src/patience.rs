//! How long a check is waited for: what its driver takes is not the target's fault, and does not count.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

/// The time that a check has, which stands still while its driver works.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patience(Arc<Mutex<Pauses>>);

#[derive(Debug, Default)]
struct Pauses {
    /// How long the pauses that are over took.
    over: Duration,
    /// Since when it is paused, if it is, and how often at once.
    now: Option<(Instant, u32)>,
}

impl Patience {
    /// What comes of the work; nothing when it takes longer than `limit`, pauses aside.
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
            // Paused meanwhile, it has as much left as before.
            if started + limit + self.paused() <= Instant::now() {
                return None;
            }
        }
    }

    /// Does what does not count.
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

/// One pause, which ends also when its work is dropped.
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
    async fn work_that_does_not_end_is_given_up() {
        assert_eq!(Patience::default().within(LIMIT, pending::<()>()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_do_not_count_and_what_follows_does() {
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
