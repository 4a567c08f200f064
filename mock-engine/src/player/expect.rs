//! What a scenario expects, and what of it does not hold.

use std::fmt;

use axum::http::Method;
use serde::Serialize;
use serde_json::Value;

use super::{Answer, Stage, outward};
use crate::{
    delay::Delay,
    scenario::{Expect, ExpectPresence},
};

/// An expectation of a scenario that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// How long after the start.
    pub at: Delay,
    /// Where it is written: `file:line`.
    pub source: String,
    /// What was expected, and what was there.
    pub message: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {}): {}", self.source, self.at, self.message)
    }
}

impl Stage {
    /// What of an expectation does not hold.
    pub(super) async fn broken(&self, session: &str, expect: &Expect) -> Vec<String> {
        let mut broken = Vec::new();
        let subscribed =
            |name: &str| self.mock().with_world(|world| world.is_subscribed(session, name));
        for name in &expect.subscribed {
            if !subscribed(name).unwrap_or_default() {
                broken.push(format!("expected a subscription of {name}, found none"));
            }
        }
        for name in &expect.unsubscribed {
            if subscribed(name).unwrap_or_default() {
                broken.push(format!("expected no subscription of {name}, found one"));
            }
        }
        if let Some(status) = &expect.status {
            let found = self.status(session).await.unwrap_or_else(|error| error);
            if found != *status {
                broken.push(format!("expected the session to be {status}, found {found}"));
            }
        }
        if let Some(presence) = &expect.presence {
            broken.extend(self.broken_presence(session, presence).await.err());
        }
        broken
    }

    async fn broken_presence(&self, session: &str, expect: &ExpectPresence) -> Result<(), String> {
        let (chat, participant) = self
            .mock()
            .with_world(|world| {
                let participant = world.participant_jid(&expect.chat, &expect.participant)?;
                Ok::<_, crate::world::WorldError>((world.jid(&expect.chat)?, participant))
            })
            .map_err(|error| error.to_string())?;
        let who = format!("{} in {}", expect.participant, expect.chat);
        let expected = format!("expected {who} to be {}", expect.is.as_str());
        // The API would wait for a session that is not ready, and delay the scenario.
        let status = self.status(session).await?;
        if status != "WORKING" {
            return Err(format!("{expected}, but the session {session} is {status}"));
        }
        // All chats, for asking about one subscribes to it.
        let all = self.ask(Method::GET, &format!("/api/{session}/presence")).await;
        let all = all.map_err(|error| format!("{expected}, but {error}"))?;
        let chats = all.as_array().map(Vec::as_slice).unwrap_or_default();
        let chat = chats.iter().find(|it| it["id"] == outward(&chat));
        let presences = chat.and_then(|it| it["presences"].as_array());
        let found = presences
            .and_then(|all| all.iter().find(|it| it["participant"] == outward(&participant)));
        let is = found.and_then(|it| it["lastKnownPresence"].as_str()).unwrap_or("absent");
        if is != expect.is.as_str() {
            return Err(format!("{expected}, found {is}"));
        }
        let last_seen = found.map(|it| &it["lastSeen"]).filter(|it| !it.is_null());
        match (expect.last_seen, last_seen) {
            (Some(true), None) => Err(format!("expected {who} to have a last seen, found none")),
            (Some(false), Some(found)) => {
                Err(format!("expected {who} to have no last seen, found {found}"))
            }
            _ => Ok(()),
        }
    }

    /// A session's status, as the API says it.
    async fn status(&self, session: &str) -> Result<String, String> {
        let shown = self.ask(Method::GET, &format!("/api/sessions/{session}")).await?;
        Ok(shown["status"].as_str().unwrap_or("without a status").to_owned())
    }

    /// What the application answers, when it is what was asked for.
    pub(super) async fn ask(&self, method: Method, path: &str) -> Result<Value, String> {
        let app = self.app().ok_or("there is no application")?;
        let Answer { status, body } = app.request(method.clone(), path, None).await;
        if status.is_success() {
            return Ok(body);
        }
        let why = body["message"].as_str().unwrap_or_default();
        Err(format!("{method} {path} answers {status}: {why}"))
    }
}
