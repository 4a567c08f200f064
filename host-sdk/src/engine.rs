//! What speaks WhatsApp for a session: the trait that the author of a gateway implements.

pub(crate) mod events;

use std::{fmt, future::ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use host_abi::{ErrorKind, PluginError};
use serde::{Deserialize, Serialize};

pub use self::events::{EngineEvents, QUEUE_DEPTH};

/// A library that speaks WhatsApp, for example NOWEB.
///
/// One engine serves many sessions, each by its name. What it hears goes to the [`EngineEvents`]
/// that it got when the session was started.
pub trait Engine: Send + Sync + 'static {
    /// The engine's name, as WAHA writes it: `NOWEB`, `WEBJS`, `GOWS`.
    fn name(&self) -> &str;

    /// Connects a session. Answers when the connection is under way; how it goes is reported
    /// through `events`.
    fn start(
        &self,
        session: &str,
        events: EngineEvents,
    ) -> BoxFuture<'static, Result<(), EngineError>>;

    /// Disconnects a session and keeps its credentials.
    fn stop(&self, session: &str) -> BoxFuture<'static, Result<(), EngineError>>;

    /// Disconnects a session and forgets its credentials.
    fn logout(&self, session: &str) -> BoxFuture<'static, Result<(), EngineError>> {
        self.stop(session)
    }

    /// The session, logged out before, is deleted and will not come back.
    fn removed(&self, _session: &str) {}

    /// The text of the QR code that links a session to a phone's account, while the session waits for one.
    fn qr(&self, _session: &str) -> BoxFuture<'static, Result<String, EngineError>> {
        Box::pin(ready(Err(EngineError::Unsupported("QR codes".to_owned()))))
    }

    /// A code to type on the phone instead. `phone` is its international number, digits only.
    fn pairing_code(
        &self,
        _session: &str,
        _phone: &str,
    ) -> BoxFuture<'static, Result<String, EngineError>> {
        Box::pin(ready(Err(EngineError::Unsupported("pairing codes".to_owned()))))
    }

    /// Does what a plugin asks for. `op` and the JSON of `args` and answer are between the plugin and
    /// the engine, for example Baileys' `sendMessage`; the gateway only carries them.
    fn call(
        &self,
        op: &str,
        session: &str,
        args: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, EngineError>>;
}

/// Why an engine did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine, or WhatsApp behind it, refused: 502.
    #[error("the engine refused: {0}")]
    Refused(String),
    /// There was no answer in time: 504.
    #[error("the engine did not answer: {0}")]
    Timeout(String),
    /// The engine has no such operation: 422.
    #[error("the engine does not implement {0}")]
    Unsupported(String),
}

impl From<EngineError> for PluginError {
    fn from(error: EngineError) -> Self {
        let kind = match error {
            EngineError::Refused(_) => ErrorKind::ENGINE,
            EngineError::Timeout(_) => ErrorKind::TIMEOUT,
            EngineError::Unsupported(_) => ErrorKind::UNSUPPORTED,
        };
        Self::new(kind, error.to_string())
    }
}

/// How a session is, in WAHA's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionStatus {
    /// Not running.
    Stopped,
    /// Connecting.
    Starting,
    /// Waiting for a phone to scan the code.
    ScanQrCode,
    /// Connected.
    Working,
    /// Given up; a restart may help.
    Failed,
}

impl SessionStatus {
    /// The status as WAHA writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Starting => "STARTING",
            Self::ScanQrCode => "SCAN_QR_CODE",
            Self::Working => "WORKING",
            Self::Failed => "FAILED",
        }
    }
}

impl SessionStatus {
    pub(crate) fn is_at_rest(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The account behind a session (WAHA's `MeInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The account's chat id, `…@c.us`.
    pub id: String,
    /// The name that the account shows to others.
    pub push_name: String,
    /// The account's hidden id, `…@lid`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lid: Option<String>,
    /// The account's id with its device, `…:7@s.whatsapp.net`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jid: Option<String>,
}
