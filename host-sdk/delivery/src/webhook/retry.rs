//! When a request that failed is sent again.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use http::HeaderValue;
use serde::{Deserialize, Serialize};

/// How the wait grows from one attempt to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetryPolicy {
    /// `d` each time.
    #[default]
    Constant,
    /// `d * n` after the nth attempt.
    Linear,
    /// `d * 2^(n-1)` after the nth attempt, and up to 20 % more.
    Exponential,
}

impl RetryPolicy {
    /// The words that name a policy.
    pub const WORDS: [&'static str; 3] = ["constant", "linear", "exponential"];

    /// The policy that a word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "constant" => Some(Self::Constant),
            "linear" => Some(Self::Linear),
            "exponential" => Some(Self::Exponential),
            _ => None,
        }
    }
}

impl fmt::Display for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Exponential => "exponential",
        })
    }
}

/// How many requests are made for an update where that is not configured, as in WAHA.
pub(crate) const DEFAULT_ATTEMPTS: u32 = 15;

/// How often, and how long apart, a request is tried (`retries` of a webhook).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Retries {
    /// How the wait grows.
    pub policy: RetryPolicy,
    /// `d`, shown in seconds (`delaySeconds`).
    #[serde(rename = "delaySeconds", serialize_with = "as_seconds")]
    pub delay: Duration,
    /// How many requests are made in all; 0 and 1 are one request and no retry. `None`: 15, after which a
    /// last state is still tried at the breaker's pace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

impl Default for Retries {
    /// Every 2 seconds; attempts as not configured.
    fn default() -> Self {
        Self { policy: RetryPolicy::Constant, delay: Duration::from_secs(2), attempts: None }
    }
}

/// Whole seconds as a whole number, as JavaScript writes them.
fn as_seconds<S: serde::Serializer>(delay: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    if delay.subsec_nanos() == 0 {
        serializer.serialize_u64(delay.as_secs())
    } else {
        serializer.serialize_f64(delay.as_secs_f64())
    }
}

/// The longest wait between two attempts.
const MAX_DELAY: Duration = Duration::from_secs(24 * 3600);

/// The longest wait that a receiver may ask for with `Retry-After`.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

impl Retries {
    /// The wait after the `tries`th attempt has failed, `tries` counting from 1. `chance` is from 0
    /// up to 1.
    #[must_use]
    pub fn delay(&self, tries: u32, chance: f64) -> Duration {
        let d = self.delay;
        let delay = match self.policy {
            RetryPolicy::Constant => d,
            RetryPolicy::Linear => d.saturating_mul(tries),
            RetryPolicy::Exponential => {
                let factor = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
                let delay = d.saturating_mul(factor).min(MAX_DELAY);
                delay + delay.mul_f64(0.2 * chance.clamp(0.0, 1.0))
            }
        };
        delay.min(MAX_DELAY)
    }
}

/// What a receiver asks for with `Retry-After`: seconds or a date; at most [`MAX_RETRY_AFTER`].
pub(crate) fn retry_after(value: &HeaderValue, now_ms: u64) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if text.is_empty() {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are a long time all the same.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let at_ms = date.duration_since(UNIX_EPOCH).ok()?;
    Some(at_ms.saturating_sub(Duration::from_millis(now_ms)).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::{MAX_DELAY, MAX_RETRY_AFTER, Retries, RetryPolicy, retry_after};

    fn seconds(policy: RetryPolicy, chance: f64) -> Vec<f64> {
        let retries = Retries { policy, ..Retries::default() };
        (1..=5).map(|tries| retries.delay(tries, chance).as_secs_f64()).collect()
    }

    #[test]
    fn each_policy_waits_as_it_is_documented() {
        assert_eq!(seconds(RetryPolicy::Constant, 0.5), [2.0, 2.0, 2.0, 2.0, 2.0]);
        assert_eq!(seconds(RetryPolicy::Linear, 0.5), [2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(seconds(RetryPolicy::Exponential, 0.0), [2.0, 4.0, 8.0, 16.0, 32.0]);
        assert_eq!(seconds(RetryPolicy::Exponential, 1.0), [2.4, 4.8, 9.6, 19.2, 38.4]);
    }

    #[test]
    fn no_number_of_attempts_overflows() {
        for policy in [RetryPolicy::Linear, RetryPolicy::Exponential] {
            let retries = Retries { policy, delay: Duration::MAX, attempts: Some(u32::MAX) };
            assert_eq!(retries.delay(u32::MAX, 1.0), MAX_DELAY);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_is_clamped() {
        let now_ms = 784_111_777_000;
        let after = |text: &'static str| retry_after(&HeaderValue::from_static(text), now_ms);
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:27 GMT"), Some(Duration::ZERO));
        assert_eq!(after("86400"), Some(MAX_RETRY_AFTER));
        assert_eq!(after("99999999999999999999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(after("soon"), None);
        assert_eq!(after(""), None);
    }
}
