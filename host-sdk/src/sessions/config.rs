//! A session's configuration, in WAHA's shape (`SessionConfig`).

use host_delivery::webhook::{ConfigError, REDACTED, WebhookConfig, refuse_placeholder};
use serde_json::{Map, Value, json};

/// The largest metadata of a session, in bytes of JSON: every event of the session carries it.
pub const MAX_METADATA: usize = 16 * 1024;

/// The largest settings of a session that the gateway only keeps ([`SessionConfig::other`]), in bytes of JSON.
pub const MAX_OTHER_SETTINGS: usize = 64 * 1024;

/// Where the password of the proxy is, the one secret among the engines' settings.
const PASSWORD: &str = "/proxy/password";

/// What is configured for a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionConfig {
    /// Comes back in every event of the session.
    pub metadata: Option<Map<String, Value>>,
    /// Chats whose events are not wanted.
    pub ignore: IgnoreConfig,
    /// Where the session's events go.
    pub webhooks: Vec<WebhookConfig>,
    /// The engines' own settings (`debug`, `proxy`, `client`, `noweb`, …), kept as they came.
    pub other: Map<String, Value>,
}

impl SessionConfig {
    /// Reads `config` of a request to create or change a session.
    ///
    /// # Errors
    ///
    /// Names the first field that is wrong. Fields that this gateway does not know are kept.
    pub fn from_json(config: &Value) -> Result<Self, ConfigError> {
        let Some(config) = config.as_object() else {
            return Err(wrong("config", "expected an object"));
        };
        let mut read = Self::default();
        for (name, value) in config {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("metadata", Value::Object(metadata)) => {
                    if let Some((key, _)) = metadata.iter().find(|(_, value)| !value.is_string()) {
                        return Err(wrong(format!("config.metadata.{key}"), "expected a string"));
                    }
                    read.metadata = Some(metadata.clone());
                }
                ("metadata", _) => return Err(wrong("config.metadata", "expected an object")),
                ("ignore", ignore) => read.ignore = IgnoreConfig::from_json(ignore)?,
                ("webhooks", webhooks) => {
                    read.webhooks = WebhookConfig::list_from_json(webhooks, "config.webhooks")?;
                }
                _ => drop(read.other.insert(name.clone(), value.clone())),
            }
        }
        check_size("config.metadata", MAX_METADATA, read.metadata.as_ref())?;
        check_size("config", MAX_OTHER_SETTINGS, Some(&read.other))?;
        let password = config.get("proxy").and_then(|proxy| proxy.get("password"));
        refuse_placeholder(
            password.and_then(Value::as_str).unwrap_or_default(),
            "config.proxy.password",
        )?;
        Ok(read)
    }

    /// The configuration as it is shown, without what is secret.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut shown = Value::from(self.other.clone());
        if let Some(password) = shown.pointer_mut(PASSWORD).filter(|password| !password.is_null()) {
            *password = REDACTED.into();
        }
        if let Some(metadata) = &self.metadata {
            shown["metadata"] = metadata.clone().into();
        }
        if self.ignore != IgnoreConfig::default() {
            shown["ignore"] = self.ignore.to_json();
        }
        if !self.webhooks.is_empty() {
            let webhooks = self.webhooks.iter().map(|webhook| json!(webhook)).collect();
            shown["webhooks"] = webhooks;
        }
        shown
    }
}

fn check_size(
    field: &str,
    limit: usize,
    value: Option<&Map<String, Value>>,
) -> Result<(), ConfigError> {
    let size = value.map_or(0, |value| json!(value).to_string().len());
    if size > limit {
        return Err(wrong(field, format!("{size} bytes of JSON; expected up to {limit}")));
    }
    Ok(())
}

fn wrong(field: impl Into<String>, problem: impl Into<String>) -> ConfigError {
    ConfigError { field: field.into(), problem: problem.into() }
}

