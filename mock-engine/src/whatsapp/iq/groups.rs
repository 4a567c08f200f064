//! `w:g2`: what groups there are, and who is in them.

use crate::{
    MockEngine,
    whatsapp::{
        device::SharedDevice,
        people::{SERVER, child, lid_of, user_of},
    },
    wire::Node,
    world::{Addressing, Group, World},
};

/// The group that is asked for, or all; `None` when there is no such group.
pub(super) fn answer(mock: &MockEngine, device: &SharedDevice, iq: &Node) -> Option<Node> {
    let own = (device.phone.as_str(), device.lid.as_str());
    let lid = |phone: &str| lid_of(mock, phone);
    if child(iq, "participating").is_some() {
        let groups = mock.with_world(|world| world.groups().clone());
        let nodes = groups.iter().map(|(name, group)| {
            describe(&mock.with_world(|world| participants(world, group)), name, group, own, &lid)
        });
        return Some(nodes.fold(Node::new("groups"), Node::child));
    }
    let id = user_of(iq.get("to")?);
    let (name, group, people) = mock.with_world(|world| {
        let (name, group) = world.groups().iter().find(|(_, group)| group.id == id)?;
        Some((name.clone(), group.clone(), participants(world, group)))
    })?;
    Some(describe(&people, &name, &group, own, &lid))
}

/// The phone number and LID of each participant.
fn participants(world: &World, group: &Group) -> Vec<(Option<String>, Option<String>)> {
    let contacts = group.participants.iter().filter_map(|name| world.contacts().get(name));
    contacts.map(|contact| (contact.phone.clone(), contact.lid.clone())).collect()
}

/// Each session is in each group, so the account itself is a participant too; the first one is the
/// administrator.
fn describe(
    people: &[(Option<String>, Option<String>)],
    name: &str,
    group: &Group,
    (own, own_lid): (&str, &str),
    lid_of: &impl Fn(&str) -> Option<String>,
) -> Node {
    let mut all: Vec<_> = people
        .iter()
        .map(|(phone, lid)| {
            let made = || phone.as_deref().and_then(lid_of);
            (phone.clone(), lid.clone().or_else(made))
        })
        .collect();
    if !all.iter().any(|(phone, _)| phone.as_deref() == Some(own)) {
        all.push((Some(own.to_owned()), Some(own_lid.to_owned())));
    }
    let by_lid = group.addressing == Addressing::Lid;
    let node = Node::new("group")
        .attr("id", &group.id)
        .attr("subject", name)
        .attr("s_t", "1600000000")
        .attr("creation", "1600000000")
        .attr("size", all.len().to_string())
        .attr("addressing_mode", if by_lid { "lid" } else { "pn" });
    all.into_iter().enumerate().fold(node, |node, (at, (phone, lid))| {
        let phone = phone.map(|phone| format!("{phone}@{SERVER}"));
        let lid = lid.map(|lid| format!("{lid}@lid"));
        let mut participant = Node::new("participant");
        match (by_lid, phone, lid) {
            (true, phone, Some(lid)) => {
                participant = participant.attr("jid", lid);
                if let Some(phone) = phone {
                    participant = participant.attr("phone_number", phone);
                }
            }
            (_, Some(phone), lid) => {
                participant = participant.attr("jid", phone);
                if let Some(lid) = lid {
                    participant = participant.attr("lid", lid);
                }
            }
            (_, None, lid) => participant = participant.attr("jid", lid.unwrap_or_default()),
        }
        if at == 0 {
            participant = participant.attr("type", "superadmin");
        }
        node.child(participant)
    })
}
