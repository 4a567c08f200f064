//! Sessions: WAHA's `/api/sessions`, which presence and webhooks depend on.

use http::Method;
use serde_json::{Value, json};

use crate::{
    Ability::NewSessions,
    Check, Context,
    Need::{Driver, SecondSession},
    requirements,
    target::Answer,
    verdict::{Needed, Verdict, at_if, ensure},
};

/// WAHA's session statuses.
pub(super) const STATUSES: [&str; 7] = [
    "STOPPED",
    "STARTING",
    "SCAN_QR_CODE",
    "PASSKEY_REQUIRED",
    "PASSKEY_CONFIRMATION_REQUIRED",
    "WORKING",
    "FAILED",
];

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::should("sessions/list/has-the-session", list_has_it)
            .requires("GET /api/sessions lists the session under test by name.")
            .needs(&[SecondSession]),
        Check::should("sessions/get/has-name-and-status", get_it)
            .requires(
                "GET /api/sessions/{session} answers with its name and one of WAHA's statuses.",
            )
            .needs(&[SecondSession]),
        Check::should("sessions/get/unknown-is-404", get_unknown)
            .requires("GET of a session that does not exist answers 404.")
            .needs(&[SecondSession]),
        Check::should("sessions/create/answers-201", create)
            .requires("POST /api/sessions answers 201 with the new session's name and status.")
            .needs(&[SecondSession]),
        Check::should("sessions/create/reaches-working", reaches_working)
            .requires(
                "A session created with start: true reaches WORKING, where the driver supports it.",
            )
            .needs(&[Driver(NewSessions), SecondSession]),
        Check::should("sessions/create/starts-by-default", create_starts)
            .requires(
                "A session created with start: false is STOPPED; one created without start is not.",
            )
            .needs(&[SecondSession]),
        Check::should("sessions/create/twice-is-an-error", create_twice)
            .requires("Creating a second session with the same name is refused (4xx).")
            .needs(&[SecondSession]),
        Check::should("sessions/start-and-stop", start_and_stop)
            .requires("POST …/start and …/stop answer 201, and the session ends STOPPED.")
            .needs(&[SecondSession]),
        Check::should("sessions/restart-and-logout", restart_and_logout)
            .requires("POST …/restart and …/logout answer 201.")
            .needs(&[SecondSession]),
        Check::should("sessions/put/changes-the-configuration", put)
            .requires("PUT answers 200, and GET shows the new configuration.")
            .needs(&[SecondSession]),
        Check::should("sessions/delete/then-404", delete)
            .requires("DELETE answers 200, and the session is gone.")
            .needs(&[SecondSession]),
        Check::should("sessions/me/is-the-account-or-null", me)
            .requires("GET …/me answers with the account's id and pushName, or null.")
            .needs(&[SecondSession]),
        Check::may("sessions/create/bad-configuration-names-the-field", bad_configuration)
            .requires(
                "A webhook with an invalid url is refused with 400, and the message names url.",
            )
            .needs(&[SecondSession]),
        Check::may("sessions/get/hides-secrets", hides_secrets)
            .requires("GET does not reveal the key that signs webhooks.")
            .differs("secrets")
            .needs(&[SecondSession]),
    ]
}

fn is_status(status: &Value) -> bool {
    status.as_str().is_some_and(|status| STATUSES.contains(&status))
}

async fn list_has_it(cx: Context) -> Verdict {
    let answer = cx.sessions(Method::GET, "", None).await?.is(200)?;
    let list = answer.json()?;
    let has = list.as_array().is_some_and(|list| list.iter().any(|it| it["name"] == cx.session()));
    answer.holds(ensure(has, format!("a session named {}", cx.session()), || list.to_string()))
}

async fn get_it(cx: Context) -> Verdict {
    let path = format!("/{}", cx.session());
    let answer = cx.sessions(Method::GET, &path, None).await?.is(200)?;
    let session = answer.json()?;
    let name = cx.session();
    answer.holds(at_if(&session, "/name", &format!("{name:?}"), |it| it == name))?;
    answer.holds(at_if(&session, "/status", "one of WAHA's statuses", is_status))?;
    Ok(())
}

async fn get_unknown(cx: Context) -> Verdict {
    let path = format!("/{}", cx.session_name());
    cx.sessions(Method::GET, &path, None).await?.is(404)?;
    Ok(())
}

