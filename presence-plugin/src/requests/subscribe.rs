//! `POST /api/{session}/presence/{chatId}/subscribe`
//!
//! <https://waha.devlike.pro/docs/how-to/presence/#subscribe-to-presence>

use std::sync::Arc;

use host_abi::{PluginError, Request, Response};

use super::chat_of;
use crate::{context::Context, session::Session, subscriptions};

/// Subscribes to a chat, also when it is subscribed already. The body is ignored.
pub(super) async fn answer(
    context: &Arc<Context>,
    session: &Arc<Session>,
    request: &Request,
) -> Result<Response, PluginError> {
    let chat = chat_of(request)?;
    subscriptions::subscribe(context, session, &chat).await?;
    Ok(Response::new(201))
}
