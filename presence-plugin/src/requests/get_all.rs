//! `GET /api/{session}/presence`
//!
//! <https://waha.devlike.pro/docs/how-to/presence/#get-all-presence>

use host_abi::{Request, Response};

use crate::{context::Context, payload};

/// Lists all chats that were subscribed to or are known of by events.
pub(super) fn answer(context: &Context, request: &Request) -> Response {
    let session = context.session(request.session());
    // The lock is held for the copy only, not while it is written as JSON.
    let listing = session.state.read().list_all();
    Response::json(200, payload::all(&listing))
}
