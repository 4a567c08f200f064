//! What becomes of an event, its lane and its endpoint when a request ends.

use std::{sync::Arc, time::Duration};

use super::{Endpoint, Outgoing, State, due};
use crate::{
    lane::{Fate, Taken},
    webhook::{connection::Outcome, request::Target, retry::DEFAULT_ATTEMPTS},
};

impl Endpoint {
    /// Draws the consequences of a request's outcome, which came after `answer_time`.
    pub(crate) fn finish(
        self: &Arc<Self>,
        taken: Taken<Outgoing>,
        target: &Target,
        probe: bool,
        outcome: Outcome,
        answer_time: Duration,
    ) {
        let now_ms = self.now_ms();
        let bounded = target.config.bounded_attempts();
        match outcome {
            Outcome::Delivered => {
                self.row.delivered(now_ms.saturating_sub(taken.update.event.timestamp_ms));
                let mut state = self.state.lock();
                state.answered_after(answer_time);
                state.lanes.delivered(taken.ticket);
                state.last_error = None;
                (state.last_refusal, state.refusals) = (None, 0);
                if state.lanes.given_up() > 0 {
                    state.lanes.recall(|update| update.not_before_ms <= now_ms);
                    let workers = self.around.in_flight;
                    self.rouse(&mut state, workers);
                }
                if state.breaker.answered() {
                    self.closed(&mut state);
                }
                self.show(&mut state);
            }
            Outcome::Refused { status, retry_after }
                if bounded.is_some() || !matches!(status.as_u16(), 502..=504) =>
            {
                let reason = format!("answered {status}");
                self.log_failure(&taken, &reason);
                let mut state = self.state.lock();
                state.answered_after(answer_time);
                if state.breaker.answered() {
                    self.closed(&mut state);
                }
                state.last_error = Some(reason);
                state.last_refusal = Some(status.as_u16());
                state.refusals += 1;
                self.refused(&mut state, taken, target, retry_after, now_ms);
                self.show(&mut state);
            }
            Outcome::Refused { .. } | Outcome::Down { .. } => {
                let (reason, retry_after) = match outcome {
                    Outcome::Refused { status, retry_after } => {
                        (format!("answered {status}"), retry_after)
                    }
                    Outcome::Down { reason } => (reason, None),
                    Outcome::Delivered => return,
                };
                self.log_failure(&taken, &reason);
                let mut state = self.state.lock();
                let asked = retry_after.unwrap_or_default();
                if state.breaker.failed(probe, now_ms, asked) {
                    tracing::warn!(
                        session = self.session.as_deref(),
                        endpoint = self.label,
                        reason,
                        "the webhook endpoint is down; its events wait"
                    );
                }
                state.last_error = Some(reason);
                self.not_received(&mut state, taken, target, asked, now_ms);
                self.show(&mut state);
            }
        }
    }

    fn refused(
        self: &Arc<Self>,
        state: &mut State,
        mut taken: Taken<Outgoing>,
        target: &Target,
        retry_after: Option<Duration>,
        now_ms: u64,
    ) {
        if state.retired {
            self.row.failed(1);
            state.lanes.give_up(taken.ticket);
            return;
        }
        let retries = target.config.retry();
        taken.update.tries += 1;
        taken.update.refused += 1;
        let Outgoing { tries, refused, .. } = taken.update;
        let bounded = target.config.bounded_attempts();
        let attempts = bounded.unwrap_or(DEFAULT_ATTEMPTS);
        let spent = refused >= attempts;
        let delay = if spent {
            self.around.breaker.wait(refused - attempts)
        } else {
            retries.delay(tries, state.chance.fraction())
        };
        let delay = delay.max(retry_after.unwrap_or_default());
        if spent {
            // Where attempts are configured, it goes once more as soon as the endpoint takes something.
            let at_once = bounded.is_some() && refused == attempts;
            taken.update.not_before_ms = if at_once { 0 } else { due(now_ms, delay) };
        }
        match state.lanes.put_back(taken, spent) {
            Fate::Waits(parked) => {
                self.row.retried();
                self.wake_later(state, parked, now_ms, delay);
            }
            Fate::GivenUp if bounded.is_some() => {
                if refused == attempts {
                    self.row.failed(1);
                }
            }
            Fate::GivenUp => {
                self.row.retried();
                self.recall_later(state, due(now_ms, delay));
            }
            Fate::Dropped if spent => self.row.failed(1),
            Fate::Dropped => self.row.superseded(),
        }
    }

    fn not_received(
        self: &Arc<Self>,
        state: &mut State,
        mut taken: Taken<Outgoing>,
        target: &Target,
        asked: Duration,
        now_ms: u64,
    ) {
        if state.retired {
            self.row.failed(1);
            state.lanes.give_up(taken.ticket);
            return;
        }
        taken.update.tries += 1;
        let tries = taken.update.tries;
        match state.lanes.put_back(taken, false) {
            Fate::Dropped | Fate::GivenUp => self.row.superseded(),
            Fate::Waits(parked) if state.breaker.is_closed() => {
                self.row.retried();
                let delay = target.config.retry().delay(tries, state.chance.fraction());
                self.wake_later(state, parked, now_ms, delay.max(asked));
            }
            Fate::Waits(parked) => {
                self.row.retried();
                // It waits for the breaker and for nothing else.
                state.lanes.wake(&parked);
            }
        }
        self.watch_the_clock(state);
    }

    fn closed(self: &Arc<Self>, state: &mut State) {
        tracing::info!(
            session = self.session.as_deref(),
            endpoint = self.label,
            waiting = state.lanes.waiting(),
            "the webhook endpoint is up again"
        );
        let workers = self.around.in_flight;
        self.rouse(state, workers);
    }

    fn log_failure(&self, taken: &Taken<Outgoing>, reason: &str) {
        let event = &taken.update.event;
        tracing::debug!(
            session = &*event.session,
            endpoint = self.label,
            request_id = event.id.as_str(),
            tries = taken.update.tries + 1,
            reason,
            "the webhook failed to take an event"
        );
    }
}
