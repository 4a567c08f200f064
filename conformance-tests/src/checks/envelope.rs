//! The envelope: the fields around every event's payload.

use http::Method;
use serde_json::{Value, json};

use super::headers;
use crate::{
    Ability::Presence,
    Check, Context,
    Need::{Driver, SecondSession, Webhook},
    context::metadata,
    driver::Becomes,
    receiver::Delivery,
    verdict::{Failure, Verdict, at, at_if, ensure, same},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::should("webhook/envelope/has-todays-fields", todays_fields).requires("Besides the four documented fields, an event has id, timestamp, me and environment.")
        .needs(&[SecondSession])
        .note("The documentation's example shows four fields; WAHA 2026.7 sends nine."),
        Check::should("webhook/envelope/id-is-a-lower-case-ulid", id_is_a_ulid).requires("id is evt_ and a lower-case ULID of 26 characters.")
        .needs(&[SecondSession])
        .note(
            "The public documentation's examples have 26 or 28 characters after evt_; its text says ULID, \
             and a ULID has 26.",
        ),
        Check::should("webhook/envelope/id-is-unique", id_is_unique).requires("No two events share an id.")
        .needs(&[SecondSession]),
        Check::should("webhook/envelope/timestamp-is-in-milliseconds", timestamp).requires("timestamp is the current Unix time in milliseconds.")
        .needs(&[SecondSession]),
        Check::should("webhook/envelope/me-is-the-account-or-null", me).requires("me is null or has the strings id and pushName.")
        .needs(&[SecondSession]),
        Check::should("webhook/envelope/me-is-the-sessions-account", me_is_the_sessions).requires("me is what GET /api/sessions/{session}/me shows: null, or the same id and pushName.")
        .needs(&[Driver(Presence), Webhook]),
        Check::should("webhook/envelope/environment-names-version-engine-tier", environment).requires("environment has the strings version, engine and tier, and its engine is the event's.")
        .needs(&[SecondSession]),
        Check::should("webhook/envelope/environment-browser-is-null-without-one", browser).requires("environment.browser is present, and null for an engine without a browser.")
        .needs(&[SecondSession])
        .note(
            "WAHA's OpenAPI document says a string; NOWEB runs no browser, and WAHA sends null. Both are \
             accepted.",
        ),
        Check::should("webhook/envelope/metadata-comes-back", metadata_comes_back).requires("Every event carries the session's metadata.")
        .needs(&[SecondSession]),
        Check::may("webhook/envelope/key-order", key_order).requires("The keys are in the order id, timestamp, event, session, metadata, me, payload, environment, engine.")
        .needs(&[SecondSession]),
    ]
}

/// Judges each event sent when a session starts and stops.
async fn each(cx: &Context, judge: impl Fn(&Delivery, &Value) -> Result<(), Failure>) -> Verdict {
    headers::each(cx, |delivery| judge(delivery, &delivery.json())).await
}

async fn todays_fields(cx: Context) -> Verdict {
    each(&cx, |_, event| {
        for field in ["/id", "/timestamp", "/me", "/environment"] {
            at(event, field)?;
        }
        Ok(())
    })
    .await
}

async fn id_is_a_ulid(cx: Context) -> Verdict {
    const CROCKFORD: &str = "0123456789abcdefghjkmnpqrstvwxyz";
    each(&cx, |_, event| {
        at_if(event, "/id", "evt_ and 26 lower-case characters of a ULID", |id| {
            let ulid = id.as_str().and_then(|id| id.strip_prefix("evt_")).unwrap_or_default();
            ulid.len() == 26 && ulid.chars().all(|char| CROCKFORD.contains(char))
        })
        .map(|_| ())
    })
    .await
}

async fn id_is_unique(cx: Context) -> Verdict {
    let events = cx.status_events().await?;
    let mut ids: Vec<String> =
        events.iter().map(|delivery| delivery.json()["id"].to_string()).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    let unique = all >= 2 && ids.len() == all;
    ensure(unique, format!("{} distinct ids", all.max(2)), || {
        format!("{} in {all} events", ids.len())
    })?;
    Ok(())
}

async fn timestamp(cx: Context) -> Verdict {
    each(&cx, |delivery, event| {
        let hour = 3_600_000;
        let (from, to) = (delivery.at_ms - hour, delivery.at_ms + hour);
        at_if(event, "/timestamp", "the current Unix time in milliseconds", |timestamp| {
            timestamp.as_u64().is_some_and(|it| (from..to).contains(&it))
        })
        .map(|_| ())
    })
    .await
}

async fn me(cx: Context) -> Verdict {
    each(&cx, |_, event| {
        at_if(event, "/me", "null or {id, pushName}", |me| {
            me.is_null() || (me["id"].is_string() && me["pushName"].is_string())
        })
        .map(|_| ())
    })
    .await
}

async fn me_is_the_sessions(cx: Context) -> Verdict {
    let (cx, hook) = cx.hooked().await?;
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    let event = cx.presence_update(&hook, &contact).await?;
    let path = format!("/{}/me", cx.session());
    let answer = cx.sessions(Method::GET, &path, None).await?.is(200)?;
    let shown = if answer.body.is_empty() { Value::Null } else { answer.json()? };
    Ok(same(&account(&shown), &account(at(&event, "/me")?))?)
}

/// The fields that identify an account; null when there is none.
fn account(me: &Value) -> Value {
    if me.is_null() {
        return Value::Null;
    }
    json!({ "id": me["id"], "pushName": me["pushName"] })
}

async fn environment(cx: Context) -> Verdict {
    each(&cx, |_, event| {
        for field in ["/environment/version", "/environment/tier"] {
            at_if(event, field, "a string", Value::is_string)?;
        }
        let engine = at(event, "/engine")?;
        at_if(event, "/environment/engine", &engine.to_string(), |it| it == engine).map(|_| ())
    })
    .await
}

async fn browser(cx: Context) -> Verdict {
    each(&cx, |_, event| {
        at_if(event, "/environment/browser", "null, or a path", |browser| {
            browser.is_null() || browser.is_string()
        })
        .map(|_| ())
    })
    .await
}

async fn metadata_comes_back(cx: Context) -> Verdict {
    each(&cx, |_, event| same(&metadata(), at(event, "/metadata")?)).await
}

async fn key_order(cx: Context) -> Verdict {
    let order = json!([
        "id",
        "timestamp",
        "event",
        "session",
        "metadata",
        "me",
        "payload",
        "environment",
        "engine"
    ]);
    each(&cx, |_, event| {
        let keys: Vec<&String> = event.as_object().into_iter().flat_map(|it| it.keys()).collect();
        same(&order, &json!(keys))
    })
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::account;

    #[test]
    fn an_account_without_an_id_differs_from_null() {
        let me = json!({ "id": "1@c.us", "pushName": "A" });
        assert_eq!(account(&me), account(&json!({ "pushName": "A", "id": "1@c.us", "lid": 1 })));
        assert_ne!(account(&json!({})), account(&Value::Null));
        assert_ne!(account(&me), account(&Value::Null));
    }
}
