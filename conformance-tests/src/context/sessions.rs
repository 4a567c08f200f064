//! Sessions that a check creates, and that are deleted when it has ended.

use http::Method;
use serde_json::{Value, json};

use super::Context;
use crate::{
    Ability,
    environment::Undo,
    requirements,
    target::Answer,
    verdict::{Failure, Needed, Verdict, same},
};

impl Context {
    /// Calls the sessions API: `/api/sessions` followed by `rest`. A call that changes something
    /// continues when this future is dropped, so that the change can be undone.
    pub(crate) async fn sessions(
        &self,
        method: Method,
        rest: &str,
        body: Option<&Value>,
    ) -> Verdict<Answer> {
        let (target, trace) = (self.target().clone(), self.trace.clone());
        let (path, body) = (format!("/api/sessions{rest}"), body.cloned());
        let permit = match method {
            Method::GET => None,
            _ => Some(self.environment.undoing.permit().await?),
        };
        let call = tokio::spawn(async move {
            let mut call = target.request(method, path);
            if let Some(body) = &body {
                call = call.json(body);
            }
            let answer = call.send(&trace).await;
            drop(permit);
            answer
        });
        call.await.unwrap_or_else(|error| Err(Failure::new("an answer", error.to_string()).into()))
    }

    /// Creates a session, which is deleted when the check has ended.
    pub(crate) async fn make_session(
        &self,
        name: &str,
        config: Value,
        start: bool,
    ) -> Verdict<Answer> {
        let body = json!({ "name": name, "start": start, "config": config });
        self.post_session(name, &body).await
    }

    /// Creates a session with this name and body, which is deleted when the check has ended.
    pub(crate) async fn post_session(&self, name: &str, body: &Value) -> Verdict<Answer> {
        let delete = Undo::Delete(name.to_owned());
        self.environment.undo_after(self.check(), delete.clone());
        let answer = self.sessions(Method::POST, "", Some(body)).await;
        if answer.is_err() {
            // A slow target may create it after the check has ended.
            self.environment.undo_after("", delete);
        }
        answer
    }

    /// The same check on a new session, which is WORKING if `start` is set and the driver supports
    /// it.
    pub(crate) async fn own_session(&self, config: Value, start: bool) -> Verdict<Self> {
        let name = self.session_name();
        let made = self.make_session(&name, config, start).await;
        made.and_then(Answer::succeeds).needed(requirements::CREATE_SESSION)?;
        let own = self.on(name);
        if start && self.environment.can(Ability::NewSessions) {
            own.reaches("WORKING").await.needed(requirements::WORKING_SESSION)?;
        }
        Ok(own)
    }

    /// Starts, stops, restarts or logs out the session.
    pub(crate) async fn session_does(&self, what: &str) -> Verdict<Answer> {
        self.sessions(Method::POST, &format!("/{}/{what}", self.session), None).await
    }

    /// Starts or stops the session, which must succeed.
    pub(crate) async fn session_must(&self, what: &str) -> Verdict {
        let answer = self.session_does(what).await.and_then(Answer::succeeds);
        answer.map(|_| ()).needed(requirements::START_AND_STOP)
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
