//! The endpoints. <https://waha.devlike.pro/docs/how-to/presence/#endpoints>

mod etag;
mod get_all;
mod get_chat;
mod set;
mod subscribe;

use std::sync::Arc;

use host_abi::{ErrorKind, PluginError, Request, Response, Route};

use crate::{context::Context, jid::Jid};

const GET_ALL: u16 = 0;
const GET_CHAT: u16 = 1;
const SUBSCRIBE: u16 = 2;
const SET: u16 = 3;

/// The routes of the manifest.
pub(crate) const ROUTES: &[Route] = &[
    Route::new(GET_ALL, "GET", "/api/{session}/presence"),
    Route::new(GET_CHAT, "GET", "/api/{session}/presence/{chatId}"),
    Route::new(SUBSCRIBE, "POST", "/api/{session}/presence/{chatId}/subscribe"),
    Route::new(SET, "POST", "/api/{session}/presence"),
];

/// Answers a request to one of [`ROUTES`].
pub(crate) async fn answer(
    context: Arc<Context>,
    request: Request,
) -> Result<Response, PluginError> {
    let session = context.session(request.session());
    match request.route() {
        GET_ALL => Ok(get_all::answer(&session, &request)),
        GET_CHAT => get_chat::answer(&context, &session, &request).await,
        SUBSCRIBE => subscribe::answer(&context, &session, &request).await,
        SET => set::answer(&context, &request).await,
        other => {
            let message = format!("the presence plugin has no route {other}");
            Err(PluginError::new(ErrorKind::NOT_FOUND, message))
        }
    }
}

/// The chat that the path names.
fn chat_of(request: &Request) -> Result<Jid<'_>, PluginError> {
    parse_chat(request.param(0).unwrap_or_default())
}

fn parse_chat(id: &str) -> Result<Jid<'_>, PluginError> {
    let invalid = |error| PluginError::new(ErrorKind::INVALID, format!("chatId {error}"));
    Jid::parse(id).map_err(invalid)
}
