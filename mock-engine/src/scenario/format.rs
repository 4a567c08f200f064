//! The scenario file as it is written: its tables and fields, and nothing about what they mean.

use std::{collections::BTreeMap, num::NonZeroU32};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{
    delay::Delay,
    faults::Faults,
    noweb::Baileys,
    traffic::Population,
    world::{Addressing, Does, Rules, Visibility},
};

/// A scenario: who there is, and what happens when.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What the scenario is called; the file's name unless said.
    #[serde(default)]
    pub name: Option<String>,
    /// What it shows, in a sentence.
    #[serde(default)]
    pub description: Option<String>,
    /// The seed of all chance in it.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Which version of Baileys' events the sessions get; 7 unless said.
    #[serde(default)]
    pub baileys: Option<Baileys>,
    /// When its clock starts, in Unix seconds.
    #[serde(default)]
    #[schemars(with = "Option<u64>", range(max = 253_402_300_799_u64))]
    pub start: Option<Spanned<u64>>,
    /// How long it plays; until its last step unless said.
    #[serde(default)]
    pub duration: Option<Delay>,
    /// Other files, beside this one, whose people, sessions and timeline belong to it; each is read
    /// once. What this file leaves out of the rest is as the last of them says.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub include: Vec<Spanned<String>>,
    /// The contacts and groups that the application subscribes to before the first step; all of them
    /// unless said, none with [].
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub subscribe: Option<Vec<Spanned<String>>>,
    /// WhatsApp's rules, each of which can be switched off.
    #[serde(default)]
    pub rules: Option<Rules>,
    /// The sessions that watch; one called default unless said. Up to 1,000, and up to 1,000,000 subscriptions:
    /// NOWEB sessions times subscribed chats.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, SessionTable>")]
    pub sessions: BTreeMap<Spanned<String>, SessionTable>,
    /// The contacts, by a name of up to 100 bytes that the rest of the file uses.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ContactTable>")]
    pub contacts: BTreeMap<Spanned<String>, ContactTable>,
    /// The groups, by a name of up to 100 bytes that the rest of the file uses.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, GroupTable>")]
    pub groups: BTreeMap<Spanned<String>, GroupTable>,
    /// A generated population, for load.
    #[serde(default)]
    #[schemars(with = "Option<Population>")]
    pub traffic: Option<Spanned<Population>>,
    /// What happens, each step at its time.
    #[serde(default)]
    #[schemars(with = "Vec<StepTable>")]
    pub timeline: Vec<Spanned<StepTable>>,
}

/// A session.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionTable {
    /// Its engine: NOWEB unless said.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub engine: Option<Spanned<String>>,
    /// The account's phone number, in digits.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub phone: Option<Spanned<String>>,
    /// The account's name.
    #[serde(default)]
    pub push_name: Option<String>,
    /// Whether it announces itself as online when it connects; it does unless said.
    #[serde(default)]
    pub online: Option<bool>,
}

/// A contact.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactTable {
    /// The phone number, in digits.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub phone: Option<Spanned<String>>,
    /// The LID, in digits.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub lid: Option<Spanned<String>>,
    /// The name that they gave themselves.
    #[serde(default)]
    pub name: Option<String>,
    /// Who may see their last seen.
    #[serde(default)]
    pub last_seen: Visibility,
    /// Who may see that they are online.
    #[serde(default)]
    pub online: Visibility,
    /// Whether no trusted-contact token was exchanged: their presence stays silent.
    #[serde(default)]
    pub stranger: bool,
    /// Which of their ids their own chat goes by.
    #[serde(default)]
    pub addressing: Addressing,
    /// How long before the start they were last online; by chance unless said.
    #[serde(default)]
    pub last_online: Option<Delay>,
}

/// A group.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupTable {
    /// Its id, in digits.
    #[schemars(with = "String")]
    pub id: Spanned<String>,
    /// Its participants, by name.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub participants: Vec<Spanned<String>>,
    /// Which of their ids its participants go by.
    #[serde(default)]
    pub addressing: Addressing,
}

