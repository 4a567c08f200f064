//! `GET /api/{session}/presence`
//!
//! <https://waha.devlike.pro/docs/how-to/presence/#get-all-presence>

use host_abi::Response;

use crate::{payload, session::Session};

/// Lists all chats that are subscribed or known from events.
pub(super) fn answer(session: &Session) -> Response {
    // The lock is held for the copy only, not while that is written as JSON.
    let listing = session.known.read().state.list_all();
    Response::json(200, payload::all(&listing))
}
