//! `GET /api/{session}/presence/{chatId}`
//!
//! <https://waha.devlike.pro/docs/how-to/presence/#get-chat-presence>

use std::sync::Arc;

use host_abi::{PluginError, Request, Response};

use super::chat_of;
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
    let listing = session.known.read().state.list_chat(&chat);
    let body = listing.as_ref().map_or_else(|| payload::no_news(&chat), payload::chat);
    Ok(Response::json(200, body))
}
