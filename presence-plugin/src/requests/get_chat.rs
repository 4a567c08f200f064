//! `GET /api/{session}/presence/{chatId}`
//!
//! <https://waha.devlike.pro/docs/how-to/presence/#get-chat-presence>

use std::sync::Arc;

use host_abi::{PluginError, Request, Response};

use super::chat_of;
use crate::{context::Context, payload, subscriptions};

/// Tells what is known of one chat. The first time it subscribes, and gives the first update a
/// little time to come.
pub(super) async fn answer(
    context: &Arc<Context>,
    request: &Request,
) -> Result<Response, PluginError> {
    let chat = chat_of(request)?;
    subscriptions::subscribe_for_news(context, request.session(), &chat).await?;
    let session = context.session(request.session());
    let listing = session.state.read().list_chat(&chat);
    let body = listing.as_ref().map_or_else(|| payload::no_news(&chat), payload::chat);
    Ok(Response::json(200, body))
}
