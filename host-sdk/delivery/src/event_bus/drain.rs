//! The end: what waits goes out as well as the time allows.
//!
//! While all that waits for a receiver can go out in time, it does, in order. When that takes too long
//! its lanes fold, so that what it still gets are the last states.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::EventBus;

/// How often the progress is looked at, and waits are ended, at most.
const BEAT: Duration = Duration::from_secs(1);

/// What was not delivered when the gateway ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftovers {
    /// How many events webhooks did not get, counted for each endpoint that lacks them.
    pub webhook_events: usize,
    /// How many events WebSockets did not get.
    pub socket_events: usize,
    /// The endpoints that lack events.
    pub endpoints: Vec<String>,
}

impl Leftovers {
    /// Whether everything was delivered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.webhook_events + self.socket_events == 0
    }
}

/// How much of the time is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    patience: Duration,
    left: Duration,
}

impl Deadline {
    /// Whether `rounds` requests, one after the other, may take too long. `answer_time`: how long one
    /// takes, if that is known; otherwise half of the time has to show it.
    pub(crate) fn is_short_for(&self, rounds: usize, answer_time: Option<Duration>) -> bool {
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        match answer_time {
            // A quarter is left for answers that take longer than before.
            Some(answer_time) => answer_time.saturating_mul(rounds) > self.left / 4 * 3,
            None => self.left <= self.patience / 2,
        }
    }
}

impl EventBus {
    /// Takes no more events and delivers what waits, for at most so long in the world's time; then
    /// drops the rest, says how much it was, and closes WebSockets.
    ///
    /// Nothing waits for its time any more: what failed is tried again every second. For a receiver
    /// that cannot take all in time, only the last states are kept.
    pub async fn drain(&self, patience: Duration) -> Leftovers {
        let bus = &*self.0;
        bus.around.draining.store(true, Ordering::SeqCst);
        // Whoever is emitting just now holds this lock.
        let endpoints = bus.receivers.write().all();
        let start = Instant::now();
        let mut beat = interval((patience / 10).clamp(Duration::from_millis(1), BEAT));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let emptied = bus.around.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            let sockets = bus.receivers.read().sockets.clone();
            let deadline = Deadline { patience, left: patience.saturating_sub(start.elapsed()) };
            let is_done = endpoints.iter().all(|endpoint| endpoint.pending() == 0)
                && sockets.iter().all(|socket| socket.pending() == 0);
            if is_done || deadline.left.is_zero() {
                break;
            }
            tokio::select! {
                () = emptied => {}
                () = tokio::time::sleep(deadline.left) => {}
                _ = beat.tick() => {
                    endpoints.iter().for_each(|endpoint| endpoint.hurry_for(deadline));
                    sockets.iter().for_each(|socket| socket.hurry_for(deadline));
                }
            }
        }
        let mut leftovers = Leftovers::default();
        for endpoint in endpoints {
            let pending = endpoint.pending();
            if pending > 0 {
                leftovers.webhook_events += pending;
                leftovers.endpoints.push(endpoint.health().endpoint);
            }
            endpoint.abandon();
        }
        for socket in &bus.receivers.read().sockets {
            leftovers.socket_events += socket.pending();
            socket.close();
        }
        leftovers
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Deadline;

    #[test]
    fn time_is_short_when_three_quarters_of_it_are_not_enough() {
        let deadline =
            |left| Deadline { patience: Duration::from_secs(10), left: Duration::from_secs(left) };
        let answer_time = Some(Duration::from_millis(200));
        assert!(!deadline(10).is_short_for(37, answer_time));
        assert!(deadline(10).is_short_for(38, answer_time));
        assert!(deadline(5).is_short_for(37, answer_time));
        assert!(!deadline(6).is_short_for(usize::MAX, None));
        assert!(deadline(5).is_short_for(1, None));
    }
}
