//! `GET /api/{session}/presence/{chatId}`
//!
//! <https://waha.devlike.pro/docs/how-to/presence/#get-chat-presence>

use std::sync::Arc;

use host_abi::{ErrorKind, PluginError, Request, Response};

use super::{chat_of, etag::ETag};
use crate::{context::Context, payload, session::Session, subscriptions};

/// Shows what is known of one chat. The first request subscribes to it and waits briefly for the first
/// update.
pub(super) async fn answer(
    context: &Arc<Context>,
    session: &Arc<Session>,
    request: &Request,
) -> Result<Response, PluginError> {
    let chat = chat_of(request)?;
    subscriptions::subscribe_for_news(context, session, &chat).await?;
    let known = session.known.read();
    // A subscription adds the chat, and no chat is ever removed.
    let unknown = || PluginError::new(ErrorKind::INTERNAL, format!("{chat} is not known"));
    let tag = ETag::of_chat(session, known.state.chat_version(&chat).ok_or_else(unknown)?);
    if tag.is_known_to(request) {
        return Ok(tag.not_modified());
    }
    let listing = known.state.list_chat(&chat).ok_or_else(unknown)?;
    drop(known);
    Ok(tag.on(payload::chat(&listing)))
}
