//! The checks of what most other checks need first.
//!
//! A step that fails in a check which is about something else names one of these, so that one fault
//! of a target is one failure: see [`Failure::because`](crate::Failure::because).

pub(crate) const GET_ALL: &str = "presence/get-all/answers-200-with-an-array";
pub(crate) const GET_CHAT: &str = "presence/get-chat/answers-200-with-the-chat";
pub(crate) const SUBSCRIBE: &str = "presence/subscribe/needs-no-body";
pub(crate) const SUBSCRIBE_GROUP: &str = "presence/subscribe/takes-a-group";
pub(crate) const PRESENCE_UPDATE: &str = "webhook/presence-update/is-sent";
pub(crate) const SESSION_STATUS: &str = "webhook/session-status/is-sent";
pub(crate) const CREATE_SESSION: &str = "sessions/create/answers-201";
pub(crate) const WORKING_SESSION: &str = "sessions/create/reaches-working";
pub(crate) const GET_SESSION: &str = "sessions/get/has-name-and-status";
pub(crate) const PUT_SESSION: &str = "sessions/put/changes-the-configuration";
pub(crate) const START_AND_STOP: &str = "sessions/start-and-stop";
pub(crate) const RETRY: &str = "webhook/retries/a-failure-is-tried-again";
pub(crate) const SOCKET: &str = "websocket/brings-presence-update";

/// The check of a chat's entry in GET all.
pub(crate) fn listed(chat: &str) -> &'static str {
    if chat.ends_with("@g.us") {
        "presence/get-all/lists-groups"
    } else {
        "presence/get-all/lists-direct-chats"
    }
}

/// The check of a participant's record in GET of a chat.
pub(crate) fn recorded(chat: &str) -> &'static str {
    if chat.ends_with("@g.us") {
        "presence/get-chat/group-lists-each-participant"
    } else {
        "presence/get-chat/direct-chat-has-one-participant"
    }
}

/// The check of a subscription.
pub(crate) fn subscription(chat: &str) -> &'static str {
    if chat.ends_with("@g.us") { SUBSCRIBE_GROUP } else { SUBSCRIBE }
}

/// The check of a status.
pub(crate) fn status(status: &str) -> &'static str {
    match status {
        "offline" => "presence/fields/offline",
        "typing" => "presence/fields/typing",
        "recording" => "presence/fields/recording",
        "paused" => "presence/fields/paused",
        _ => "presence/fields/online",
    }
}

#[cfg(test)]
mod tests {
    use super::{listed, recorded, status, subscription};
    use crate::find;

    #[test]
    fn each_is_a_check() {
        let fixed = [
            super::GET_ALL,
            super::GET_CHAT,
            super::PRESENCE_UPDATE,
            super::SESSION_STATUS,
            super::CREATE_SESSION,
            super::WORKING_SESSION,
            super::GET_SESSION,
            super::PUT_SESSION,
            super::START_AND_STOP,
            super::RETRY,
            super::SOCKET,
        ];
        let chats = ["1@c.us", "1@g.us"];
        let chats = chats.iter().flat_map(|it| [listed(it), recorded(it), subscription(it)]);
        let statuses = ["offline", "online", "typing", "recording", "paused"].map(status);
        for id in fixed.into_iter().chain(chats).chain(statuses) {
            assert!(find(id).is_some(), "{id} is not a check");
        }
    }
}