async fn create(cx: Context) -> Verdict {
    let name = cx.session_name();
    let answer = cx.make_session(&name, json!({}), false).await?.is(201)?;
    let session = answer.json()?;
    answer.holds(at_if(&session, "/name", &format!("{name:?}"), |it| *it == *name))?;
    answer.holds(at_if(&session, "/status", "one of WAHA's statuses", is_status))?;
    Ok(())
}

async fn create_starts(cx: Context) -> Verdict {
    let stopped = cx.own_session(json!({}), false).await?;
    stopped.reaches("STOPPED").await?;
    let name = cx.session_name();
    let made = cx.post_session(&name, &json!({ "name": name })).await;
    made.and_then(Answer::succeeds).needed(requirements::CREATE_SESSION)?;
    let started = |session: &Value| {
        at_if(session, "/status", "a status other than STOPPED", |it| {
            is_status(it) && it != "STOPPED"
        })
        .map(|_| ())
    };
    cx.get_for(cx.timeout(), &format!("/api/sessions/{name}"), started).await?;
    Ok(())
}

async fn reaches_working(cx: Context) -> Verdict {
    cx.own_session(json!({}), true).await?.reaches("WORKING").await
}

async fn create_twice(cx: Context) -> Verdict {
    let name = cx.session_name();
    let made = cx.make_session(&name, json!({}), false).await.and_then(Answer::succeeds);
    made.needed(requirements::CREATE_SESSION)?;
    let again = json!({ "name": name, "start": false, "config": {} });
    let answer = cx.sessions(Method::POST, "", Some(&again)).await?;
    let refused = answer.status.is_client_error();
    answer.holds(ensure(refused, "a status of 4xx", || answer.status.to_string()))
}

async fn start_and_stop(cx: Context) -> Verdict {
    let own = cx.own_session(json!({}), false).await?;
    own.session_does("start").await?.is(201)?;
    own.session_does("stop").await?.is(201)?;
    own.reaches("STOPPED").await
}

async fn restart_and_logout(cx: Context) -> Verdict {
    let own = cx.own_session(json!({}), true).await?;
    own.session_does("restart").await?.is(201)?;
    own.session_does("logout").await?.is(201)?;
    Ok(())
}

async fn put(cx: Context) -> Verdict {
    let own = cx.own_session(json!({ "metadata": { "a": "1" } }), false).await?;
    let path = format!("/{}", own.session());
    let body = json!({ "config": { "metadata": { "b": "2" } } });
    own.sessions(Method::PUT, &path, Some(&body)).await?.is(200)?;
    let answer = own.sessions(Method::GET, &path, None).await?.is(200)?;
    let session = answer.json()?;
    answer.holds(at_if(&session, "/config/metadata", r#"{"b":"2"}"#, |metadata| {
        *metadata == json!({ "b": "2" })
    }))?;
    Ok(())
}

async fn delete(cx: Context) -> Verdict {
    let own = cx.own_session(json!({}), false).await?;
    let path = format!("/{}", own.session());
    own.sessions(Method::DELETE, &path, None).await?.is(200)?;
    own.sessions(Method::GET, &path, None).await?.is(404)?;
    Ok(())
}

async fn me(cx: Context) -> Verdict {
    let path = format!("/{}/me", cx.session());
    let answer = cx.sessions(Method::GET, &path, None).await?.is(200)?;
    let me = if answer.body.is_empty() { Value::Null } else { answer.json()? };
    answer.holds(at_if(&me, "", "null or {id, pushName}", |me| {
        me.is_null() || (me["id"].is_string() && me["pushName"].is_string())
    }))?;
    Ok(())
}

async fn bad_configuration(cx: Context) -> Verdict {
    let name = cx.session_name();
    let config = json!({ "webhooks": [{ "url": "not a url", "events": ["*"] }] });
    let answer = cx.make_session(&name, config, false).await?.is(400);
    let answer = answer.needed(requirements::CREATE_SESSION)?;
    answer.holds(ensure(answer.text().contains("url"), "a message that mentions url", || {
        answer.text()
    }))
}

async fn hides_secrets(cx: Context) -> Verdict {
    let hook = cx.environment.receiver.hook();
    let secret = format!("secret-{}", cx.number());
    let webhook = json!({ "url": hook.url(), "events": ["*"], "hmac": { "key": secret } });
    let own = cx.own_session(json!({ "webhooks": [webhook] }), false).await?;
    let path = format!("/{}", own.session());
    let answer = own.sessions(Method::GET, &path, None).await?.is(200)?;
    let hidden = !answer.text().contains(&secret);
    answer.holds(ensure(hidden, "no signing key", || "the key itself".to_owned()))
}
