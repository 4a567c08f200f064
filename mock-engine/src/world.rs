//! A small WhatsApp: its people and groups, their true state, and what each session may see of it.
//!
//! The world is a state machine without a clock, a socket or a runtime. It takes the acts of contacts
//! ([`World::act`]) and the nodes that sessions send ([`World::receive`]), and returns the stanzas that
//! WhatsApp would send for them, each to one session. What a session sees follows [`Rules`].
//!
//! One file of over 400 lines: every rule reads the same private state, and apart they would have to open it.

mod account;
mod error;
mod people;
mod rules;
mod stanza;

use indexmap::{IndexMap, IndexSet};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

pub use account::{Account, Relayed};
pub use error::WorldError;
pub use people::{Addressing, Contact, Does, Group, Visibility};
pub use rules::Rules;

use self::stanza::{gone, message_stanza};
use crate::{nearest::did_you_mean, wire::Node};

/// All contacts and groups, and every session's connection to them.
#[derive(Clone, Debug)]
pub struct World {
    contacts: IndexMap<String, Contact>,
    groups: IndexMap<String, Group>,
    /// Names by the user part of each jid, so that an id finds its owner in constant time.
    by_id: IndexMap<String, Name>,
    sessions: IndexMap<String, Connection>,
    rules: Rules,
    chance: ChaCha8Rng,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Contact(String),
    Group(String),
}

/// One session's connection to WhatsApp.
#[derive(Clone, Debug, Default)]
struct Connection {
    connected: bool,
    online: bool,
    /// Jids, as the session wrote them, without a device.
    subscribed: IndexSet<String>,
    /// Where the session types or records, as others see it.
    chatstates: IndexMap<String, String>,
    /// The contact that the session's account is for others; `None` when it is invisible.
    account: Option<String>,
    /// Whether what comes while it is not connected is kept for it.
    keeps: bool,
}

/// Something that a contact does.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Who: a name or an id.
    pub who: &'a str,
    /// What.
    pub does: Does,
    /// In which chat: a group's name or id; `None` is the chat with the session itself.
    pub chat: Option<&'a str>,
    /// A message's text.
    pub text: Option<&'a str>,
    /// The one session towards which it is done, in the chat with it; `None` is all.
    pub session: Option<&'a str>,
}

/// A stanza on its way to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The session that gets it.
    pub session: String,
    /// What it gets.
    pub stanza: Node,
}

