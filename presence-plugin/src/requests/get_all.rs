//! `GET /api/{session}/presence`
//!
//! <https://waha.devlike.pro/docs/how-to/presence/#get-all-presence>

use host_abi::{Request, Response};

use super::etag::ETag;
use crate::{payload, session::Session};

/// Lists all chats that are subscribed or known from events.
pub(super) fn answer(session: &Session, request: &Request) -> Response {
    let known = session.known.read();
    let tag = ETag::of_all(session, known.state.version());
    if tag.is_known_to(request) {
        return tag.not_modified();
    }
    let listing = known.state.list_all();
    // The lock is held for the copy only, not while that is written as JSON.
    drop(known);
    tag.on(payload::all(&listing))
}
