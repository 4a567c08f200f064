//! `POST /api/{session}/presence/{chatId}/subscribe`
//!
//! <https://waha.devlike.pro/docs/how-to/presence/#subscribe-to-presence>

use std::sync::Arc;

use host_abi::{PluginError, Request, Response};

use super::chat_of;
use crate::{context::Context, subscriptions};

/// Subscribes to a chat, again if it was before. The body does not matter.
pub(super) async fn answer(
    context: &Arc<Context>,
    request: &Request,
) -> Result<Response, PluginError> {
    let chat = chat_of(request)?;
    subscriptions::subscribe(context, request.session(), &chat).await?;
    Ok(Response::new(201))
}