/// A step: `who` `does` something, or one of connection, stanza, event, fault, subscribe, expect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepTable {
    /// How long after the start.
    pub at: Delay,
    /// Interval at which the step is repeated.
    #[serde(default)]
    pub repeat: Option<Repeat>,
    /// Which session it is about; every one, or the first on NOWEB where it must be one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub session: Option<Spanned<String>>,
    /// The contact who acts.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub who: Option<Spanned<String>>,
    /// What they do.
    #[serde(default)]
    #[schemars(with = "Option<Does>")]
    pub does: Option<Spanned<Does>>,
    /// The group in which they do it; the chat with the session itself unless said.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub r#in: Option<Spanned<String>>,
    /// The text of a message.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub text: Option<Spanned<String>>,
    /// The connection to WhatsApp closes or opens.
    #[serde(default)]
    #[schemars(with = "Option<Switch>")]
    pub connection: Option<Spanned<Switch>>,
    /// Baileys' code of a close; 428 unless said.
    #[serde(default)]
    #[schemars(with = "Option<u16>")]
    pub code: Option<Spanned<u16>>,
    /// One node or several, { tag, attrs, content }, that arrive whatever the rules say.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub stanza: Option<Spanned<toml::Value>>,
    /// The name of an event that is handed to the gateway as it is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub event: Option<Spanned<String>>,
    /// The event's data.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub data: Option<Spanned<toml::Value>>,
    /// What goes wrong from here on; {} ends all faults.
    #[serde(default)]
    #[schemars(with = "Option<Faults>")]
    pub fault: Option<Spanned<Faults>>,
    /// Contacts and groups that the application subscribes to.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub subscribe: Option<Spanned<Vec<Spanned<String>>>>,
    /// What must be so at this time.
    #[serde(default)]
    #[schemars(with = "Option<ExpectTable>")]
    pub expect: Option<Spanned<ExpectTable>>,
}

/// A repeated step.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How often.
    pub every: Delay,
    /// How many times in all; without end unless said.
    #[serde(default)]
    pub times: Option<NonZeroU32>,
}

/// Open or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// Connected.
    Open,
    /// Disconnected.
    Close,
}

/// What must be so.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectTable {
    /// Contacts and groups that WhatsApp has a subscription of, on this connection.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub subscribed: Vec<Spanned<String>>,
    /// Contacts and groups that it has none of.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub unsubscribed: Vec<Spanned<String>>,
    /// Expected answer of the API about a contact.
    #[serde(default)]
    pub presence: Option<ExpectPresenceTable>,
    /// The session's status.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub status: Option<Spanned<String>>,
}

/// Expected answer of the API about a contact in a chat.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectPresenceTable {
    /// The chat: a contact or a group.
    #[schemars(with = "String")]
    pub chat: Spanned<String>,
    /// Who in that chat; the chat itself unless said.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub participant: Option<Spanned<String>>,
    /// What they are, in the documentation's words; absent when they are not listed.
    pub is: Is,
    /// Whether a last seen is given.
    #[serde(default)]
    pub last_seen: Option<bool>,
}

/// A presence, in the documentation's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Is {
    /// Gone.
    Offline,
    /// There.
    Online,
    /// Typing.
    Typing,
    /// Recording a voice message.
    Recording,
    /// No longer typing.
    Paused,
    /// Not listed.
    Absent,
}

impl Is {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Online => "online",
            Self::Typing => "typing",
            Self::Recording => "recording",
            Self::Paused => "paused",
            Self::Absent => "absent",
        }
    }
}

/// What must be so, its names checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Chats that must be subscribed.
    pub subscribed: Vec<String>,
    /// Chats that must not be subscribed.
    pub unsubscribed: Vec<String>,
    /// What the API answers.
    pub presence: Option<ExpectPresence>,
    /// The session's status.
    pub status: Option<String>,
}

/// Expected answer of the API about a contact, its names checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectPresence {
    /// The chat.
    pub chat: String,
    /// Who in it.
    pub participant: String,
    /// What they are.
    pub is: Is,
    /// Whether a last seen is given.
    pub last_seen: Option<bool>,
}
