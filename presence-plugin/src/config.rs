//! The plugin's configuration.

use std::time::Duration;

use host_abi::{ErrorKind, PluginError};
use serde::Deserialize;

use crate::state::Limits;

/// The plugin's configuration, a JSON object. Every key is optional; unknown keys are refused.
///
/// ```
/// let config = presence_plugin::Config::read(br#"{"firstUpdateWaitMs": 250}"#)?;
/// assert_eq!(config.first_update_wait_ms, 250);
/// # Ok::<(), host_abi::PluginError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// How long the first GET of a chat waits for the first update, in milliseconds: 0 to 60,000, by
    /// default 1,000.
    pub first_update_wait_ms: u64,
    /// The pause between two subscriptions on a new connection, in milliseconds: 0 to 60,000, by default
    /// 50.
    pub resubscribe_pause_ms: u64,
    /// The largest number of chats per session: at least 1, by default 250,000. Updates of further chats are
    /// ignored, and requests for them are answered by 503.
    pub max_chats: usize,
    /// The largest number of participants per chat: 1 to 65,534, by default 16,384. Updates of further
    /// participants are ignored.
    pub max_participants: usize,
}

impl Default for Config {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            first_update_wait_ms: 1000,
            resubscribe_pause_ms: 50,
            max_chats: limits.chats,
            max_participants: limits.participants,
        }
    }
}

const LONGEST_MS: u64 = 60_000;

impl Config {
    /// Reads the configuration; an empty one, or `null`, means the defaults.
    ///
    /// # Errors
    ///
    /// When it is not valid JSON, or has an unknown key or a value out of range.
    pub fn read(json: &[u8]) -> Result<Self, PluginError> {
        if json.is_empty() {
            return Ok(Self::default());
        }
        let config: Option<Self> = serde_json::from_slice(json).map_err(|error| wrong(&error))?;
        let config = config.unwrap_or_default();
        config.check()?;
        Ok(config)
    }

    /// How long the first GET of a chat waits for the first update.
    #[must_use]
    pub fn first_update_wait(&self) -> Duration {
        Duration::from_millis(self.first_update_wait_ms)
    }

    /// The pause between two subscriptions on a new connection.
    #[must_use]
    pub fn resubscribe_pause(&self) -> Duration {
        Duration::from_millis(self.resubscribe_pause_ms)
    }

    /// The limits per session.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { chats: self.max_chats, participants: self.max_participants, ..Limits::default() }
    }

    fn check(&self) -> Result<(), PluginError> {
        for (key, ms) in [
            ("firstUpdateWaitMs", self.first_update_wait_ms),
            ("resubscribePauseMs", self.resubscribe_pause_ms),
        ] {
            if ms > LONGEST_MS {
                return Err(wrong(&format!("{key} is {ms}; expected 0 to {LONGEST_MS}")));
            }
        }
        let most = Limits::MOST_PARTICIPANTS;
        if !(1..=most).contains(&self.max_participants) {
            let given = self.max_participants;
            return Err(wrong(&format!("maxParticipants is {given}; expected 1 to {most}")));
        }
        if self.max_chats == 0 {
            return Err(wrong(&"maxChats is 0; expected at least 1"));
        }
        Ok(())
    }
}

fn wrong(why: &dyn std::fmt::Display) -> PluginError {
    PluginError::new(ErrorKind::INVALID, format!("failed to read the configuration: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        let error = Config::read(json.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::INVALID);
        error.message().to_owned()
    }

    #[test]
    fn an_empty_configuration_means_the_defaults() {
        for nothing in ["", "null", "{}"] {
            assert_eq!(Config::read(nothing.as_bytes()).unwrap(), Config::default());
        }
        assert_eq!(Config::default().first_update_wait(), Duration::from_secs(1));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let refused = refusal(r#"{"firstUpdateWait":1}"#);
        assert!(refused.contains("unknown field `firstUpdateWait`"), "{refused}");
        assert!(refused.contains("firstUpdateWaitMs"), "{refused}");
    }

    #[test]
    fn a_value_out_of_range_is_refused_and_the_range_given() {
        for (json, says) in [
            (r#"{"firstUpdateWaitMs":60001}"#, "firstUpdateWaitMs is 60001; expected 0 to 60000"),
            (r#"{"resubscribePauseMs":99999}"#, "resubscribePauseMs is 99999; expected 0 to 60000"),
            (r#"{"maxParticipants":65535}"#, "maxParticipants is 65535; expected 1 to 65534"),
            (r#"{"maxParticipants":0}"#, "maxParticipants is 0; expected 1 to 65534"),
            (r#"{"maxChats":0}"#, "maxChats is 0; expected at least 1"),
            (r#"{"maxChats":-1}"#, "invalid value"),
            (r#"{"firstUpdateWaitMs":"1"}"#, "invalid type"),
            ("[", "EOF"),
        ] {
            let refused = refusal(json);
            assert!(refused.contains(says), "{refused}");
        }
    }
}
