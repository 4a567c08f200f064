//! What WhatsApp lets a session see.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// WhatsApp's rules, each of which can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Online and offline of a contact are shown only after a subscribe on this connection.
    pub subscribe_first: bool,
    /// Online and offline are shown only while the session itself is online.
    pub online_first: bool,
    /// Typing and recording are shown only while the session itself is online.
    pub typing_needs_online: bool,
    /// A contact without a trusted-contact token (`stranger = true`) shows no presence at all.
    pub silent_strangers: bool,
    /// Contacts may hide their last seen and that they are online.
    pub privacy: bool,
    /// A new connection knows nothing of the subscriptions of the one before.
    pub reconnect_forgets: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            subscribe_first: true,
            online_first: true,
            typing_needs_online: true,
            silent_strangers: true,
            privacy: true,
            reconnect_forgets: true,
        }
    }
}

impl Rules {
    /// No rule holds: everything is shown.
    pub fn none() -> Self {
        Self {
            subscribe_first: false,
            online_first: false,
            typing_needs_online: false,
            silent_strangers: false,
            privacy: false,
            reconnect_forgets: false,
        }
    }
}
