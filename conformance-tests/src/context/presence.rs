//! The presence endpoints, and changes of contacts' presence.

use serde_json::{Value, json};

use super::Context;
use crate::{
    driver::{Action, Becomes, LastSeen, engine_id},
    requirements,
    target::Answer,
    verdict::{Failure, Needed, Verdict, same},
};

impl Context {
    /// `/api/{session}/presence` followed by `rest`.
    pub(crate) fn presence_path(&self, rest: &str) -> String {
        format!("/api/{}/presence{rest}", self.session)
    }

    pub(crate) async fn get_all(&self) -> Verdict<Answer> {
        self.target().get(self.presence_path("/")).send(&self.trace).await
    }

    pub(crate) async fn get_chat(&self, chat: &str) -> Verdict<Answer> {
        self.target().get(self.presence_path(&format!("/{chat}"))).send(&self.trace).await
    }

    /// Subscribes to a chat, which must succeed.
    pub(crate) async fn subscribe(&self, chat: &str) -> Verdict<Answer> {
        self.post_subscribe(chat).await?.succeeds()
    }

    pub(crate) async fn post_subscribe(&self, chat: &str) -> Verdict<Answer> {
        let path = self.presence_path(&format!("/{chat}/subscribe"));
        self.target().post(path).send(&self.trace).await
    }

    /// A contact, subscribed to in some way.
    pub(crate) async fn subscribed_contact(&self) -> Verdict<String> {
        let contact = self.contact();
        self.subscribe_somehow(&contact).await;
        Ok(contact)
    }

    /// A group, subscribed to in some way.
    pub(crate) async fn subscribed_group(&self) -> Verdict<String> {
        let group = self.group();
        self.subscribe_somehow(&group).await;
        Ok(group)
    }

    /// Subscribes to a chat by POST or else by GET. If neither works the check goes on, since a driver
    /// may report presence without a subscription; a later failure is then because of this one.
    pub(crate) async fn subscribe_somehow(&self, chat: &str) {
        if self.subscribe(chat).await.is_ok() {
            return;
        }
        if self.get_chat(chat).await.and_then(|answer| answer.is(200)).is_err() {
            self.unsubscribed.get_or_init(|| requirements::subscription(chat));
        }
    }

    /// Changes a contact's presence in their direct chat.
    pub(crate) async fn does(&self, contact: &str, is: Becomes) -> Verdict {
        self.does_in(contact, contact, is).await
    }

    /// Changes a participant's presence in a chat.
    pub(crate) async fn does_in(&self, chat: &str, participant: &str, is: Becomes) -> Verdict {
        self.presence(chat, participant, is, None).await
    }

    /// Makes a participant go offline with this last seen.
    pub(crate) async fn leaves(
        &self,
        chat: &str,
        participant: &str,
        last_seen: Option<LastSeen>,
    ) -> Verdict {
        self.presence(chat, participant, Becomes::Offline, last_seen).await
    }

    async fn presence(
        &self,
        chat: &str,
        participant: &str,
        is: Becomes,
        last_seen: Option<LastSeen>,
    ) -> Verdict {
        let (chat, participant) = (chat.to_owned(), participant.to_owned());
        self.act(Action::Presence { chat, participant, is, last_seen }).await?;
        Ok(())
    }

    /// Makes the engine report this status word for a participant.
    pub(crate) async fn engine_says(&self, chat: &str, participant: &str, word: &str) -> Verdict {
        let (chat, participant) = (engine_id(chat), engine_id(participant));
        let presences = json!({ participant: { "lastKnownPresence": word } });
        let data = json!({ "id": chat, "presences": presences });
        self.act(Action::Event { event: "presence.update", data }).await?;
        Ok(())
    }

    /// Holds when `judge` accepts the answer to GET of the chat.
    pub(crate) async fn chat_shows(
        &self,
        chat: &str,
        judge: impl Fn(&Value) -> Result<(), Failure>,
    ) -> Verdict {
        self.get_until(&self.presence_path(&format!("/{chat}")), judge).await?;
        Ok(())
    }

    /// Holds when `judge` accepts this participant's record in the chat.
    pub(crate) async fn shows(
        &self,
        chat: &str,
        participant: &str,
        judge: impl Fn(&Value) -> Result<(), Failure>,
    ) -> Verdict {
        let recorded = requirements::recorded(chat);
        self.chat_shows(chat, |actual| judge(record(actual, participant).needed(recorded)?)).await
    }

    /// Holds when this participant of the chat has this status.
    pub(crate) async fn shows_status(
        &self,
        chat: &str,
        participant: &str,
        status: &str,
    ) -> Verdict {
        self.shows(chat, participant, |record| has_status(record, status)).await
    }

    /// Holds when `judge` accepts the chat's entry in GET all.
    pub(crate) async fn all_shows(
        &self,
        chat: &str,
        judge: impl Fn(&Value) -> Result<(), Failure>,
    ) -> Verdict {
        let listed = requirements::listed(chat);
        let judge = |all: &Value| judge(entry(all, chat).needed(listed)?);
        self.get_until(&self.presence_path("/"), judge).await?;
        Ok(())
    }
}

/// The documented fields of a chat or a record. Other checks judge whether there are further
/// fields, and whether an empty lastSeen is null or absent.
pub(crate) fn documented(shown: &Value) -> Value {
    let Some(fields) = shown.as_object() else { return shown.clone() };
    let field = |name: &str| fields.get(name).cloned().unwrap_or(Value::Null);
    match fields.get("presences") {
        Some(Value::Array(records)) => {
            let records: Vec<Value> = records.iter().map(documented).collect();
            json!({ "id": field("id"), "presences": records })
        }
        Some(_) => shown.clone(),
        None => json!({
            "participant": field("participant"),
            "lastKnownPresence": field("lastKnownPresence"),
            "lastSeen": field("lastSeen"),
        }),
    }
}

/// A chat's entry in the list of all.
pub(crate) fn entry<'a>(all: &'a Value, chat: &str) -> Result<&'a Value, Failure> {
    let list = all.as_array().ok_or_else(|| Failure::new("an array", all.to_string()))?;
    list.iter().find(|entry| entry["id"] == chat).ok_or_else(|| {
        let ids: Vec<&str> = list.iter().filter_map(|entry| entry["id"].as_str()).collect();
        Failure::new(
            format!("an entry with the id {chat}"),
            format!("entries with the ids {}", few(&ids)),
        )
    })
}

/// A participant's record in a chat.
pub(crate) fn record<'a>(chat: &'a Value, participant: &str) -> Result<&'a Value, Failure> {
    let list = chat["presences"]
        .as_array()
        .ok_or_else(|| Failure::new("the array presences", chat.to_string()))?;
    list.iter().find(|record| record["participant"] == participant).ok_or_else(|| {
        Failure::new(format!("a record for the participant {participant}"), chat.to_string())
    })
}

/// Holds when the record has this status.
pub(crate) fn has_status(record: &Value, status: &str) -> Result<(), Failure> {
    same(&json!(status), &record["lastKnownPresence"])
        .map_err(|_| Failure::new(format!("lastKnownPresence {status:?}"), record.to_string()))
        .needed(requirements::status(status))
}

fn few(ids: &[&str]) -> String {
    match ids {
        [] => "(none)".to_owned(),
        ids if ids.len() > 5 => format!("{} and {} more", ids[..5].join(", "), ids.len() - 5),
        ids => ids.join(", "),
    }
}
