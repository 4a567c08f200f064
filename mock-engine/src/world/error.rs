//! What cannot happen in the world.

use thiserror::Error;

/// Why something cannot happen in the world.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WorldError {
    /// The name is unknown.
    #[error("unknown contact or group {name:?}{hint}")]
    Unknown {
        /// The name.
        name: String,
        /// The nearest name, as the end of the sentence.
        hint: String,
    },
    /// A group does nothing by itself.
    #[error("{0:?} is a group; only a contact can act")]
    NotAContact(String),
    /// The chat is a contact and not a group.
    #[error("{0:?} is a contact, not a group; omit the group for the direct chat")]
    NotAGroup(String),
    /// Online and offline do not apply to a chat.
    #[error("online and offline do not apply to a group; omit the group")]
    NotInAChat,
    /// The contact is not in that group.
    #[error("{who:?} is not a participant of the group {group:?}")]
    NotInGroup {
        /// The contact.
        who: String,
        /// The group.
        group: String,
    },
}
