//! What cannot happen in the world.

use thiserror::Error;

/// Why something cannot happen in the world.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WorldError {
    /// Nobody has that name.
    #[error("nobody is called {name:?}{hint}")]
    Unknown {
        /// The name.
        name: String,
        /// The nearest name, as the end of the sentence.
        hint: String,
    },
    /// A group does nothing by itself.
    #[error("{0:?} is a group, and only contacts do something")]
    NotAContact(String),
    /// A contact is no place to do something in.
    #[error("{0:?} is a contact; the chat with a contact is what is meant when no group is named")]
    NotAGroup(String),
    /// Being online is no matter of a chat.
    #[error("nobody is online or offline in a group; leave the group out")]
    NotInAChat,
    /// The contact is not in that group.
    #[error("{who:?} is no participant of the group {group:?}")]
    NotInGroup {
        /// The contact.
        who: String,
        /// The group.
        group: String,
    },
}
