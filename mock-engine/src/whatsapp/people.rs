//! Whose jid is whose: phone numbers, LIDs, and the phones behind them.

use crate::{MockEngine, wire::Node};

/// What a phone number is more than this as a LID, where the world says no other.
const LID_BASE: u64 = 100_000_000_000_000;

pub(crate) const SERVER: &str = "s.whatsapp.net";

/// A jid without its device.
pub(crate) fn bare(jid: &str) -> String {
    match jid.split_once('@') {
        Some((user, server)) => format!("{}@{server}", user_of(user)),
        None => jid.to_owned(),
    }
}

/// The user of a jid, without its device.
pub(crate) fn user_of(jid: &str) -> &str {
    let user = jid.split('@').next().unwrap_or(jid);
    user.split([':', '_']).next().unwrap_or(user)
}

/// Whether a jid is a person's.
pub(crate) fn is_person(jid: &str) -> bool {
    jid.ends_with("@s.whatsapp.net") || jid.ends_with("@lid") || jid.ends_with("@c.us")
}

/// The LID of a phone number, both in digits: that of the contact or session with that number, or one
/// made of the number.
pub(crate) fn lid_of(mock: &MockEngine, phone: &str) -> Option<String> {
    let known = mock.with_world(|world| {
        let contact = world.contacts().values().find(|it| it.phone.as_deref() == Some(phone));
        contact.and_then(|it| it.lid.clone())
    });
    known.or_else(|| made_lid(phone))
}

/// The LID that is made of a phone number.
pub(crate) fn made_lid(phone: &str) -> Option<String> {
    let number: u64 = phone.parse().ok()?;
    Some((LID_BASE.checked_add(number)?).to_string())
}

/// The person of a jid: the digits of the phone number, or of the LID of one who has no other.
pub(crate) fn person(mock: &MockEngine, jid: &str) -> String {
    let user = user_of(jid);
    if !jid.ends_with("@lid") {
        return user.to_owned();
    }
    let known = mock.with_world(|world| {
        let contact = world.contacts().values().find(|it| it.lid.as_deref() == Some(user));
        contact.map(|it| it.phone.clone().unwrap_or_else(|| user.to_owned()))
    });
    known.unwrap_or_else(|| {
        let made = user.parse::<u64>().ok().and_then(|it| it.checked_sub(LID_BASE));
        // Not every LID is made of a number.
        made.filter(|it| (1_000_000..10_000_000_000_000).contains(it))
            .map_or_else(|| user.to_owned(), |phone| phone.to_string())
    })
}

/// A child of a node by its tag.
pub(crate) fn child<'a>(node: &'a Node, tag: &str) -> Option<&'a Node> {
    node.children().iter().find(|child| child.tag == tag)
}
