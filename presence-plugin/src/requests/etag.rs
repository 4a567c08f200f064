//! Entity tags: a client that polls is sent only what has changed.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2>

use host_abi::{Request, Response};

use crate::session::Session;

/// The strong entity tag of one body, in its quotes.
///
/// It names the kind of body, the session's nonce, and the version of the state that the body shows. No two
/// bodies have the same one: not those of two sessions of one name, nor those before and after a restart.
pub(super) struct ETag(String);

impl ETag {
    /// The tag of the list of all chats.
    pub(super) fn of_all(session: &Session, version: u64) -> Self {
        Self::new("all", session, version)
    }

    /// The tag of one chat.
    pub(super) fn of_chat(session: &Session, version: u64) -> Self {
        Self::new("chat", session, version)
    }

    fn new(kind: &str, session: &Session, version: u64) -> Self {
        Self(format!(r#""{kind}-{:x}-{version:x}""#, session.nonce))
    }

    /// Whether the client has this body already, so that 304 is the answer: `If-None-Match` is `*` or lists
    /// this tag, strong or weak.
    pub(super) fn is_known_to(&self, request: &Request) -> bool {
        let lists = request.header_values("if-none-match");
        // A tag may have a comma in it, but ours has none, so that no part of another equals it.
        lists
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .any(|member| member == "*" || member.strip_prefix("W/").unwrap_or(member) == self.0)
    }

    /// The body with its tag.
    pub(super) fn on(self, body: Vec<u8>) -> Response {
        Response::json(200, body).with_header("etag", self.0)
    }

    /// The answer to a client that has the body.
    pub(super) fn not_modified(self) -> Response {
        Response::new(304).with_header("etag", self.0)
    }
}
