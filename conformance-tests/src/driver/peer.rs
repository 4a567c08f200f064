//! A second account on another WAHA server, which really types and goes offline.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Action, Becomes, Driver, DriverError, Step};
use crate::{Ability, Target, target::Answer, trace::Trace};

/// A session on another WAHA server whose account is a contact of the target's account.
#[derive(Debug)]
pub(super) struct Peer {
    name: String,
    api: Target,
    session: String,
    /// The peer's own id: the one contact that this driver controls.
    contact: String,
    /// The account of the session under test, which the peer types to.
    towards: String,
}

impl Peer {
    /// `rest` is `URL#SESSION`; `session` is the one under test.
    pub(super) async fn connect(
        name: &str,
        rest: &str,
        session: &str,
        target: &Target,
        key: Option<String>,
    ) -> Result<Self, DriverError> {
        let Some((url, own)) = rest.rsplit_once('#').filter(|(_, own)| !own.is_empty()) else {
            return Err(DriverError::misnamed(name, "missing session; expected peer:URL#SESSION"));
        };
        let api = target.beside(url).map_err(|error| DriverError::misnamed(name, error))?;
        let api = api.with_api_key(key);
        let contact = me(&api, own).await?;
        let towards = me(target, session).await?;
        if contact == towards {
            let why = format!("{contact} is the account of the session under test");
            return Err(DriverError::misnamed(name, why));
        }
        let (name, session) = (name.to_owned(), own.to_owned());
        Ok(Self { name, api, session, contact, towards })
    }
}

async fn me(target: &Target, session: &str) -> Result<String, DriverError> {
    let path = format!("/api/sessions/{session}/me");
    let failed = |why: String| DriverError::failed(format!("{}{path}: {why}", target.url()));
    let answer = target.get(&path).send(&Trace::default()).await.and_then(Answer::succeeds);
    let me = answer.and_then(|answer| answer.json()).map_err(|halt| failed(halt.to_string()))?;
    match me["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => Err(failed(format!("the account has no id: {me}"))),
    }
}

impl Driver for Peer {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> &[Ability] {
        &[Ability::Presence]
    }

    fn only_contact(&self) -> Option<&str> {
        Some(&self.contact)
    }

    fn perform<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Value, DriverError>> {
        Box::pin(async move {
            let Action::Presence { is, .. } = &step.action else {
                return Err(DriverError::Declined(
                    "the peer driver can only change its own presence".to_owned(),
                ));
            };
            let body = match is {
                Becomes::Online => json!({ "presence": "online" }),
                Becomes::Offline => json!({ "presence": "offline" }),
                Becomes::Typing => json!({ "presence": "typing", "chatId": self.towards }),
                Becomes::Recording => json!({ "presence": "recording", "chatId": self.towards }),
                Becomes::Stopped => json!({ "presence": "paused", "chatId": self.towards }),
            };
            let call = self.api.post(format!("/api/{}/presence", self.session)).json(&body);
            let answer = call.send(&Trace::default()).await.and_then(Answer::succeeds);
            answer.map(|_| Value::Null).map_err(|halt| DriverError::failed(halt.to_string()))
        })
    }
}
