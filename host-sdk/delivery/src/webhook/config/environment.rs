//! The global webhook, from WAHA's environment variables.

use super::{
    ConfigError, CustomHeader, HmacConfig, WebhookConfig,
    check::{
        check_event, check_url, header_name, header_value, read_attempts, read_delay, read_policy,
    },
};
use crate::webhook::retry::Retries;

const DELAY_SECONDS: &str = "WHATSAPP_HOOK_RETRIES_DELAY_SECONDS";
const ATTEMPTS: &str = "WHATSAPP_HOOK_RETRIES_ATTEMPTS";

impl WebhookConfig {
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
        if let Some(seconds) = set(DELAY_SECONDS) {
            retries.delay = read_delay(&seconds.into(), DELAY_SECONDS)?;
        }
        if let Some(attempts) = set(ATTEMPTS) {
            retries.attempts = Some(read_attempts(&attempts.into(), ATTEMPTS)?);
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
