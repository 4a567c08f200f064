//! One act of a sequence, and the strategy that generates them.

use proptest::{prelude::*, sample::select};

use crate::{Ability, Environment, driver::Becomes};

/// The number of contacts in a sequence.
pub(super) const CONTACTS: usize = 3;
/// The number of groups, which every contact belongs to.
pub(super) const GROUPS: usize = 2;

/// One act of a sequence. Chats are numbered: the contacts first, then the groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// WhatsApp reports a participant's presence in a chat.
    Presence {
        /// The chat.
        chat: usize,
        /// The contact; ignored in a direct chat.
        who: usize,
        /// The change.
        change: Change,
    },
    /// A contact sends a message to a chat.
    Message {
        /// The chat.
        chat: usize,
        /// The sender.
        who: usize,
    },
    /// The application subscribes to a chat.
    Subscribe(usize),
    /// The application requests a chat.
    GetChat(usize),
    /// The application requests all chats.
    GetAll,
    /// The connection to WhatsApp closes and reopens.
    Reconnect,
    /// The webhook receiver answers the next webhook with 500.
    ReceiverFails,
}

/// A change of a participant's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Comes online, types, records or stops.
    Becomes(Becomes),
    /// Goes offline, last seen at that second.
    LeftAt(u64),
    /// Goes offline, and hides when.
    LeftHidden,
    /// The engine itself reports paused.
    Paused,
    /// The engine reports an unknown status.
    Unknown,
}

/// Any act that the driver supports.
pub(super) fn any(environment: &Environment) -> BoxedStrategy<Act> {
    let chat = 0..CONTACTS + GROUPS;
    let presence = (chat.clone(), 0..CONTACTS, change());
    let presence = presence.prop_map(|(chat, who, change)| Act::Presence { chat, who, change });
    let mut acts = vec![
        (12, presence.boxed()),
        (2, chat.clone().prop_map(Act::Subscribe).boxed()),
        (2, chat.clone().prop_map(Act::GetChat).boxed()),
        (1, Just(Act::GetAll).boxed()),
    ];
    if environment.can(Ability::Messages) {
        let message = (chat, 0..CONTACTS).prop_map(|(chat, who)| Act::Message { chat, who });
        acts.push((2, message.boxed()));
    }
    if environment.can(Ability::Connection) && environment.can(Ability::NewSessions) {
        acts.push((1, Just(Act::Reconnect).boxed()));
    }
    if environment.no_sessions.is_none() {
        acts.push((1, Just(Act::ReceiverFails).boxed()));
    }
    proptest::strategy::Union::new_weighted(acts).boxed()
}

fn change() -> impl Strategy<Value = Change> {
    let becomes =
        select(vec![Becomes::Online, Becomes::Typing, Becomes::Recording, Becomes::Stopped]);
    prop_oneof![
        6 => becomes.prop_map(Change::Becomes),
        2 => (1_u64..4_000_000_000).prop_map(Change::LeftAt),
        1 => Just(Change::LeftHidden),
        1 => Just(Change::Paused),
        1 => Just(Change::Unknown),
    ]
}
