//! What makes the engine do something: most checks need somebody to come online or type.

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

/// Something that can make the engine of the target do something.
pub trait Driver: Send + Sync + fmt::Debug {
    /// As it was asked for: `mock:http://localhost:3000`.
    fn name(&self) -> &str;

    /// What it can do.
    fn abilities(&self) -> &[Ability];

    /// The one contact that it can move; any contact at all when there is none.
    fn only_contact(&self) -> Option<&str> {
        None
    }

    /// Whether all that a step caused has been applied when the step is answered.
    fn is_immediate(&self) -> bool {
        false
    }

    /// Does one step; the answer matters only to [`Action::Sent`].
    fn perform<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Value, DriverError>>;
}

/// One step, for one session.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The session whose engine does it.
    pub session: String,
    /// What happens.
    #[serde(flatten)]
    pub action: Action,
}

/// What can happen on the engine's side.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    /// A contact's presence changes in a chat.
    Presence {
        /// The chat: a contact, `…@c.us`, or a group, `…@g.us`.
        chat: String,
        /// Who: the contact itself, or a participant of the group.
        participant: String,
        /// What they become.
        is: Becomes,
        /// Their last seen, for those who go offline.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_seen: Option<LastSeen>,
    },
    /// A contact sends a message.
    Message {
        /// The chat.
        chat: String,
        /// Who.
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
    /// The session gets a status.
    Status {
        /// One of WAHA's words: `WORKING`.
        status: &'static str,
    },
    /// Sends to WhatsApp fail from now on, `error` or `timeout`; or work again.
    Faults {
        /// How they fail.
        send: Option<&'static str>,
    },
    /// What the target has sent to WhatsApp: `{"sent": [{tag, attrs}, …]}`, oldest first.
    Sent,
}

/// What a contact becomes.
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
    /// Whatever text WhatsApp sends: `deny` when the contact hides it.
    Text(&'static str),
}

/// A driver that cannot be started, or a step that it did not do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DriverError {
    /// There is no such driver.
    #[error(
        "{0:?} is no driver; expected mock:URL, exec:COMMAND, peer:URL#SESSION, manual or none"
    )]
    Unknown(String),
    /// What follows its name makes no sense.
    #[error("{driver:?} is no driver: {why}")]
    Misnamed {
        /// As it was asked for.
        driver: String,
        /// What is wrong.
        why: String,
    },
    /// It cannot do this, or was told not to.
    #[error("{0}")]
    Declined(String),
    /// It is not there, or broke down.
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

/// The driver that `text` names.
///
/// # Errors
///
/// When there is none of this name, or it cannot be started.
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

/// How an engine writes an id: `…@s.whatsapp.net` for `…@c.us`.
pub(crate) fn engine_id(id: &str) -> String {
    id.strip_suffix("@c.us")
        .map_or_else(|| id.to_owned(), |number| format!("{number}@s.whatsapp.net"))
}