impl World {
    /// An empty world. `seed` decides the ids of messages and what contacts did before it began.
    pub fn new(seed: u64, rules: Rules) -> Self {
        Self {
            contacts: IndexMap::new(),
            groups: IndexMap::new(),
            by_id: IndexMap::new(),
            sessions: IndexMap::new(),
            rules,
            chance: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Adds a contact. Without a last seen of their own they were last online some time before `now` (Unix seconds).
    pub fn add_contact(&mut self, name: impl Into<String>, mut contact: Contact, now: u64) {
        let name = name.into();
        for id in [&contact.phone, &contact.lid].into_iter().flatten() {
            self.by_id.insert(id.clone(), Name::Contact(name.clone()));
        }
        let chance = self.chance.random_range(300..48 * 3600);
        let before = contact.last_online_before.map_or(chance, |it| it.as_millis() / 1000);
        contact.last_online.get_or_insert_with(|| now.saturating_sub(before).max(1));
        self.contacts.insert(name, contact);
    }

    /// Adds a group.
    pub fn add_group(&mut self, name: impl Into<String>, group: Group) {
        let name = name.into();
        self.by_id.insert(group.id.clone(), Name::Group(name.clone()));
        self.groups.insert(name, group);
    }

    /// Adds a session, not yet connected.
    pub fn add_session(&mut self, name: impl Into<String>) {
        self.sessions.entry(name.into()).or_default();
    }

    /// Takes a session out of the world.
    pub fn remove_session(&mut self, name: &str) {
        self.sessions.shift_remove(name);
    }

    /// The contacts, by name.
    pub fn contacts(&self) -> &IndexMap<String, Contact> {
        &self.contacts
    }

    /// The groups, by name.
    pub fn groups(&self) -> &IndexMap<String, Group> {
        &self.groups
    }

    /// What holds for all sessions.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Changes what holds.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Connects a session to WhatsApp; `online` says whether it announces itself at once.
    pub fn connect(&mut self, session: &str, online: bool) {
        let forgets = self.rules.reconnect_forgets;
        let connection = self.sessions.entry(session.to_owned()).or_default();
        connection.connected = true;
        connection.online = online;
        if forgets {
            connection.subscribed.clear();
        }
    }

    /// Cuts a session's connection.
    pub fn disconnect(&mut self, session: &str) {
        if let Some(connection) = self.sessions.get_mut(session) {
            connection.connected = false;
            connection.online = false;
            if self.rules.reconnect_forgets {
                connection.subscribed.clear();
            }
            connection.chatstates.clear();
        }
    }

    /// Whether a session is connected.
    pub fn is_connected(&self, session: &str) -> bool {
        self.sessions.get(session).is_some_and(|connection| connection.connected)
    }

    /// Whether a session is subscribed, on this connection, to the chat of this name or id.
    ///
    /// # Errors
    ///
    /// Fails when the name is unknown.
    pub fn is_subscribed(&self, session: &str, chat: &str) -> Result<bool, WorldError> {
        let jids = self.jids(chat)?;
        Ok(self
            .sessions
            .get(session)
            .is_some_and(|connection| jids.iter().any(|jid| connection.subscribed.contains(jid))))
    }

    /// The jid under which a session knows the contact or group of this name or id.
    ///
    /// # Errors
    ///
    /// Fails when the name is unknown.
    pub fn jid(&self, name: &str) -> Result<String, WorldError> {
        Ok(match self.find(name)? {
            Name::Contact(name) => self.contacts[&name].jid(),
            Name::Group(name) => self.groups[&name].jid(),
        })
    }

    /// The jid of a contact as one of a group's participants.
    ///
    /// # Errors
    ///
    /// Fails when one of the names is unknown.
    pub fn participant_jid(&self, chat: &str, who: &str) -> Result<String, WorldError> {
        match (self.find(chat)?, self.find(who)?) {
            (Name::Group(group), Name::Contact(who)) => {
                Ok(self.contacts[&who].jid_as(self.groups[&group].addressing))
            }
            _ => self.jid(who),
        }
    }

    /// Performs an act at `now` (Unix seconds), and returns what each session gets to see of it.
    ///
    /// # Errors
    ///
    /// Fails when a name is not known, and when it is not one who can do that.
    pub fn act(&mut self, act: Act<'_>, now: u64) -> Result<Vec<Delivery>, WorldError> {
        let Name::Contact(who) = self.find(act.who)? else {
            return Err(WorldError::NotAContact(act.who.to_owned()));
        };
        let chat = match act.chat {
            Some(_) if matches!(act.does, Does::Online | Does::Offline) => {
                return Err(WorldError::NotInAChat);
            }
            Some(chat) => Some(self.group_of(&who, chat)?),
            None => None,
        };
        let chat = match act.does {
            Does::Paused if chat.is_none() => self.contacts[&who].active_in.clone().flatten(),
            _ => chat,
        };
        let message = matches!(act.does, Does::Message).then(|| self.message_id());
        let contact = &mut self.contacts[&who];
        match act.does {
            Does::Online => contact.online = true,
            Does::Offline => {
                contact.online = false;
                contact.active_in = None;
                contact.last_online = Some(now);
            }
            // Whoever types is there; WhatsApp says so with the chatstate alone.
            Does::Typing | Does::Recording => {
                contact.online = true;
                contact.active_in = Some(chat.clone());
            }
            Does::Paused | Does::Message => contact.active_in = None,
        }
        let contact = &self.contacts[&who];
        let group = chat.as_ref().map(|name| &self.groups[name]);
        let mut deliveries = Vec::new();
        for (session, connection) in &self.sessions {
            // Being online concerns all sessions, and so does a group.
            let between_two = chat.is_none() && !matches!(act.does, Does::Online | Does::Offline);
            let is_meant = |only| only == session || self.same_account(only, connection);
            let concerned = !between_two || act.session.is_none_or(is_meant);
            let kept = connection.keeps && waits(act.does);
            if !(connection.connected || kept)
                || !concerned
                || connection.account.as_ref() == Some(&who)
            {
                continue;
            }
            let stanzas = match act.does {
                Does::Online | Does::Offline => self.presences(contact, connection),
                Does::Typing | Does::Recording | Does::Paused => {
                    self.chatstate(contact, group, act.does, connection).into_iter().collect()
                }
                Does::Message => {
                    let id = message.as_deref().unwrap_or_default();
                    vec![message_stanza(contact, &who, group, id, act.text, now)]
                }
            };
            deliveries.extend(
                stanzas.into_iter().map(|stanza| Delivery { session: session.clone(), stanza }),
            );
        }
        Ok(deliveries)
    }

    /// Takes a node that a session sent, and says what WhatsApp answers on the same connection.
    pub fn receive(&mut self, session: &str, node: &Node) -> Vec<Node> {
        let Some(connection) = self.sessions.get_mut(session) else { return Vec::new() };
        match (node.tag.as_str(), node.get("type"), node.get("to")) {
            ("presence", Some("subscribe"), Some(to)) => {
                let jid = without_device(to);
                connection.subscribed.insert(jid.clone());
                self.current(session, &jid).into_iter().collect()
            }
            ("presence", Some("unavailable"), _) => {
                connection.online = false;
                connection.chatstates.clear();
                Vec::new()
            }
            ("presence", _, None) => {
                connection.online = true;
                Vec::new()
            }
            ("chatstate", _, Some(to)) => {
                let child = node.children().first();
                match child {
                    Some(child) if child.tag == "composing" => {
                        let recording = child.get("media") == Some("audio");
                        let state = if recording { "recording" } else { "typing" };
                        connection.chatstates.insert(without_device(to), state.to_owned());
                    }
                    _ => {
                        connection.chatstates.shift_remove(&without_device(to));
                    }
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The world as JSON: the true state of all contacts, and each session's subscriptions.
    pub fn to_json(&self) -> Value {
        let contacts: serde_json::Map<_, _> =
            self.contacts.iter().map(|(name, contact)| (name.clone(), contact.to_json())).collect();
        let groups: serde_json::Map<_, _> = self
            .groups
            .iter()
            .map(|(name, group)| {
                let participants = json!(group.participants);
                (name.clone(), json!({ "id": group.jid(), "participants": participants }))
            })
            .collect();
        let sessions: serde_json::Map<_, _> = self
            .sessions
            .iter()
            .map(|(name, connection)| {
                let seen = json!({
                    "connected": connection.connected,
                    "online": connection.online,
                    "subscribed": connection.subscribed,
                    "chatstates": connection.chatstates,
                });
                (name.clone(), seen)
            })
            .collect();
        json!({ "contacts": contacts, "groups": groups, "sessions": sessions, "rules": self.rules })
    }

    /// What a session is shown of a contact's presence now, one stanza for each of their jids that it
    /// is subscribed to.
    fn presences(&self, contact: &Contact, connection: &Connection) -> Vec<Node> {
        if !self.shows_presence(contact, connection) {
            return Vec::new();
        }
        let mut jids: Vec<_> =
            contact.jids().filter(|jid| connection.subscribed.contains(jid)).collect();
        if jids.is_empty() && !self.rules.subscribe_first {
            jids.push(contact.jid());
        }
        jids.iter().map(|jid| self.presence(contact, jid)).collect()
    }

    fn shows_presence(&self, contact: &Contact, connection: &Connection) -> bool {
        let Rules { online_first, silent_strangers, privacy, .. } = self.rules;
        connection.connected
            && (!online_first || connection.online)
            && !(silent_strangers && contact.stranger)
            && !(privacy && contact.online_visible == Visibility::Nobody)
    }

    /// The answer to a subscribe: how the chat is now.
    fn current(&self, session: &str, jid: &str) -> Option<Node> {
        let connection = self.sessions.get(session)?;
        if self.rules.online_first && !connection.online {
            return None;
        }
        match self.owner_of(jid)? {
            Name::Group(name) => {
                let group = &self.groups[name];
                let online = group
                    .participants
                    .iter()
                    .filter(|name| self.contacts.get(*name).is_some_and(|it| it.online))
                    .count();
                Some(Node::new("presence").attr("from", jid).attr("count", online.to_string()))
            }
            Name::Contact(name) => {
                let contact = &self.contacts[name];
                if self.shows_presence(contact, connection) {
                    return Some(self.presence(contact, jid));
                }
                // A contact who hides being online is shown as offline without a last seen; a stranger not at all.
                let hidden = self.rules.privacy && contact.online_visible == Visibility::Nobody;
                let silent = self.rules.silent_strangers && contact.stranger;
                (hidden && !silent).then(|| gone(jid, "deny"))
            }
        }
    }

    fn presence(&self, contact: &Contact, jid: &str) -> Node {
        if contact.online {
            return Node::new("presence").attr("from", jid);
        }
        match contact.last_online {
            Some(last)
                if !(self.rules.privacy && contact.last_seen_visible == Visibility::Nobody) =>
            {
                gone(jid, &last.to_string())
            }
            _ => gone(jid, "deny"),
        }
    }

    fn chatstate(
        &self,
        contact: &Contact,
        group: Option<&Group>,
        does: Does,
        connection: &Connection,
    ) -> Option<Node> {
        if self.rules.typing_needs_online && !connection.online {
            return None;
        }
        if self.rules.silent_strangers && contact.stranger {
            return None;
        }
        let child = match does {
            Does::Typing => Node::new("composing"),
            Does::Recording => Node::new("composing").attr("media", "audio"),
            _ => Node::new("paused"),
        };
        let stanza = match group {
            Some(group) => Node::new("chatstate")
                .attr("from", group.jid())
                .attr("participant", contact.jid_as(group.addressing)),
            None => Node::new("chatstate").attr("from", contact.jid()),
        };
        Some(stanza.child(child))
    }

    fn message_id(&mut self) -> String {
        let number: u128 = self.chance.random();
        format!("3EB0{:018X}", number >> 56)
    }

    /// The group of this name, in which the contact must be.
    fn group_of(&self, who: &str, chat: &str) -> Result<String, WorldError> {
        match self.find(chat)? {
            Name::Group(group) if self.groups[&group].participants.contains(who) => Ok(group),
            Name::Group(group) => Err(WorldError::NotInGroup { who: who.to_owned(), group }),
            Name::Contact(_) => Err(WorldError::NotAGroup(chat.to_owned())),
        }
    }

    fn jids(&self, name: &str) -> Result<Vec<String>, WorldError> {
        Ok(match self.find(name)? {
            Name::Contact(name) => self.contacts[&name].jids().collect(),
            Name::Group(name) => vec![self.groups[&name].jid()],
        })
    }

    /// Whose id that is, with or without its server.
    fn owner_of(&self, id: &str) -> Option<&Name> {
        let owner = self.by_id.get(user_of(id))?;
        let of_group = matches!(owner, Name::Group(_));
        (!id.contains('@') || id.ends_with("@g.us") == of_group).then_some(owner)
    }

    /// Finds a contact or group by name, phone number, LID or jid.
    fn find(&self, name: &str) -> Result<Name, WorldError> {
        if self.contacts.contains_key(name) {
            return Ok(Name::Contact(name.to_owned()));
        }
        if self.groups.contains_key(name) {
            return Ok(Name::Group(name.to_owned()));
        }
        self.owner_of(name).cloned().ok_or_else(|| {
            let known = self.contacts.keys().chain(self.groups.keys()).map(String::as_str);
            WorldError::Unknown { name: name.to_owned(), hint: did_you_mean(name, known) }
        })
    }
}

/// Presence reaches only connected sessions; everything else is kept for the others.
fn waits(does: Does) -> bool {
    !matches!(does, Does::Online | Does::Offline)
}

fn user_of(id: &str) -> &str {
    let user = id.split('@').next().unwrap_or(id);
    user.split(':').next().unwrap_or(user)
}

fn without_device(jid: &str) -> String {
    match jid.split_once('@') {
        Some((user, server)) => format!("{}@{server}", user_of(user)),
        None => jid.to_owned(),
    }
}

#[cfg(test)]
mod tests;
