//! What a user writes about a webhook, in WAHA's shape (`WebhookConfig`).

mod check;
mod environment;
mod json;

use std::fmt;

use http::{HeaderName, HeaderValue, Uri};
use serde_json::Value;

use self::check::check_url;
pub use self::check::refuse_placeholder;
use super::retry::Retries;

/// Where events go, which, and how.
///
/// [`Debug`] and [`Serialize`](serde::Serialize) show neither the key nor the values of custom headers.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    url: String,
    uri: Uri,
    events: Vec<String>,
    hmac: Option<HmacConfig>,
    retries: Option<Retries>,
    custom_headers: Vec<CustomHeader>,
}

/// The key that bodies are signed with (`hmac`).
#[derive(Clone, PartialEq, Eq)]
pub struct HmacConfig {
    /// The key, as text.
    pub key: String,
}

/// A header that requests carry (`customHeaders`).
#[derive(Clone, PartialEq, Eq)]
pub struct CustomHeader {
    /// The header's name.
    pub name: HeaderName,
    /// Its value; never shown.
    pub value: HeaderValue,
}

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// The path of the field, such as `config.webhooks[0].retries.policy`, or the variable.
    pub field: String,
    /// What is wrong and what would be right; no secret is in it.
    pub problem: String,
}

impl ConfigError {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// What stands for a secret where a configuration is shown.
pub const REDACTED: &str = "***";

impl WebhookConfig {
    /// A webhook for all events.
    ///
    /// # Errors
    ///
    /// When `url` is not an absolute http or https URL without credentials.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let uri = check_url(url).map_err(|problem| ConfigError::new("url", problem))?;
        Ok(Self {
            url: url.to_owned(),
            uri,
            events: vec!["*".to_owned()],
            hmac: None,
            retries: None,
            custom_headers: Vec::new(),
        })
    }

    /// Sends the named events only; `*` is all.
    #[must_use]
    pub fn events<E: Into<String>>(mut self, events: impl IntoIterator<Item = E>) -> Self {
        self.events = events.into_iter().map(Into::into).collect();
        self
    }

    /// Signs bodies with a key.
    #[must_use]
    pub fn hmac_key(mut self, key: impl Into<String>) -> Self {
        self.hmac = Some(HmacConfig { key: key.into() });
        self
    }

    /// Tries as often and as long apart as `retries` says.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn custom_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.custom_headers.push(CustomHeader { name, value });
        self
    }

    /// Where events go, as it was written.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where events go.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether `event` is sent.
    #[must_use]
    pub fn wants(&self, event: &str) -> bool {
        self.events.iter().any(|wanted| wanted == "*" || wanted == event)
    }

    /// The key of signatures.
    #[must_use]
    pub fn hmac(&self) -> Option<&HmacConfig> {
        self.hmac.as_ref()
    }

    /// How often, and how long apart, a request is tried.
    #[must_use]
    pub fn retry(&self) -> Retries {
        self.retries.unwrap_or_default()
    }

    /// How many requests are made for an update, where that is configured.
    pub(crate) fn bounded_attempts(&self) -> Option<u32> {
        self.retries?.attempts.map(|attempts| attempts.max(1))
    }

    /// The headers that were added.
    #[must_use]
    pub fn custom_headers(&self) -> &[CustomHeader] {
        &self.custom_headers
    }
}

impl WebhookConfig {
    /// Puts this webhook's secrets where `shown`, its JSON, has their placeholders.
    pub fn restore_secrets(&self, shown: &mut Value) {
        if let (Some(hmac), Some(key)) = (&self.hmac, shown.pointer_mut("/hmac/key"))
            && *key == REDACTED
        {
            *key = hmac.key.as_str().into();
        }
        let mut unused: Vec<&CustomHeader> = self.custom_headers.iter().collect();
        let headers = shown.get_mut("customHeaders").and_then(Value::as_array_mut);
        for header in headers.into_iter().flatten().filter(|header| header["value"] == REDACTED) {
            let name = header["name"].as_str().unwrap_or_default();
            let known = unused.iter().position(|known| known.name == name);
            if let Some(value) = known.and_then(|at| unused.remove(at).value.to_str().ok()) {
                header["value"] = value.into();
            }
        }
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("url", &self.url)
            .field("events", &self.events)
            .field("hmac", &self.hmac)
            .field("retries", &self.retries)
            .field("custom_headers", &self.custom_headers)
            .finish()
    }
}

impl fmt::Debug for HmacConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacConfig(***)")
    }
}

impl fmt::Debug for CustomHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ***", self.name)
    }
}

#[cfg(test)]
mod tests;
