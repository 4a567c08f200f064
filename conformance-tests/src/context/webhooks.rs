//! Webhooks sent to the suite's receiver.

use http::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::Context;
use crate::{
    Ability,
    environment::{Shared, Undo},
    receiver::{Delivery, Hook},
    requirements,
    target::Answer,
    trace::Trace,
    verdict::{Failure, Halt, Needed, Verdict, ensure},
};

/// The key that signs the suite's webhooks.
pub(crate) const HMAC_KEY: &str = "conformance-key";

/// The custom header that the suite configures.
pub(crate) const CUSTOM_HEADER: (&str, &str) = ("X-Conformance", "as configured");

/// The metadata of the sessions that the suite creates.
pub(crate) fn metadata() -> Value {
    json!({ "conformance.run": "yes" })
}

fn webhook(hook: &Hook, events: &[&str]) -> Value {
    json!({
        "url": hook.url(),
        "events": events,
        "hmac": { "key": HMAC_KEY },
        "retries": { "policy": "constant", "delaySeconds": 1, "attempts": 3 },
        "customHeaders": [{ "name": CUSTOM_HEADER.0, "value": CUSTOM_HEADER.1 }],
    })
}

impl Context {
    /// The same check on a session whose `presence.update` events go to the hook.
    ///
    /// All checks of a run share this session: a new one if new sessions reach WORKING by
    /// themselves, otherwise the session under test, whose configuration is restored at the end.
    pub(crate) async fn hooked(&self) -> Verdict<(Self, Hook)> {
        let (session, hook) =
            self.shared(&self.environment.hooked, async |run: Self| run.hook_up().await).await?;
        if self.environment.driver.only_contact().is_some() {
            // Events of earlier checks with the same contact may still be in flight.
            self.quiet().await;
        }
        Ok((self.on(session), hook.afresh()))
    }

    /// A resource that the first check to need it sets up for all. Its requests belong to the run;
    /// if it fails, each check that needs it shows them.
    async fn shared<T: Clone>(
        &self,
        cell: &OnceCell<Shared<T>>,
        set_up: impl AsyncFnOnce(Self) -> Verdict<T>,
    ) -> Verdict<T> {
        let first = || async {
            let trace = Trace::default();
            let run = Self { check: "", trace: trace.clone(), ..self.clone() };
            set_up(run).await.map_err(|halt| (halt, trace.take()))
        };
        match cell.get_or_init(first).await {
            Ok(made) => Ok(made.clone()),
            Err((halt, traced)) => {
                let places: Vec<usize> =
                    traced.iter().map(|traced| self.trace.add(traced.clone())).collect();
                let mut halt = halt.clone();
                if let Halt::Failed(failure) = &mut halt {
                    failure.traced = failure.traced.and_then(|at| places.get(at).copied());
                }
                Err(halt)
            }
        }
    }

    async fn hook_up(&self) -> Verdict<(String, Hook)> {
        let environment = &self.environment;
        if environment.settings.webhook_configured {
            return Ok((environment.settings.session.clone(), environment.receiver.catch_all()));
        }
        let hook = environment.receiver.hook();
        let webhook = webhook(&hook, &["presence.update"]);
        if environment.can(Ability::NewSessions) && environment.no_new_sessions().is_none() {
            let config = json!({ "metadata": metadata(), "webhooks": [webhook] });
            let own = self.own_session(config, true).await?;
            return Ok((own.session, hook));
        }
        let under_test = self.on(environment.settings.session.clone());
        under_test.add_webhook(webhook).await?;
        Ok((under_test.session, hook))
    }

