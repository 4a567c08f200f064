//! Webhooks to the suite's receiver.

use http::Method;
use serde_json::{Value, json};

use super::Context;
use crate::{
    Ability,
    environment::Undo,
    receiver::{Delivery, Hook},
    trace::Trace,
    verdict::{Failure, Halt, Verdict, ensure},
};

/// The key with which the suite's webhooks are signed.
pub(crate) const HMAC_KEY: &str = "conformance-key";

/// The header that the suite asks for.
pub(crate) const CUSTOM_HEADER: (&str, &str) = ("X-Conformance", "as asked for");

/// The metadata of the suite's own sessions.
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
    /// One session serves all checks of a run: a new one where new sessions work by themselves, or
    /// the session under test, whose configuration is put back at the end.
    pub(crate) async fn hooked(&self) -> Verdict<(Self, Hook)> {
        let (session, hook) =
            self.environment.hooked.get_or_init(|| self.hook_up()).await.clone()?;
        Ok((self.on(session), hook))
    }

    async fn hook_up(&self) -> Result<(String, Hook), Halt> {
        let environment = &self.environment;
        if environment.settings.webhook_configured {
            return Ok((environment.settings.session.clone(), environment.receiver.catch_all()));
        }
        let hook = environment.receiver.hook();
        let webhook = webhook(&hook, &["presence.update"]);
        // The requests of the set-up belong to the run, not to the check that happens to be first.
        let run = Self { check: "", trace: Trace::default(), ..self.clone() };
        if environment.can(Ability::NewSessions) {
            let config = json!({ "metadata": metadata(), "webhooks": [webhook] });
            let own = run.own_session(config, true).await?;
            return Ok((own.session, hook));
        }
        let run = run.on(environment.settings.session.clone());
        run.add_webhook(webhook).await?;
        Ok((run.session, hook))
    }

    /// Adds a webhook to the session under test, and has its configuration put back at the end.
    async fn add_webhook(&self, webhook: Value) -> Verdict {
        let path = format!("/{}", self.session);
        let session = self.sessions(Method::GET, &path, None).await?.is(200)?.json()?;
        let config =
            session.get("config").filter(|it| it.is_object()).cloned().unwrap_or(json!({}));
        if hides_secrets(&config) {
            return Err(Halt::Skipped(
                "the session's configuration hides its secrets, so it could not be put back; \
                 start the target with its webhooks at --advertise and say --webhook-configured"
                    .to_owned(),
            ));
        }
        let mut changed = config.clone();
        let mut webhooks = config["webhooks"].as_array().cloned().unwrap_or_default();
        webhooks.push(webhook);
        changed["webhooks"] = Value::Array(webhooks);
        let session = self.session.clone();
        self.environment.later(self.check(), Undo::Configure { session, config });
        let body = json!({ "config": changed });
        self.sessions(Method::PUT, &path, Some(&body)).await?.succeeds()?;
        self.reaches("WORKING").await
    }

    /// The first `count` events of the chat, in the order of their arrival.
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
            format!("{count} webhooks presence.update of {chat}"),
            || format!("{} within {} ms", found.len(), self.timeout().as_millis()),
        )?;
        Ok(found)
    }

    /// One webhook `presence.update` of the chat, as JSON.
    pub(crate) async fn presence_update(&self, hook: &Hook, chat: &str) -> Verdict<Value> {
        let found = self.presence_updates(hook, chat, 1).await?;
        Ok(found.first().map(Delivery::json).unwrap_or_default())
    }

    /// The `session.status` events of a session that was started and stopped, once for all checks.
    pub(crate) async fn status_events(&self) -> Verdict<Vec<Delivery>> {
        let events =
            self.environment.statuses.get_or_init(|| self.start_and_stop()).await.clone()?;
        for delivery in &events {
            self.trace.add(delivery.traced());
        }
        Ok(events)
    }

    async fn start_and_stop(&self) -> Result<Vec<Delivery>, Halt> {
        let run = Self { check: "", trace: Trace::default(), ..self.clone() };
        let hook = self.environment.receiver.hook();
        let webhook = webhook(&hook, &["session.status"]);
        let config = json!({ "metadata": metadata(), "webhooks": [webhook] });
        let own = run.own_session(config, true).await?;
        own.first_status(&hook).await?;
        own.session_does("stop").await?.succeeds()?;
        let stopped = |delivery: &Delivery| delivery.json()["payload"]["status"] == "STOPPED";
        hook.wait(1, self.timeout(), stopped).await;
        Ok(hook.deliveries(|_| true))
    }

    /// The first webhook of a session that is being started.
    pub(crate) async fn first_status(&self, hook: &Hook) -> Verdict<Delivery> {
        self.statuses(hook, 1)
            .await?
            .into_iter()
            .next()
            .ok_or_else(|| Failure::new("a webhook session.status", "none").into())
    }

    /// So many webhooks at the hook, whatever they say.
    pub(crate) async fn statuses(&self, hook: &Hook, count: usize) -> Verdict<Vec<Delivery>> {
        let found = hook.wait(count, self.timeout() + RETRY_TIME, |_| true).await;
        for delivery in &found {
            self.trace.add(delivery.traced());
        }
        ensure(found.len() >= count, format!("{count} webhooks"), || found.len().to_string())?;
        Ok(found)
    }
}

/// What retries may take on top of the time-out, with the delays that the suite asks for.
const RETRY_TIME: std::time::Duration = std::time::Duration::from_secs(4);

fn hides_secrets(config: &Value) -> bool {
    match config {
        Value::String(text) => text.len() > 2 && text.bytes().all(|byte| byte == b'*'),
        Value::Array(items) => items.iter().any(hides_secrets),
        Value::Object(fields) => fields.values().any(hides_secrets),
        _ => false,
    }
}
