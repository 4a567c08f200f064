//! What a user writes about a webhook, in WAHA's shape (`WebhookConfig`).

use std::{fmt, ops::RangeInclusive};

use http::{HeaderName, HeaderValue, Uri};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeStruct};
use serde_json::{Map, Value};

use super::retry::{Retries, RetryPolicy};

/// Where events go, which, and how.
///
/// [`Debug`] and [`Serialize`] show neither the key nor the values of custom headers.
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
const REDACTED: &str = "***";

/// How many attempts may be configured.
const ATTEMPTS: RangeInclusive<u64> = 1..=1_000;

/// How many seconds of delay may be configured.
const DELAY_SECONDS: RangeInclusive<u64> = 0..=86_400;

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

    /// The headers that were added.
    #[must_use]
    pub fn custom_headers(&self) -> &[CustomHeader] {
        &self.custom_headers
    }

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
        let read = |(n, value)| Self::from_json(value, &format!("{field}[{n}]"));
        list.iter().enumerate().map(read).collect()
    }

    /// Reads the global webhook from `WHATSAPP_HOOK_URL` and the variables beside it; none without a
    /// URL. Without `WHATSAPP_HOOK_EVENTS`, all events are sent.
    ///
    /// # Errors
    ///
    /// When a variable is wrong.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Vec<Self>, ConfigError> {
        let get = |name: &str| lookup(name).map(|value| value.trim().to_owned());
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let Some(url) = set("WHATSAPP_HOOK_URL") else { return Ok(Vec::new()) };
        let uri =
            check_url(&url).map_err(|problem| ConfigError::new("WHATSAPP_HOOK_URL", problem))?;
        let events = match set("WHATSAPP_HOOK_EVENTS") {
            None => vec!["*".to_owned()],
            Some(list) => list
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(|name| check_event(name, "WHATSAPP_HOOK_EVENTS"))
                .collect::<Result<_, _>>()?,
        };
        let hmac = set("WHATSAPP_HOOK_HMAC_KEY").map(|key| HmacConfig { key });
        let mut retries = Retries::default();
        if let Some(word) = set("WHATSAPP_HOOK_RETRIES_POLICY") {
            retries.policy = read_policy(&word, "WHATSAPP_HOOK_RETRIES_POLICY")?;
        }
        let number = |name: &str, range: RangeInclusive<u64>| match set(name) {
            None => Ok(None),
            Some(text) => {
                let number = text.parse::<u64>().ok().and_then(|n| within(n, &range));
                number.map(Some).ok_or_else(|| expected_number(name, &range, &Value::from(text)))
            }
        };
        if let Some(seconds) = number("WHATSAPP_HOOK_RETRIES_DELAY_SECONDS", DELAY_SECONDS)? {
            retries.delay_seconds = seconds;
        }
        if let Some(attempts) = number("WHATSAPP_HOOK_RETRIES_ATTEMPTS", ATTEMPTS)? {
            retries.attempts = attempts;
        }
        let mut custom_headers = Vec::new();
        for pair in set("WHATSAPP_HOOK_CUSTOM_HEADERS").unwrap_or_default().split(';') {
            let field = "WHATSAPP_HOOK_CUSTOM_HEADERS";
            if pair.trim().is_empty() {
                continue;
            }
            let Some((name, value)) = pair.split_once(':') else {
                return Err(ConfigError::new(field, "expected Name:Value;Name:Value"));
            };
            custom_headers.push(CustomHeader {
                name: header_name(name.trim(), field)?,
                value: header_value(value.trim(), field)?,
            });
        }
        let retries = Some(retries);
        Ok(vec![Self { url, uri, events, hmac, retries, custom_headers }])
    }
}