    /// Adds a webhook to the session under test, whose configuration is restored at the end.
    async fn add_webhook(&self, webhook: Value) -> Verdict {
        let path = format!("/{}", self.session);
        let session = self.sessions(Method::GET, &path, None).await;
        let session = session.and_then(|answer| answer.is(200)?.json());
        let session = session.needed(requirements::GET_SESSION)?;
        let config =
            session.get("config").filter(|it| it.is_object()).cloned().unwrap_or(json!({}));
        if hides_secrets(&config) {
            return Err(Halt::Skipped(
                "the session's configuration hides its secrets, so it could not be restored; start the \
                 target with its webhooks at --advertise and pass --webhook-configured"
                    .to_owned(),
            ));
        }
        let mut changed = config.clone();
        let mut webhooks = config["webhooks"].as_array().cloned().unwrap_or_default();
        webhooks.push(webhook);
        changed["webhooks"] = Value::Array(webhooks);
        let session = self.session.clone();
        self.environment.undo_after(self.check(), Undo::Configure { session, config });
        let body = json!({ "config": changed });
        let put = self.sessions(Method::PUT, &path, Some(&body)).await;
        put.and_then(Answer::succeeds).needed(requirements::PUT_SESSION)?;
        self.reaches("WORKING").await.needed(requirements::PUT_SESSION)
    }

    /// The first `count` events of the chat since this check began, in order of arrival.
    pub(crate) async fn presence_updates(
        &self,
        hook: &Hook,
        chat: &str,
        count: usize,
    ) -> Verdict<Vec<Delivery>> {
        let of_chat = |delivery: &Delivery| {
            let event = delivery.json();
            event["event"] == "presence.update" && event["payload"]["id"] == chat
        };
        let found = hook.wait(count, self.timeout(), of_chat).await;
        for delivery in &found {
            self.trace.add(delivery.traced());
        }
        ensure(
            found.len() >= count,
            format!("{count} webhooks presence.update for {chat}"),
            || format!("{} within {} ms", found.len(), self.timeout().as_millis()),
        )?;
        Ok(found)
    }

    /// The next webhook `presence.update` of the chat, as JSON.
    pub(crate) async fn presence_update(&self, hook: &Hook, chat: &str) -> Verdict<Value> {
        let found = self.presence_updates(hook, chat, 1).await;
        let found = found.needed(requirements::PRESENCE_UPDATE)?;
        Ok(found.first().map(Delivery::json).unwrap_or_default())
    }

    /// The `session.status` events of a session that was started and stopped, shared by all checks.
    pub(crate) async fn status_events(&self) -> Verdict<Vec<Delivery>> {
        let events =
            self.shared(&self.environment.statuses, async |run: Self| run.start_and_stop().await);
        let events = events.await?;
        for delivery in &events {
            self.trace.add(delivery.traced());
        }
        Ok(events)
    }

    async fn start_and_stop(&self) -> Verdict<Vec<Delivery>> {
        let hook = self.environment.receiver.hook();
        let webhook = webhook(&hook, &["session.status"]);
        let config = json!({ "metadata": metadata(), "webhooks": [webhook] });
        let own = self.own_session(config, true).await?;
        own.first_status(&hook).await?;
        own.session_must("stop").await?;
        let stopped = |delivery: &Delivery| delivery.json()["payload"]["status"] == "STOPPED";
        hook.wait(1, self.timeout(), stopped).await;
        Ok(hook.deliveries(|_| true))
    }

    /// The first webhook of a starting session.
    pub(crate) async fn first_status(&self, hook: &Hook) -> Verdict<Delivery> {
        self.statuses(hook, 1)
            .await
            .needed(requirements::SESSION_STATUS)?
            .into_iter()
            .next()
            .ok_or_else(|| Failure::new("a webhook session.status", "none").into())
    }

    /// The first `count` webhooks at the hook, of any kind.
    pub(crate) async fn statuses(&self, hook: &Hook, count: usize) -> Verdict<Vec<Delivery>> {
        let found = hook.wait(count, self.timeout() + RETRY_TIME, |_| true).await;
        for delivery in &found {
            self.trace.add(delivery.traced());
        }
        ensure(found.len() >= count, format!("{count} webhooks"), || found.len().to_string())?;
        Ok(found)
    }
}

/// The time that retries may add to the time-out, with the delays that the suite configures.
const RETRY_TIME: std::time::Duration = std::time::Duration::from_secs(4);

fn hides_secrets(config: &Value) -> bool {
    match config {
        Value::String(text) => text.len() > 2 && text.bytes().all(|byte| byte == b'*'),
        Value::Array(items) => items.iter().any(hides_secrets),
        Value::Object(fields) => fields.values().any(hides_secrets),
        _ => false,
    }
}
