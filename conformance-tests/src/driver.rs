//! Drivers, which make things happen on the engine's side: most checks need a contact that comes
//! online or types.

pub mod exec;
mod manual;
mod mock;
mod none;
mod peer;

pub(crate) use mock::presence_stanza;

use std::fmt;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::{Ability, Target};

/// A way to make things happen on the engine's side.
pub trait Driver: Send + Sync + fmt::Debug {
    /// The driver as the user named it: `mock:http://localhost:3000`.
    fn name(&self) -> &str;

    /// The abilities of this driver.
    fn abilities(&self) -> &[Ability];

    /// The one contact that it controls; none if it controls any contact.
    fn only_contact(&self) -> Option<&str> {
        None
    }

    /// Whether a step's effects are complete when the step is answered.
    fn is_immediate(&self) -> bool {
        false
    }

    /// Performs one step; the answer matters only for [`Action::Sent`].
    fn perform<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Value, DriverError>>;
}

/// One step, for one session.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The session whose engine performs it.
    pub session: String,
    /// The action.
    #[serde(flatten)]
    pub action: Action,
}

/// Something that happens on the engine's side.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    /// A contact's presence changes in a chat.
    Presence {
        /// The chat: a contact, `…@c.us`, or a group, `…@g.us`.
        chat: String,
        /// The participant: the contact itself, or a member of the group.
        participant: String,
        /// The new presence.
        is: Becomes,
        /// The last seen, when going offline.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_seen: Option<LastSeen>,
    },
    /// A contact sends a message.
    Message {
        /// The chat.
        chat: String,
        /// The sender.
        participant: String,
        /// The text.
        text: String,
    },
    /// A stanza arrives: `{tag, attrs, content}`.
    Stanza {
        /// The stanza.
        stanza: Value,
    },
    /// The engine emits an event, with Baileys' name and data.
    Event {
        /// Its name: `presence.update`.
        event: &'static str,
        /// Its data.
        data: Value,
    },
    /// The connection to WhatsApp opens or closes.
    Connection {
        /// `open` or `close`.
        state: &'static str,
    },
    /// The session's status is set.
    Status {
        /// One of WAHA's statuses: `WORKING`.
        status: &'static str,
    },
    /// Sending to WhatsApp starts to fail, or works again.
    Faults {
        /// `error` or `timeout`; none to work again.
        send: Option<&'static str>,
    },
    /// Lists the stanzas that the target has sent to WhatsApp: `{"sent": [{tag, attrs}, …]}`,
    /// oldest first.
    Sent,
}

/// A contact's new presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Becomes {
    /// Comes online.
    Online,
    /// Goes offline.
    Offline,
    /// Types.
    Typing,
    /// Records a voice message.
    Recording,
    /// Stops typing or recording.
    Stopped,
}

/// The last seen of a contact who goes offline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum LastSeen {
    /// In Unix seconds.
    At(u64),
    /// The text that WhatsApp sends: `deny` when the contact hides it.
    Text(&'static str),
}

/// An error of a driver.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DriverError {
    /// No such driver exists.
    #[error(
        "unknown driver {0:?}; expected mock:URL, exec:COMMAND, peer:URL#SESSION, manual or none"
    )]
    Unknown(String),
    /// The driver's argument is invalid.
    #[error("invalid driver {driver:?}: {why}")]
    Misnamed {
        /// The driver as the user named it.
        driver: String,
        /// What is wrong with it.
        why: String,
    },
    /// The driver cannot do this, or the user declined.
    #[error("{0}")]
    Declined(String),
    /// The driver is not available, or failed.
    #[error("{0}")]
    Failed(String),
}

impl DriverError {
    fn misnamed(driver: &str, why: impl fmt::Display) -> Self {
        Self::Misnamed { driver: driver.to_owned(), why: why.to_string() }
    }

    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}

/// Starts the driver that `text` names.
///
/// # Errors
///
/// If there is no such driver, or it cannot be started.
pub async fn connect(
    text: &str,
    session: &str,
    target: &Target,
    peer_key: Option<String>,
) -> Result<Box<dyn Driver>, DriverError> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        "none" => Ok(Box::new(none::NoDriver)),
        "mock" if !rest.is_empty() => {
            Ok(Box::new(mock::Mock::connect(text, rest, session, target).await?))
        }
        "exec" if !rest.is_empty() => {
            Ok(Box::new(exec::Exec::start(text, rest, target.timeout()).await?))
        }
        "peer" => Ok(Box::new(peer::Peer::connect(text, rest, session, target, peer_key).await?)),
        "manual" => Ok(Box::new(manual::Manual::start().await?)),
        _ => Err(DriverError::Unknown(text.to_owned())),
    }
}

/// The engine's form of an id: `…@s.whatsapp.net` for `…@c.us`.
pub(crate) fn engine_id(id: &str) -> String {
    id.strip_suffix("@c.us")
        .map_or_else(|| id.to_owned(), |number| format!("{number}@s.whatsapp.net"))
}
