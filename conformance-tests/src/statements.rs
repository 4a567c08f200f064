//! The documentation's statements about presence, in its own order.
//!
//! The wording is a short summary; the examples are the documentation's, byte for byte. Each
//! [`Check`](crate::Check) names the statements that it rests on.

/// A statement of the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// Its name: section and subject.
    pub id: &'static str,
    /// The heading that it appears under.
    pub section: &'static str,
    /// A one-line summary.
    pub says: &'static str,
    /// The JSON example that belongs to it.
    pub example: Option<&'static str>,
}

/// The example of `GET /api/{session}/presence/`.
pub const GET_ALL_EXAMPLE: &str = include_str!("statements/get-all.json");
/// The example of `GET /api/{session}/presence/{chatId}`.
pub const GET_CHAT_EXAMPLE: &str = include_str!("statements/get-chat.json");
/// The example of the `presence.update` webhook.
pub const PRESENCE_UPDATE_EXAMPLE: &str = include_str!("statements/presence-update.json");

const PRESENCE: &str = "Presence";
const GET_ALL: &str = "Get all presence";
const GET_CHAT: &str = "Get chat presence";
const SUBSCRIBE: &str = "Subscribe to presence";
const WEBHOOK: &str = "Webhook";

/// All statements, in the documentation's order.
pub const STATEMENTS: &[Statement] = &[
    says(
        "intro/kinds",
        PRESENCE,
        "a contact's presence is online, offline with last seen, or typing",
    ),
    says("intro/if-shared", PRESENCE, "presence is available for contacts who share it"),
    says(
        "intro/noweb-only",
        PRESENCE,
        "the endpoints and the webhook exist in the NOWEB engine only",
    ),
    says("fields/chat-id", PRESENCE, "chatId is a contact's id (@c.us) or a group's (@g.us)"),
    says(
        "fields/last-seen",
        PRESENCE,
        "lastSeen is when a participant was last online, in Unix time",
    ),
    says(
        "fields/last-known-presence",
        PRESENCE,
        "lastKnownPresence is offline, online, typing, recording or paused",
    ),
    says("get-all/endpoint", GET_ALL, "GET /api/{session}/presence/ returns all known presence"),
    says("get-all/both-kinds", GET_ALL, "it returns both groups and personal chats"),
    shows(
        "get-all/example-list",
        GET_ALL,
        "the answer is an array of {id, presences: [{participant, lastKnownPresence, lastSeen}]}",
        GET_ALL_EXAMPLE,
    ),
    says(
        "get-all/example-direct-chat",
        GET_ALL,
        "a personal chat has one participant, the contact; lastSeen is a number when offline",
    ),
    says(
        "get-all/example-group",
        GET_ALL,
        "a group lists itself, online with lastSeen null, and its participants by contact id",
    ),
    says(
        "get-chat/endpoint",
        GET_CHAT,
        "GET /api/{session}/presence/{chatId} returns a single chat",
    ),
    says("get-chat/group", GET_CHAT, "for a group it returns the participants' statuses"),
    shows(
        "get-chat/example",
        GET_CHAT,
        "the answer is one {id, presences}; lastSeen is null when online",
        GET_CHAT_EXAMPLE,
    ),
    says(
        "subscribe/endpoint",
        SUBSCRIBE,
        "POST /api/{session}/presence/{chatId}/subscribe subscribes to a chat and needs no body",
    ),
    says("subscribe/then-get", SUBSCRIBE, "later presence is available from the two GET endpoints"),
    says("subscribe/then-webhook", SUBSCRIBE, "or from the presence.update webhook"),
    says("webhook/event", WEBHOOK, "the presence.update event carries the most recent presence"),
    shows(
        "webhook/example",
        WEBHOOK,
        "its body has event, session, payload {id, presences} and engine NOWEB",
        PRESENCE_UPDATE_EXAMPLE,
    ),
];

const fn says(id: &'static str, section: &'static str, says: &'static str) -> Statement {
    Statement { id, section, says, example: None }
}

const fn shows(
    id: &'static str,
    section: &'static str,
    says: &'static str,
    example: &'static str,
) -> Statement {
    Statement { id, section, says, example: Some(example) }
}
