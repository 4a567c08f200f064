//! Whether an endpoint is worth a request: closed, open, half-open.
//!
//! Consecutive failures of an endpoint that is down open its breaker. While it is open nothing is
//! sent. After a wait one request goes out, the probe: if the endpoint answers the breaker closes,
//! otherwise it is open for twice as long as before.

use std::time::Duration;

/// When an endpoint counts as down, and how often it is probed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How many failures in a row open it.
    pub failures: u32,
    /// How long it is open at first.
    pub first_wait: Duration,
    /// How long it is open at most; also the longest wait of an update whose attempts are spent.
    pub longest_wait: Duration,
}

impl Default for BreakerSettings {
    /// Five failures; 1 s at first, 30 s at most.
    fn default() -> Self {
        Self {
            failures: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
        }
    }
}

impl BreakerSettings {
    /// The nth wait, counting from 0.
    pub(crate) fn wait(&self, n: u32) -> Duration {
        let factor = 1_u32.checked_shl(n).unwrap_or(u32::MAX);
        self.first_wait.saturating_mul(factor).min(self.longest_wait)
    }
}

/// What may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admits {
    All,
    Probe,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until_ms: u64, waits: u32 },
    HalfOpen { probing: bool, waits: u32 },
}

#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: State,
}

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed { failures: 0 } }
    }

    pub(crate) fn admits(&self) -> Admits {
        match self.state {
            State::Closed { .. } => Admits::All,
            State::HalfOpen { probing: false, .. } => Admits::Probe,
            State::HalfOpen { probing: true, .. } | State::Open { .. } => Admits::Nothing,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.admits() == Admits::All
    }

    pub(crate) fn probe_sent(&mut self) {
        if let State::HalfOpen { probing, .. } = &mut self.state {
            *probing = true;
        }
    }

    /// The endpoint answered. `true` when this closed the breaker.
    pub(crate) fn answered(&mut self) -> bool {
        let closes = !self.is_closed();
        self.state = State::Closed { failures: 0 };
        closes
    }

    /// The endpoint is down. `probe`: so it told the probe. `at_least`: what it asked for.
    /// `true` when this opened a closed breaker.
    pub(crate) fn failed(&mut self, probe: bool, now_ms: u64, at_least: Duration) -> bool {
        match self.state {
            State::Closed { failures } if failures + 1 < self.settings.failures => {
                self.state = State::Closed { failures: failures + 1 };
                false
            }
            State::Closed { .. } => {
                self.open(0, now_ms, at_least);
                true
            }
            State::HalfOpen { waits, .. } if probe => {
                self.open(waits.saturating_add(1), now_ms, at_least);
                false
            }
            State::HalfOpen { .. } | State::Open { .. } => false,
        }
    }

    fn open(&mut self, waits: u32, now_ms: u64, at_least: Duration) {
        let wait = self.settings.wait(waits).max(at_least);
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.state = State::Open { until_ms: now_ms.saturating_add(wait), waits };
    }

    /// When the next probe is due, in Unix milliseconds.
    pub(crate) fn opens_at(&self) -> Option<u64> {
        match self.state {
            State::Open { until_ms, .. } => Some(until_ms),
            _ => None,
        }
    }

    /// Lets a probe out when it is due. `true` when it is.
    pub(crate) fn tick(&mut self, now_ms: u64) -> bool {
        match self.state {
            State::Open { until_ms, waits } if until_ms <= now_ms => {
                self.state = State::HalfOpen { probing: false, waits };
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Admits, Breaker, BreakerSettings};

    const NONE: Duration = Duration::ZERO;

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(BreakerSettings::default());
        for n in 0..5 {
            assert_eq!(breaker.admits(), Admits::All);
            assert_eq!(breaker.failed(false, 0, NONE), n == 4);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        for _ in 0..4 {
            breaker.failed(false, 0, NONE);
        }
        breaker.answered();
        breaker.failed(false, 0, NONE);
        assert!(breaker.is_closed());
        assert_eq!(opened().admits(), Admits::Nothing);
    }

    #[test]
    fn one_probe_goes_out_and_each_failure_doubles_the_wait_up_to_the_longest() {
        let mut breaker = opened();
        let (mut now_ms, mut waits) = (0, Vec::new());
        for _ in 0..7 {
            let until = breaker.opens_at().unwrap();
            waits.push((until - now_ms) / 1000);
            assert!(!breaker.tick(until - 1));
            assert!(breaker.tick(until));
            assert_eq!(breaker.admits(), Admits::Probe);
            breaker.probe_sent();
            assert_eq!(breaker.admits(), Admits::Nothing);
            breaker.failed(false, until, NONE);
            assert_eq!(breaker.opens_at(), None, "a straggler says nothing about the probe");
            now_ms = until;
            breaker.failed(true, now_ms, NONE);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert!(breaker.answered() && breaker.is_closed());
    }

    #[test]
    fn the_receiver_may_ask_for_a_longer_wait() {
        let mut breaker = opened();
        breaker.tick(1_000);
        breaker.failed(true, 1_000, Duration::from_secs(120));
        assert_eq!(breaker.opens_at(), Some(121_000));
    }
}
