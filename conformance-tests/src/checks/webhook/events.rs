//! The configured `events`, and `session.status`.

use serde_json::{Value, json};

use crate::{
    Ability::{NewSessions, People},
    Check, Context,
    Need::{Driver, SecondSession},
    checks::sessions,
    driver::Becomes,
    verdict::{Verdict, at_if, ensure},
};

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::should("webhook/events/only-those-asked-for", only_asked_for).requires("A webhook configured for session.status does not receive presence.update.")
        .needs(&[Driver(People), Driver(NewSessions), SecondSession]),
        Check::should("webhook/events/star-means-all", star).requires("A webhook configured for * receives session.status.")
        .needs(&[SecondSession]),
        Check::should("webhook/session-status/is-sent", status_is_sent).requires("Starting and stopping a session sends session.status webhooks, the last one STOPPED.")
        .needs(&[SecondSession]),
        Check::should("webhook/session-status/payload", status_payload).requires("The payload of session.status has the session's name and status.")
        .needs(&[SecondSession]),
    ]
}

async fn only_asked_for(cx: Context) -> Verdict {
    let hook = cx.environment.receiver.hook();
    let webhook = json!({ "url": hook.url(), "events": ["session.status"] });
    let cx = cx.own_session(json!({ "webhooks": [webhook] }), true).await?;
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.quiet().await;
    let others = hook.deliveries(|delivery| delivery.json()["event"] != "session.status");
    if let Some(delivery) = others.first() {
        cx.trace.add(delivery.traced());
    }
    ensure(others.is_empty(), "only session.status", || others[0].json()["event"].to_string())?;
    Ok(())
}

async fn star(cx: Context) -> Verdict {
    let hook = cx.environment.receiver.hook();
    let webhook = json!({ "url": hook.url(), "events": ["*"] });
    cx.own_session(json!({ "webhooks": [webhook] }), true).await?;
    let event = cx.first_status(&hook).await?.json();
    at_if(&event, "/event", "\"session.status\"", |event| event == "session.status")?;
    Ok(())
}

async fn status_is_sent(cx: Context) -> Verdict {
    let events = cx.status_events().await?;
    let sent: Vec<Value> =
        events.iter().map(|event| event.json()["payload"]["status"].clone()).collect();
    let stops = sent.len() >= 2 && sent.last().is_some_and(|status| status == "STOPPED");
    ensure(stops, "statuses ending with STOPPED", || json!(sent).to_string())?;
    Ok(())
}

async fn status_payload(cx: Context) -> Verdict {
    for delivery in cx.status_events().await? {
        let event = delivery.json();
        let session = at_if(&event, "/session", "a string", Value::is_string)?;
        at_if(&event, "/payload/name", &session.to_string(), |name| name == session)?;
        at_if(&event, "/payload/status", "one of WAHA's statuses", |status| {
            status.as_str().is_some_and(|status| sessions::STATUSES.contains(&status))
        })?;
    }
    Ok(())
}
