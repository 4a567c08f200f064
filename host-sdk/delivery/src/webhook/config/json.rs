//! A webhook as JSON, in WAHA's shape (`WebhookConfig`).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeStruct};
use serde_json::{Map, Value};

use super::{
    ConfigError, CustomHeader, HmacConfig, REDACTED, WebhookConfig,
    check::{
        check_event, check_url, header_name, header_value, read_attempts, read_delay, read_policy,
        refuse_placeholder,
    },
};
use crate::webhook::retry::Retries;

/// The most webhooks of a session.
const MAX_WEBHOOKS: usize = 32;

/// The most headers that a webhook adds.
const MAX_HEADERS: usize = 64;

/// The most bytes of a webhook's URL, of its key, and of a header's value.
const MAX_TEXT: usize = 8 * 1024;

impl WebhookConfig {
    /// Reads WAHA's shape. `field` is the path at which `value` stands, for the error.
    ///
    /// # Errors
    ///
    /// When a field is missing or wrong; fields that are not known are ignored, as WAHA does.
    pub fn from_json(value: &Value, field: &str) -> Result<Self, ConfigError> {
        let object = object(value, field)?;
        let url_field = format!("{field}.url");
        let url = match object.get("url") {
            Some(url) => text(url, &url_field)?,
            None => return Err(ConfigError::new(url_field, "is missing; expected a URL")),
        };
        let uri = check_url(url).map_err(|problem| ConfigError::new(url_field, problem))?;
        let events = read_events(object.get("events"), &format!("{field}.events"))?;
        let hmac = match present(object, "hmac") {
            Some(hmac) => read_hmac(hmac, &format!("{field}.hmac"))?,
            None => None,
        };
        let retries = match present(object, "retries") {
            Some(retries) => Some(read_retries(retries, &format!("{field}.retries"))?),
            None => None,
        };
        let custom_headers = match present(object, "customHeaders") {
            Some(headers) => read_headers(headers, &format!("{field}.customHeaders"))?,
            None => Vec::new(),
        };
        Ok(Self { url: url.to_owned(), uri, events, hmac, retries, custom_headers })
    }

    /// Reads the webhooks of a session's configuration, `config.webhooks`. `field` is their path.
    ///
    /// # Errors
    ///
    /// When it is not a list, or one of them is wrong.
    pub fn list_from_json(value: &Value, field: &str) -> Result<Vec<Self>, ConfigError> {
        let Value::Array(list) = value else {
            return Err(expected(field, "a list of webhooks", value));
        };
        at_most(MAX_WEBHOOKS, "webhooks", list.len(), field)?;
        let read = |(n, value)| Self::from_json(value, &format!("{field}[{n}]"));
        list.iter().enumerate().map(read).collect()
    }
}

fn at_most(most: usize, what: &str, found: usize, field: &str) -> Result<(), ConfigError> {
    if found <= most {
        return Ok(());
    }
    Err(ConfigError::new(field, format!("expected up to {most} {what}, found {found}")))
}

impl Serialize for WebhookConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("WebhookConfig", 5)?;
        shown.serialize_field("url", &self.url)?;
        shown.serialize_field("events", &self.events)?;
        let hmac = self.hmac.as_ref().map(|_| serde_json::json!({ "key": REDACTED }));
        shown.serialize_field("hmac", &hmac)?;
        shown.serialize_field("retries", &self.retries)?;
        let header =
            |h: &CustomHeader| serde_json::json!({ "name": h.name.as_str(), "value": REDACTED });
        let headers: Vec<Value> = self.custom_headers.iter().map(header).collect();
        shown.serialize_field("customHeaders", &Some(headers).filter(|list| !list.is_empty()))?;
        shown.end()
    }
}

impl<'de> Deserialize<'de> for WebhookConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_json(&value, "webhook").map_err(de::Error::custom)
    }
}

fn read_events(value: Option<&Value>, field: &str) -> Result<Vec<String>, ConfigError> {
    let value = value.ok_or_else(|| {
        ConfigError::new(field, "is missing; expected a list of events, or [\"*\"] for all")
    })?;
    let Value::Array(list) = value else {
        return Err(expected(field, "a list of events, or [\"*\"] for all", value));
    };
    let read = |(n, value)| {
        let field = format!("{field}[{n}]");
        check_event(text(value, &field)?, &field)
    };
    list.iter().enumerate().map(read).collect()
}

fn read_hmac(value: &Value, field: &str) -> Result<Option<HmacConfig>, ConfigError> {
    let object = object(value, field)?;
    let Some(key) = present(object, "key") else { return Ok(None) };
    let field = format!("{field}.key");
    let key = text(key, &field)?;
    refuse_placeholder(key, &field)?;
    // As in WAHA, an empty key signs nothing.
    Ok((!key.is_empty()).then(|| HmacConfig { key: key.to_owned() }))
}

fn read_retries(value: &Value, field: &str) -> Result<Retries, ConfigError> {
    let object = object(value, field)?;
    let mut retries = Retries::default();
    if let Some(policy) = present(object, "policy") {
        let field = format!("{field}.policy");
        retries.policy = read_policy(text(policy, &field)?, &field)?;
    }
    if let Some(seconds) = present(object, "delaySeconds") {
        retries.delay = read_delay(seconds, &format!("{field}.delaySeconds"))?;
    }
    if let Some(attempts) = present(object, "attempts") {
        retries.attempts = Some(read_attempts(attempts, &format!("{field}.attempts"))?);
    }
    Ok(retries)
}

fn read_headers(value: &Value, field: &str) -> Result<Vec<CustomHeader>, ConfigError> {
    let Value::Array(list) = value else {
        return Err(expected(field, "a list of headers", value));
    };
    at_most(MAX_HEADERS, "headers", list.len(), field)?;
    let read = |(n, value)| {
        let field = format!("{field}[{n}]");
        let object = object(value, &field)?;
        let part = |name: &str| {
            let field = format!("{field}.{name}");
            match object.get(name) {
                Some(value) => Ok((text(value, &field)?, field)),
                None => Err(ConfigError::new(field, "is missing; expected a text")),
            }
        };
        let (name, name_field) = part("name")?;
        let (value, value_field) = part("value")?;
        Ok(CustomHeader {
            name: header_name(name, &name_field)?,
            value: header_value(value, &value_field)?,
        })
    };
    list.iter().enumerate().map(read).collect()
}

fn present<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn object<'a>(value: &'a Value, field: &str) -> Result<&'a Map<String, Value>, ConfigError> {
    value.as_object().ok_or_else(|| expected(field, "an object", value))
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, ConfigError> {
    let text = value.as_str().ok_or_else(|| expected(field, "a text", value))?;
    at_most(MAX_TEXT, "bytes", text.len(), field)?;
    Ok(text)
}

/// Says of what kind `found` is, and not what it is: it may be a secret.
fn expected(field: &str, what: &str, found: &Value) -> ConfigError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    ConfigError::new(field, format!("expected {what}, found {found}"))
}
