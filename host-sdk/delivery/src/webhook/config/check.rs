//! What is right in a configuration, wherever it was written.

use std::{ops::RangeInclusive, time::Duration};

use http::{HeaderName, HeaderValue, Uri};
use serde_json::Value;

use super::{ConfigError, REDACTED};
use crate::webhook::retry::RetryPolicy;

/// How many attempts may be configured; 0 is one request and no retry.
const ATTEMPTS: RangeInclusive<u32> = 0..=1_000;

/// How many seconds of delay may be configured.
const DELAY_SECONDS: RangeInclusive<f64> = 0.0..=86_400.0;

/// Headers that the delivery sets itself.
const OWN_HEADERS: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

pub(super) fn check_url(url: &str) -> Result<Uri, String> {
    let wrong =
        |why: &str| format!("{why}; expected an absolute URL such as https://example.com/webhook");
    let uri: Uri = url.parse().map_err(|_| wrong("is not a URL"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("does not start with http:// or https://"));
    }
    let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
    if authority.as_str().contains('@') {
        return Err("has a user name in it; put credentials into customHeaders".to_owned());
    }
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    let is_port = |digits: &str| digits.parse::<u16>().is_ok_and(|port| port != 0);
    if authority.host().is_empty()
        || !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
    {
        return Err(wrong("has no proper host and port"));
    }
    Ok(uri)
}

pub(super) fn check_event(name: &str, field: &str) -> Result<String, ConfigError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name == "*" || ((1..=64).contains(&name.len()) && name.chars().all(fits)) {
        return Ok(name.to_owned());
    }
    let problem =
        format!("{name:?} is no name of an event; expected one such as session.status, or *");
    Err(ConfigError::new(field, problem))
}

pub(super) fn read_policy(word: &str, field: &str) -> Result<RetryPolicy, ConfigError> {
    RetryPolicy::from_word(word).ok_or_else(|| {
        let words = RetryPolicy::WORDS.join(", ");
        ConfigError::new(field, format!("expected one of {words}, found {word:?}"))
    })
}

/// Reads `attempts`: a whole number, or the text of one.
pub(super) fn read_attempts(value: &Value, field: &str) -> Result<u32, ConfigError> {
    // 3.0 is written as 3.
    let attempts = number(value).and_then(|number| number.to_string().parse().ok());
    attempts.filter(|attempts| ATTEMPTS.contains(attempts)).ok_or_else(|| {
        let (least, most) = (ATTEMPTS.start(), ATTEMPTS.end());
        let problem = format!("expected a whole number from {least} to {most}, found {value}");
        ConfigError::new(field, problem)
    })
}

/// Reads `delaySeconds`: a number, which may have a fraction, or the text of one.
pub(super) fn read_delay(value: &Value, field: &str) -> Result<Duration, ConfigError> {
    let seconds = number(value).filter(|seconds| DELAY_SECONDS.contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        let (least, most) = (DELAY_SECONDS.start(), DELAY_SECONDS.end());
        ConfigError::new(field, format!("expected a number from {least} to {most}, found {value}"))
    })
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// What was shown in place of a secret must not become the secret when it is written back.
///
/// # Errors
///
/// When `value` is the placeholder.
pub fn refuse_placeholder(value: &str, field: &str) -> Result<(), ConfigError> {
    if value == REDACTED {
        let problem = "is the placeholder that stands for a secret; give the secret itself";
        return Err(ConfigError::new(field, problem));
    }
    Ok(())
}

pub(super) fn header_name(name: &str, field: &str) -> Result<HeaderName, ConfigError> {
    let parsed: HeaderName = name
        .parse()
        .map_err(|_| ConfigError::new(field, format!("{name:?} is no name of a header")))?;
    if OWN_HEADERS.contains(&parsed.as_str()) || parsed.as_str().starts_with("x-webhook-") {
        let problem = format!("{name} is set by the gateway itself; choose another header");
        return Err(ConfigError::new(field, problem));
    }
    Ok(parsed)
}

pub(super) fn header_value(value: &str, field: &str) -> Result<HeaderValue, ConfigError> {
    refuse_placeholder(value, field)?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| ConfigError::new(field, "has characters that no header may have"))?;
    value.set_sensitive(true);
    Ok(value)
}