fn present<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn object<'a>(value: &'a Value, field: &str) -> Result<&'a Map<String, Value>, ConfigError> {
    value.as_object().ok_or_else(|| expected(field, "an object", value))
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, ConfigError> {
    value.as_str().ok_or_else(|| expected(field, "a text", value))
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

fn check_url(url: &str) -> Result<Uri, String> {
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
    if authority.host().is_empty() || (authority.port().is_some() && uri.port_u16().is_none()) {
        return Err(wrong("has no proper host and port"));
    }
    Ok(uri)
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

fn check_event(name: &str, field: &str) -> Result<String, ConfigError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name == "*" || ((1..=64).contains(&name.len()) && name.chars().all(fits)) {
        return Ok(name.to_owned());
    }
    let problem =
        format!("{name:?} is no name of an event; expected one such as session.status, or *");
    Err(ConfigError::new(field, problem))
}

fn read_hmac(value: &Value, field: &str) -> Result<Option<HmacConfig>, ConfigError> {
    let object = object(value, field)?;
    let Some(key) = present(object, "key") else { return Ok(None) };
    let field = format!("{field}.key");
    let key = text(key, &field)?;
    refuse_placeholder(key, &field)?;
    if key.is_empty() {
        return Err(ConfigError::new(field, "is empty; leave hmac out to sign nothing"));
    }
    Ok(Some(HmacConfig { key: key.to_owned() }))
}

impl WebhookConfig {
    /// Puts this webhook's secrets where `shown`, its JSON, has their placeholders.
    pub(crate) fn restore_secrets(&self, shown: &mut Value) {
        if let (Some(hmac), Some(key)) = (&self.hmac, shown.pointer_mut("/hmac/key"))
            && *key == REDACTED
        {
            *key = hmac.key.as_str().into();
        }
        let headers = shown.get_mut("customHeaders").and_then(Value::as_array_mut);
        for header in headers.into_iter().flatten().filter(|header| header["value"] == REDACTED) {
            let name = header["name"].as_str().unwrap_or_default().to_owned();
            let known = self.custom_headers.iter().find(|known| known.name == name.as_str());
            if let Some(value) = known.and_then(|known| known.value.to_str().ok()) {
                header["value"] = value.into();
            }
        }
    }
}

/// What was shown in place of a secret must not become the secret when it is written back.
fn refuse_placeholder(value: &str, field: &str) -> Result<(), ConfigError> {
    if value == REDACTED {
        let problem = "is the placeholder that stands for a secret; give the secret itself";
        return Err(ConfigError::new(field, problem));
    }
    Ok(())
}

fn read_retries(value: &Value, field: &str) -> Result<Retries, ConfigError> {
    let object = object(value, field)?;
    let mut retries = Retries::default();
    if let Some(policy) = present(object, "policy") {
        let field = format!("{field}.policy");
        retries.policy = read_policy(text(policy, &field)?, &field)?;
    }
    let number = |name: &str, range: &RangeInclusive<u64>| match present(object, name) {
        None => Ok(None),
        Some(value) => {
            let number = value.as_u64().and_then(|n| within(n, range));
            number
                .map(Some)
                .ok_or_else(|| expected_number(&format!("{field}.{name}"), range, value))
        }
    };
    if let Some(seconds) = number("delaySeconds", &DELAY_SECONDS)? {
        retries.delay_seconds = seconds;
    }
    if let Some(attempts) = number("attempts", &ATTEMPTS)? {
        retries.attempts = attempts;
    }
    Ok(retries)
}

fn read_policy(word: &str, field: &str) -> Result<RetryPolicy, ConfigError> {
    RetryPolicy::from_word(word).ok_or_else(|| {
        let words = RetryPolicy::WORDS.join(", ");
        ConfigError::new(field, format!("expected one of {words}, found {word:?}"))
    })
}

fn within(number: u64, range: &RangeInclusive<u64>) -> Option<u32> {
    u32::try_from(number).ok().filter(|_| range.contains(&number))
}

fn expected_number(field: &str, range: &RangeInclusive<u64>, found: &Value) -> ConfigError {
    let (least, most) = (range.start(), range.end());
    ConfigError::new(
        field,
        format!("expected a whole number from {least} to {most}, found {found}"),
    )
}

fn read_headers(value: &Value, field: &str) -> Result<Vec<CustomHeader>, ConfigError> {
    let Value::Array(list) = value else {
        return Err(expected(field, "a list of headers", value));
    };
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

fn header_name(name: &str, field: &str) -> Result<HeaderName, ConfigError> {
    let parsed: HeaderName = name
        .parse()
        .map_err(|_| ConfigError::new(field, format!("{name:?} is no name of a header")))?;
    if OWN_HEADERS.contains(&parsed.as_str()) || parsed.as_str().starts_with("x-webhook-") {
        let problem = format!("{name} is set by the gateway itself; choose another header");
        return Err(ConfigError::new(field, problem));
    }
    Ok(parsed)
}

fn header_value(value: &str, field: &str) -> Result<HeaderValue, ConfigError> {
    refuse_placeholder(value, field)?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| ConfigError::new(field, "has characters that no header may have"))?;
    value.set_sensitive(true);
    Ok(value)
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
mod tests {
    use serde_json::{Value, json};

    use super::{Retries, RetryPolicy, WebhookConfig};

    fn full() -> Value {
        json!({
            "url": "https://example.com/hook?a=b",
            "events": ["presence.update", "session.status"],
            "hmac": {"key": "hush"},
            "retries": {"policy": "linear", "delaySeconds": 3, "attempts": 4},
            "customHeaders": [{"name": "X-Token", "value": "hush"}]
        })
    }

    fn error(change: impl FnOnce(&mut Value)) -> String {
        let mut value = full();
        change(&mut value);
        let list = json!([value]);
        WebhookConfig::list_from_json(&list, "config.webhooks").unwrap_err().to_string()
    }

    #[test]
    fn a_webhook_in_wahas_shape_is_read_whole() {
        let webhook = WebhookConfig::from_json(&full(), "webhook").unwrap();
        assert_eq!(webhook.url(), "https://example.com/hook?a=b");
        assert!(webhook.wants("presence.update") && !webhook.wants("message"));
        assert_eq!(webhook.hmac().unwrap().key, "hush");
        let retries = Retries { policy: RetryPolicy::Linear, delay_seconds: 3, attempts: 4 };
        assert_eq!(webhook.retry(), retries);
        assert_eq!(webhook.custom_headers()[0].value, "hush");
    }

    #[test]
    fn what_is_left_out_or_null_has_its_default() {
        let value = json!({"url": "http://localhost:1", "events": ["*"], "hmac": null,
            "retries": {"attempts": 2}, "customHeaders": null});
        let webhook = WebhookConfig::from_json(&value, "webhook").unwrap();
        assert!(webhook.wants("anything.at-all"));
        let retries = Retries { policy: RetryPolicy::Constant, delay_seconds: 2, attempts: 2 };
        assert_eq!(webhook.retry(), retries);
    }

    #[test]
    fn secrets_are_neither_shown_nor_taken_back_as_their_placeholder() {
        let webhook = WebhookConfig::from_json(&full(), "webhook").unwrap();
        let shown = serde_json::to_value(&webhook).unwrap();
        assert!(!shown.to_string().contains("hush") && !format!("{webhook:?}").contains("hush"));
        assert_eq!(
            WebhookConfig::from_json(&shown, "webhook").unwrap_err().to_string(),
            "webhook.hmac.key: is the placeholder that stands for a secret; give the secret itself"
        );
    }

    #[test]
    fn an_error_names_its_field_and_what_would_be_right() {
        let errors = [
            error(|w| w["retries"]["policy"] = json!("cubic")),
            error(|w| w["retries"]["attempts"] = json!(0)),
            error(|w| w["retries"]["delaySeconds"] = json!("2")),
            error(|w| w["url"] = json!("ftp://example.com")),
            error(|w| w["url"] = json!("https://me:hush@example.com")),
            error(|w| w["url"] = json!("/hook")),
            error(|w| w["events"] = json!("*")),
            error(|w| w["events"] = json!(["a b"])),
            error(|w| drop(w.as_object_mut().unwrap().remove("events"))),
            error(|w| w["hmac"]["key"] = json!(7)),
            error(|w| w["customHeaders"][0]["name"] = json!("Content-Type")),
            error(|w| w["customHeaders"][0]["name"] = json!("X-Webhook-Hmac")),
            error(|w| w["customHeaders"][0]["value"] = json!("hush\n")),
        ];
        insta::assert_snapshot!(errors.join("\n"), @r#"
        config.webhooks[0].retries.policy: expected one of constant, linear, exponential, found "cubic"
        config.webhooks[0].retries.attempts: expected a whole number from 1 to 1000, found 0
        config.webhooks[0].retries.delaySeconds: expected a whole number from 0 to 86400, found "2"
        config.webhooks[0].url: does not start with http:// or https://; expected an absolute URL such as https://example.com/webhook
        config.webhooks[0].url: has a user name in it; put credentials into customHeaders
        config.webhooks[0].url: does not start with http:// or https://; expected an absolute URL such as https://example.com/webhook
        config.webhooks[0].events: expected a list of events, or ["*"] for all, found a text
        config.webhooks[0].events[0]: "a b" is no name of an event; expected one such as session.status, or *
        config.webhooks[0].events: is missing; expected a list of events, or ["*"] for all
        config.webhooks[0].hmac.key: expected a text, found a number
        config.webhooks[0].customHeaders[0].name: Content-Type is set by the gateway itself; choose another header
        config.webhooks[0].customHeaders[0].name: X-Webhook-Hmac is set by the gateway itself; choose another header
        config.webhooks[0].customHeaders[0].value: has characters that no header may have
        "#);
    }

    #[test]
    fn the_environment_gives_the_global_webhook() {
        let read = |pairs: &'static [(&str, &str)]| {
            WebhookConfig::from_env(move |name| {
                pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
            })
        };
        assert_eq!(read(&[]).unwrap(), []);
        let webhooks = read(&[
            ("WHATSAPP_HOOK_URL", "http://localhost:4000/hook"),
            ("WHATSAPP_HOOK_EVENTS", "presence.update, session.status"),
            ("WHATSAPP_HOOK_HMAC_KEY", "hush"),
            ("WHATSAPP_HOOK_RETRIES_POLICY", "exponential"),
            ("WHATSAPP_HOOK_RETRIES_DELAY_SECONDS", "5"),
            ("WHATSAPP_HOOK_RETRIES_ATTEMPTS", "6"),
            ("WHATSAPP_HOOK_CUSTOM_HEADERS", "X-A: one; X-B:http://two;"),
        ])
        .unwrap();
        let expected = json!({"url": "http://localhost:4000/hook",
            "events": ["presence.update", "session.status"], "hmac": {"key": "hush"},
            "retries": {"policy": "exponential", "delaySeconds": 5, "attempts": 6},
            "customHeaders": [{"name": "X-A", "value": "one"}, {"name": "X-B", "value": "http://two"}]});
        assert_eq!(webhooks, [WebhookConfig::from_json(&expected, "").unwrap()]);
        let error = read(&[
            ("WHATSAPP_HOOK_URL", "http://localhost:4000"),
            ("WHATSAPP_HOOK_RETRIES_ATTEMPTS", "many"),
        ]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "WHATSAPP_HOOK_RETRIES_ATTEMPTS: expected a whole number from 1 to 1000, found \"many\""
        );
    }
}
