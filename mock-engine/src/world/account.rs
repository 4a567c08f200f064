//! Accounts that clients log in to: each is a contact of all the others.

use super::{
    Connection, Contact, Delivery, Does, Name, World, message_stanza, user_of, without_device,
};
use crate::wire::Node;

/// The account of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The phone number, in digits.
    pub phone: String,
    /// The LID, in digits.
    pub lid: String,
    /// The name that the account gave itself.
    pub name: Option<String>,
}

impl World {
    /// Ties a session to an account, which becomes a contact of all others unless there is one with that
    /// phone number. What comes for the session while it is away is kept for it.
    pub fn enroll(&mut self, session: &str, account: &Account, now: u64) {
        let name = match self.by_id.get(&account.phone) {
            Some(Name::Contact(name)) => name.clone(),
            _ => self.add_account(account, now),
        };
        let connection = self.sessions.entry(session.to_owned()).or_default();
        connection.account = Some(name);
        connection.keeps = true;
    }

    fn add_account(&mut self, account: &Account, now: u64) -> String {
        // A phone number's digits are not used as another name.
        let name = account.phone.clone();
        let contact = Contact {
            phone: Some(account.phone.clone()),
            lid: Some(account.lid.clone()),
            name: account.name.clone(),
            last_online: Some(now),
            ..Contact::default()
        };
        for id in [&account.phone, &account.lid] {
            self.by_id.insert(id.clone(), Name::Contact(name.clone()));
        }
        self.contacts.insert(name.clone(), contact);
        name
    }

    /// Takes a node that a client sent, and says what WhatsApp answers. A `<presence>` without a type
    /// says the account's name, and not that it is online.
    pub fn receive_from_client(&mut self, session: &str, node: &Node) -> Vec<Node> {
        if node.tag == "presence" && node.get("type").is_none() {
            return Vec::new();
        }
        self.receive(session, node)
    }

    /// What others get to see of a presence or chat state that a session sent.
    pub fn shown_to_others(&mut self, session: &str, node: &Node, now: u64) -> Vec<Delivery> {
        let Some(account) = self.account_of(session) else { return Vec::new() };
        match (node.tag.as_str(), node.get("type"), node.get("to")) {
            ("presence", Some("available"), None) => {
                self.contacts[&account].online = true;
                self.to_others(&account, |world, other, contact| world.presences(contact, other))
            }
            ("presence", Some("unavailable"), None) => self.account_went(session, now),
            ("chatstate", _, Some(to)) => self.chatstate_of(&account, &without_device(to), node),
            _ => Vec::new(),
        }
    }

    /// What others see when a session of an account goes offline.
    pub fn account_went(&mut self, session: &str, now: u64) -> Vec<Delivery> {
        let Some(account) = self.account_of(session) else { return Vec::new() };
        let is_its = |it: &Connection| it.account.as_ref() == Some(&account);
        if self.sessions.values().any(|it| is_its(it) && it.online) {
            return Vec::new();
        }
        let contact = &mut self.contacts[&account];
        if !contact.online {
            return Vec::new();
        }
        contact.online = false;
        contact.active_in = None;
        contact.last_online = Some(now);
        self.to_others(&account, |world, other, contact| world.presences(contact, other))
    }

    fn chatstate_of(&mut self, account: &str, to: &str, node: &Node) -> Vec<Delivery> {
        let does = match node.children().first() {
            Some(child) if child.tag == "composing" && child.get("media") == Some("audio") => {
                Does::Recording
            }
            Some(child) if child.tag == "composing" => Does::Typing,
            _ => Does::Paused,
        };
        let group = match self.owner_of(to) {
            Some(Name::Group(group)) => Some(group.clone()),
            _ => None,
        };
        let active = matches!(does, Does::Typing | Does::Recording);
        self.contacts[account].active_in = active.then(|| group.clone());
        let group = group.map(|name| self.groups[&name].clone());
        self.to_others(account, |world, other, contact| {
            if group.is_none() && !world.is_account(other, to) {
                return Vec::new();
            }
            world.chatstate(contact, group.as_ref(), does, other).into_iter().collect()
        })
    }

    /// A message that a session sent to a contact or a group, as each other session gets it: those of
    /// the receiver, and the other devices of the sender.
    pub fn relay(&mut self, session: &str, message: &Relayed<'_>, now: u64) -> Vec<Delivery> {
        let Some(account) = self.account_of(session) else { return Vec::new() };
        self.contacts[&account].active_in = None;
        let to = without_device(message.to);
        let group = match self.owner_of(&to) {
            Some(Name::Group(group)) => Some(&self.groups[group]),
            _ => None,
        };
        let contact = &self.contacts[&account];
        let (id, text) = (message.id, Some(message.text));
        let stanza = message_stanza(contact, &account, group, id, text, now);
        let mut deliveries = Vec::new();
        for (name, other) in &self.sessions {
            let is_own = other.account.as_ref() == Some(&account);
            if name == session || !(other.connected || other.keeps) {
                continue;
            }
            let stanza = match (is_own, group) {
                (true, None) => stanza.clone().attr("recipient", &to),
                (false, None) if !self.is_account(other, &to) => continue,
                _ => stanza.clone(),
            };
            deliveries.push(Delivery { session: name.clone(), stanza });
        }
        deliveries
    }

    /// The sessions of the account of this jid.
    pub fn sessions_of(&self, jid: &str) -> Vec<String> {
        let sessions = self.sessions.iter();
        sessions.filter(|(_, it)| self.is_account(it, jid)).map(|(name, _)| name.clone()).collect()
    }

    /// Whether two sessions are of one account.
    pub(super) fn same_account(&self, one: &str, other: &Connection) -> bool {
        let account = self.sessions.get(one).and_then(|it| it.account.as_ref());
        account.is_some() && account == other.account.as_ref()
    }

    fn account_of(&self, session: &str) -> Option<String> {
        self.sessions.get(session)?.account.clone().filter(|it| self.contacts.contains_key(it))
    }

    /// Whether a session is of the account of this jid.
    fn is_account(&self, session: &Connection, jid: &str) -> bool {
        match self.by_id.get(user_of(jid)) {
            Some(Name::Contact(name)) => session.account.as_ref() == Some(name),
            _ => false,
        }
    }

    fn to_others(
        &self,
        account: &str,
        stanzas: impl Fn(&Self, &Connection, &Contact) -> Vec<Node>,
    ) -> Vec<Delivery> {
        let contact = &self.contacts[account];
        let others = self.sessions.iter();
        let others = others.filter(|(_, other)| other.account.as_deref() != Some(account));
        let to = |(session, other): (&String, &Connection)| {
            let session = session.clone();
            stanzas(self, other, contact)
                .into_iter()
                .map(move |stanza| Delivery { session: session.clone(), stanza })
                .collect::<Vec<_>>()
        };
        others.filter(|(_, other)| other.connected || other.keeps).flat_map(to).collect()
    }
}

/// A message on its way from a session to others.
#[derive(Clone, Copy, Debug)]
pub struct Relayed<'a> {
    /// The jid of the contact or group.
    pub to: &'a str,
    /// The message's id.
    pub id: &'a str,
    /// Its text; empty when it is something else.
    pub text: &'a str,
}