/// Puts the secrets of `before` back where `config`, as it was shown, has their placeholders: what was
/// read may be written back. A webhook is known again by its URL; the first of several is the first.
pub(crate) fn restore_secrets(config: &mut Value, before: &SessionConfig) {
    if let (Some(shown), Some(password)) =
        (config.pointer_mut(PASSWORD), Value::from(before.other.clone()).pointer(PASSWORD))
        && *shown == REDACTED
    {
        *shown = password.clone();
    }
    let mut unused: Vec<&WebhookConfig> = before.webhooks.iter().collect();
    let webhooks = config.get_mut("webhooks").and_then(Value::as_array_mut);
    for webhook in webhooks.into_iter().flatten() {
        if let Some(at) = unused.iter().position(|known| webhook["url"] == known.url()) {
            unused.remove(at).restore_secrets(webhook);
        }
    }
}

/// Kinds of chats whose events are not wanted (`config.ignore`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IgnoreConfig {
    /// Stories: `status@broadcast`.
    pub status: Option<bool>,
    /// Groups: `…@g.us`.
    pub groups: Option<bool>,
    /// Channels: `…@newsletter`.
    pub channels: Option<bool>,
    /// Broadcast lists, stories among them: `…@broadcast`.
    pub broadcast: Option<bool>,
}

impl IgnoreConfig {
    fn from_json(ignore: &Value) -> Result<Self, ConfigError> {
        let Some(ignore) = ignore.as_object() else {
            return Err(wrong("config.ignore", "expected an object"));
        };
        let read = |name: &str| match ignore.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(on)) => Ok(Some(*on)),
            Some(_) => Err(wrong(format!("config.ignore.{name}"), "expected true or false")),
        };
        Ok(Self {
            status: read("status")?,
            groups: read("groups")?,
            channels: read("channels")?,
            broadcast: read("broadcast")?,
        })
    }

    fn to_json(self) -> Value {
        json!({
            "status": self.status,
            "groups": self.groups,
            "channels": self.channels,
            "broadcast": self.broadcast,
        })
    }

    /// Whether events of the chat `id` are not wanted.
    #[must_use]
    pub fn covers(&self, id: &str) -> bool {
        let on = |setting: Option<bool>| setting == Some(true);
        (on(self.groups) && id.ends_with("@g.us"))
            || (on(self.status) && id == "status@broadcast")
            || (on(self.channels) && id.ends_with("@newsletter"))
            || (on(self.broadcast) && id.ends_with("@broadcast"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{IgnoreConfig, SessionConfig, restore_secrets};

    #[test]
    fn what_was_shown_may_be_written_back_with_its_secrets() {
        let hook = |key: &str, first: &str, second: &str| {
            json!({ "url": "http://localhost:1", "events": ["*"], "hmac": { "key": key },
                "customHeaders": [{ "name": "a", "value": first }, { "name": "a", "value": second }] })
        };
        let config = json!({
            "proxy": { "server": "localhost:2", "password": "hush" },
            "webhooks": [hook("1", "2", "3"), hook("4", "5", "6")],
        });
        let before = SessionConfig::from_json(&config).unwrap();
        let mut shown = before.to_json();
        assert_eq!(shown["proxy"], json!({ "server": "localhost:2", "password": "***" }));
        assert_eq!(
            SessionConfig::from_json(&json!({ "proxy": shown["proxy"] })).unwrap_err().field,
            "config.proxy.password"
        );
        restore_secrets(&mut shown, &before);
        assert_eq!(SessionConfig::from_json(&shown).unwrap(), before);
    }

    #[test]
    fn each_setting_covers_its_kind_of_chat() {
        let groups = IgnoreConfig { groups: Some(true), ..IgnoreConfig::default() };
        assert!(groups.covers("1@g.us"));
        assert!(!groups.covers("1@c.us"));
        let broadcast = IgnoreConfig { broadcast: Some(true), ..IgnoreConfig::default() };
        assert!(broadcast.covers("status@broadcast"));
        let status = IgnoreConfig { status: Some(true), ..IgnoreConfig::default() };
        assert!(!status.covers("1@broadcast"));
    }
}
