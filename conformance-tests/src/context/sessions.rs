//! Sessions of the suite's own, which are gone when the check has ended.

use http::Method;
use serde_json::{Value, json};

use super::Context;
use crate::{
    Ability,
    environment::Undo,
    target::Answer,
    verdict::{Failure, Verdict, same},
};

impl Context {
    /// A call of the sessions API: `/api/sessions` and what follows. One that changes something goes on
    /// when this future is dropped, so that it can be put back.
    pub(crate) async fn sessions(
        &self,
        method: Method,
        rest: &str,
        body: Option<&Value>,
    ) -> Verdict<Answer> {
        let (target, trace) = (self.target().clone(), self.trace.clone());
        let (path, body) = (format!("/api/sessions{rest}"), body.cloned());
        let changing = match method {
            Method::GET => None,
            _ => Some(self.environment.changing.clone().read_owned().await),
        };
        let call = tokio::spawn(async move {
            let mut call = target.request(method, path);
            if let Some(body) = &body {
                call = call.json(body);
            }
            let answer = call.send(&trace).await;
            drop(changing);
            answer
        });
        call.await.unwrap_or_else(|error| Err(Failure::new("an answer", error.to_string()).into()))
    }

    /// Makes a session; it is deleted when the check has ended.
    pub(crate) async fn make_session(
        &self,
        name: &str,
        config: Value,
        start: bool,
    ) -> Verdict<Answer> {
        let body = json!({ "name": name, "start": start, "config": config });
        self.post_session(name, &body).await
    }

    /// Makes a session of this name with this body; it is deleted when the check has ended.
    pub(crate) async fn post_session(&self, name: &str, body: &Value) -> Verdict<Answer> {
        let delete = Undo::Delete(name.to_owned());
        self.environment.later(self.check(), delete.clone());
        let answer = self.sessions(Method::POST, "", Some(body)).await;
        if answer.is_err() {
            // A target that is slow to answer may make it after the check has ended.
            self.environment.later("", delete);
        }
        answer
    }

    /// The same check on a new session; one that works, where the driver can bring that about.
    pub(crate) async fn own_session(&self, config: Value, start: bool) -> Verdict<Self> {
        let name = self.session_name();
        self.make_session(&name, config, start).await?.succeeds()?;
        let own = self.on(name);
        if start && self.environment.can(Ability::NewSessions) {
            own.reaches("WORKING").await?;
        }
        Ok(own)
    }

    /// Starts, stops, restarts or logs out the session.
    pub(crate) async fn session_does(&self, what: &str) -> Verdict<Answer> {
        self.sessions(Method::POST, &format!("/{}/{what}", self.session), None).await
    }

    /// Waits until the session has this status.
    pub(crate) async fn reaches(&self, status: &str) -> Verdict {
        let path = format!("/api/sessions/{}", self.session);
        self.get_for(self.timeout(), &path, |session| {
            same(&json!(status), &session["status"]).map_err(|_| {
                Failure::new(format!("the session's status {status}"), session.to_string())
            })
        })
        .await?;
        Ok(())
    }
}
