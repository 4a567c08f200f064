//! One act of a sequence, and the strategy that makes them.

use proptest::{prelude::*, sample::select};

use crate::{Ability, Environment, driver::Becomes};

/// How many contacts a sequence has.
pub(super) const CONTACTS: usize = 3;
/// How many groups it has; each contact may do something in each.
pub(super) const GROUPS: usize = 2;

/// One thing that happens. Chats are numbered: the contacts first, then the groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// WhatsApp tells of somebody in a chat.
    Tells {
        /// The chat.
        chat: usize,
        /// Which contact; in a contact's own chat it is that contact.
        who: usize,
        /// What it tells.
        told: Told,
    },
    /// Somebody sends a message to a chat.
    Message {
        /// The chat.
        chat: usize,
        /// Which contact.
        who: usize,
    },
    /// The application subscribes to a chat.
    Subscribe(usize),
    /// It asks for a chat.
    GetChat(usize),
    /// It asks for all.
    GetAll,
    /// The connection to WhatsApp is lost and comes back.
    Reconnect,
    /// The receiver of webhooks answers the next one with 500.
    ReceiverFails,
}

/// What WhatsApp, or the engine, tells of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Comes online, types, records or stops.
    Becomes(Becomes),
    /// Goes offline, last seen at that second.
    LeftAt(u64),
    /// Goes offline, and hides when.
    LeftHidden,
    /// The engine itself says paused.
    Paused,
    /// Something that nobody knows.
    Unknown,
}

/// Any act that the driver can bring about.
pub(super) fn any(environment: &Environment) -> BoxedStrategy<Act> {
    let chat = 0..CONTACTS + GROUPS;
    let tells = (chat.clone(), 0..CONTACTS, told());
    let tells = tells.prop_map(|(chat, who, told)| Act::Tells { chat, who, told });
    let mut acts = vec![
        (12, tells.boxed()),
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

fn told() -> impl Strategy<Value = Told> {
    let becomes =
        select(vec![Becomes::Online, Becomes::Typing, Becomes::Recording, Becomes::Stopped]);
    prop_oneof![
        6 => becomes.prop_map(Told::Becomes),
        2 => (1_u64..4_000_000_000).prop_map(Told::LeftAt),
        1 => Just(Told::LeftHidden),
        1 => Just(Told::Paused),
        1 => Just(Told::Unknown),
    ]
}
