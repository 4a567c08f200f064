//! Contacts and groups.

use indexmap::IndexSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::delay::Delay;

/// A contact and their true state.
#[derive(Clone, Debug, Default)]
pub struct Contact {
    /// The phone number, in digits.
    pub phone: Option<String>,
    /// The LID: the number that hides the phone number.
    pub lid: Option<String>,
    /// The name that they gave themselves.
    pub name: Option<String>,
    /// Who may see their last seen.
    pub last_seen_visible: Visibility,
    /// Who may see that they are online.
    pub online_visible: Visibility,
    /// No trusted-contact token was exchanged with them.
    pub stranger: bool,
    /// Which of their ids stands in their own chat.
    pub addressing: Addressing,
    /// Whether they are online.
    pub online: bool,
    /// When they were last online, in Unix seconds.
    pub last_online: Option<u64>,
    /// How long before they were added they were last online; by chance unless said.
    pub last_online_before: Option<Delay>,
    /// Where they type or record: in a group, or (`None` inside) in the chat with the session.
    pub active_in: Option<Option<String>>,
}

/// Some contacts together.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Its id, in digits.
    pub id: String,
    /// Its participants, by the names of their contacts.
    pub participants: IndexSet<String>,
    /// Which of their ids participants go by.
    pub addressing: Addressing,
}

/// Who may see a property of a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everyone.
    #[default]
    Everyone,
    /// No one.
    Nobody,
}

/// The kind of id that a contact appears under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Addressing {
    /// The phone number, if there is one.
    #[default]
    Phone,
    /// The LID, if there is one.
    Lid,
}

/// What a contact can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Does {
    /// Comes online.
    Online,
    /// Goes offline.
    Offline,
    /// Types.
    Typing,
    /// Records a voice message.
    Recording,
    /// Stops typing or recording.
    Paused,
    /// Sends a message.
    Message,
}

impl Contact {
    /// The jid of the contact's own chat.
    pub fn jid(&self) -> String {
        self.jid_as(self.addressing)
    }

    /// The jid by which the contact goes where `addressing` holds.
    pub fn jid_as(&self, addressing: Addressing) -> String {
        match (&self.phone, &self.lid, addressing) {
            (_, Some(lid), Addressing::Lid) | (None, Some(lid), _) => format!("{lid}@lid"),
            (Some(phone), ..) => format!("{phone}@s.whatsapp.net"),
            (None, None, _) => "0@s.whatsapp.net".to_owned(),
        }
    }

    /// Each jid of the contact.
    pub fn jids(&self) -> impl Iterator<Item = String> {
        let phone = self.phone.iter().map(|phone| format!("{phone}@s.whatsapp.net"));
        phone.chain(self.lid.iter().map(|lid| format!("{lid}@lid")))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.jid(),
            "phone": self.phone,
            "lid": self.lid,
            "name": self.name,
            "online": self.online,
            "lastOnline": self.last_online,
            "activeIn": match &self.active_in {
                None => Value::Null,
                Some(None) => json!("direct"),
                Some(Some(group)) => json!(group),
            },
            "stranger": self.stranger,
        })
    }
}

impl Group {
    /// The group's jid.
    pub fn jid(&self) -> String {
        format!("{}@g.us", self.id)
    }
}
