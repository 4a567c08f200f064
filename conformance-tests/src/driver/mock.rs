//! A mock engine's control API under `/mock`: stanzas, events, connection, status, faults, journal.

use futures_util::future::BoxFuture;
use http::Method;
use serde_json::{Value, json};

use super::{Action, Becomes, Driver, DriverError, LastSeen, Step, engine_id};
use crate::{Ability, Target, trace::Trace};

const ABILITIES: &[Ability] = &[
    Ability::Presence,
    Ability::People,
    Ability::Groups,
    Ability::Messages,
    Ability::Raw,
    Ability::Connection,
    Ability::Journal,
    Ability::Faults,
    Ability::NewSessions,
    Ability::Status,
];

/// A mock engine's control API.
#[derive(Debug)]
pub(super) struct Mock {
    name: String,
    api: Target,
}

impl Mock {
    pub(super) async fn connect(
        name: &str,
        url: &str,
        session: &str,
        target: &Target,
    ) -> Result<Self, DriverError> {
        let api = target.beside(url).map_err(|error| DriverError::misnamed(name, error))?;
        let mock = Self { name: name.to_owned(), api };
        mock.call(Method::GET, &format!("/mock/sessions/{session}/journal"), None)
            .await
            .map_err(|error| DriverError::failed(format!("no control API at {url}: {error}")))?;
        Ok(mock)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, DriverError> {
        let mut call = self.api.request(method, path);
        if let Some(body) = body {
            call = call.json(&body);
        }
        let answer = call
            .send(&Trace::default())
            .await
            .and_then(crate::target::Answer::succeeds)
            .map_err(|halt| DriverError::failed(format!("{path}: {halt}")))?;
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        answer.json().map_err(|halt| DriverError::failed(format!("{path}: {halt}")))
    }
}

impl Driver for Mock {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> &[Ability] {
        ABILITIES
    }

    fn is_immediate(&self) -> bool {
        true
    }

    fn perform<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Value, DriverError>> {
        let at = |call: &str| format!("/mock/sessions/{}/{call}", step.session);
        let (method, path, body) = match &step.action {
            Action::Presence { chat, participant, is, last_seen } => {
                let stanza = presence_stanza(chat, participant, *is, last_seen.as_ref());
                (Method::POST, at("stanzas"), Some(stanza))
            }
            Action::Message { chat, participant, text } => {
                (Method::POST, at("events"), Some(message(chat, participant, text)))
            }
            Action::Stanza { stanza } => (Method::POST, at("stanzas"), Some(stanza.clone())),
            Action::Event { event, data } => {
                (Method::POST, at("events"), Some(json!({ "event": event, "data": data })))
            }
            Action::Connection { state } => {
                (Method::POST, at("connection"), Some(json!({ "state": state })))
            }
            Action::Status { status } => {
                (Method::PUT, at("status"), Some(json!({ "status": status })))
            }
            Action::Faults { send } => (Method::PUT, at("faults"), Some(json!({ "send": send }))),
            Action::Sent => (Method::GET, at("journal"), None),
        };
        Box::pin(async move {
            let answer = self.call(method, &path, body).await?;
            Ok(if matches!(step.action, Action::Sent) { sent(&answer) } else { answer })
        })
    }
}

/// The stanza that WhatsApp sends when a participant's presence changes.
pub(crate) fn presence_stanza(
    chat: &str,
    participant: &str,
    is: Becomes,
    last_seen: Option<&LastSeen>,
) -> Value {
    let mut attrs = json!({ "from": engine_id(chat) });
    if chat != participant {
        attrs["participant"] = engine_id(participant).into();
    }
    let child = match is {
        Becomes::Online => return json!({ "tag": "presence", "attrs": attrs }),
        Becomes::Offline => {
            attrs["type"] = "unavailable".into();
            match last_seen {
                Some(LastSeen::At(seconds)) => attrs["last"] = seconds.to_string().into(),
                Some(LastSeen::Text(text)) => attrs["last"] = (*text).into(),
                None => {}
            }
            return json!({ "tag": "presence", "attrs": attrs });
        }
        Becomes::Typing => json!({ "tag": "composing" }),
        Becomes::Recording => json!({ "tag": "composing", "attrs": { "media": "audio" } }),
        Becomes::Stopped => json!({ "tag": "paused" }),
    };
    json!({ "tag": "chatstate", "attrs": attrs, "content": [child] })
}

fn message(chat: &str, participant: &str, text: &str) -> Value {
    let mut key = json!({ "remoteJid": engine_id(chat), "fromMe": false, "id": "3EB0C0FFEE" });
    if chat != participant {
        key["participant"] = engine_id(participant).into();
    }
    let message = json!({ "key": key, "message": { "conversation": text } });
    json!({ "event": "messages.upsert", "data": { "messages": [message], "type": "notify" } })
}

/// The nodes of a journal, which are its entries or their field `node`.
fn sent(journal: &Value) -> Value {
    let entries = journal.get("entries").unwrap_or(journal).as_array();
    let nodes: Vec<&Value> = entries
        .map(|entries| entries.iter().map(|entry| entry.get("node").unwrap_or(entry)).collect())
        .unwrap_or_default();
    json!({ "sent": nodes })
}
