//! `POST /api/{session}/presence`, which sets the account's own presence.
//!
//! `online` and `offline` apply to the whole account; `typing`, `recording` and `paused` to one chat.

use std::fmt::Display;

use host_abi::{ErrorKind, PluginError, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::parse_chat;
use crate::{context::Context, dialect::noweb::Call, jid::Jid, presence::Presence};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionPresence {
    presence: String,
    /// Absent if it is `null` or empty, as WAHA's validators take it.
    chat_id: Option<String>,
}

/// Sets the account's presence.
pub(super) async fn answer(context: &Context, request: &Request) -> Result<Response, PluginError> {
    let body: Value = serde_json::from_slice(request.body()).map_err(|error| malformed(&error))?;
    if !body.is_object() {
        return Err(malformed(&"it is not an object"));
    }
    let body = SessionPresence::deserialize(body).map_err(|error| malformed(&error))?;
    let presence = Presence::from_word(&body.presence).ok_or_else(|| unknown(&body.presence))?;
    let chat_id = body.chat_id.as_deref().filter(|id| !id.is_empty());
    let chat = match (chat_id, presence.is_of_chat()) {
        (None, false) => None,
        (Some(chat), true) => Some(parse_chat(chat)?),
        (None, true) => return Ok(detail(&format!("'{presence}' needs a chatId"))),
        (Some(_), false) => {
            return Ok(detail(&format!(
                "'{presence}' applies to the whole account: leave chatId out"
            )));
        }
    };
    send(context, request.session(), presence, chat.as_ref()).await?;
    Ok(Response::new(201))
}

async fn send(
    context: &Context,
    session: &str,
    presence: Presence,
    chat: Option<&Jid<'_>>,
) -> Result<(), PluginError> {
    let Call { op, args } = Call::set_presence(presence, chat);
    context.host.engine(op, session, args).await.map_err(|error| {
        let message = format!("failed to set the presence to '{presence}': {}", error.message());
        PluginError::new(error.kind(), message)
    })?;
    Ok(())
}

fn detail(text: &str) -> Response {
    Response::json(400, json!({ "detail": text }).to_string())
}

fn malformed(error: &dyn Display) -> PluginError {
    let message = format!(
        r#"failed to read the body: {error}; expected {{"presence": "...", "chatId": "..."}}"#
    );
    PluginError::new(ErrorKind::INVALID, message)
}

fn unknown(word: &str) -> PluginError {
    let words = Presence::ALL.map(Presence::word).join(", ");
    let word: String = word.chars().take(40).collect();
    let message = format!("presence: unknown presence {word:?}; expected one of {words}");
    PluginError::new(ErrorKind::INVALID, message)
}
