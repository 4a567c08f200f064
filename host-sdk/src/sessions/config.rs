//! A session's configuration, in WAHA's shape (`SessionConfig`).

use serde_json::{Map, Value};

use crate::webhook::WebhookConfig;

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
    use super::IgnoreConfig;

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
