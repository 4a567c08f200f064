//! Errors: the answers to invalid requests.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::{
    Ability::{NewSessions, Status},
    Check, Context,
    Need::{ApiKey, Driver, SecondSession},
    driver::Action,
    target::Answer,
    verdict::{Needed, Verdict, at_if, ensure},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::should("errors/ping-answers-pong", ping).requires("GET /ping answers 200 with {message: pong}."),
        Check::should("errors/unknown-session-is-404", unknown_session).requires("A presence request for a session that does not exist answers 404, or 422 as WAHA's edition with one session does.").differs("unknown-session"),
        Check::should("errors/unknown-path-is-404", unknown_path).requires("A path that does not exist answers 404."),
        Check::should("errors/no-key-is-401", no_key).requires("A request without the API key answers 401.")
        .needs(&[ApiKey]),
        Check::should("errors/wrong-key-is-401", wrong_key).requires("A request with a wrong API key answers 401.")
        .needs(&[ApiKey]),
        Check::may("errors/unauthorized-has-wahas-body", unauthorized_body).requires("The 401 has the body {message: Unauthorized, statusCode: 401}.")
        .needs(&[ApiKey]),
        Check::should("errors/malformed-json-is-400", malformed_json).requires("A body that is not JSON answers 400."),
        Check::may("errors/wrong-method-is-405", wrong_method).requires("A method that a path does not support answers 405, with Allow.").differs("wrong-method"),
        Check::may("errors/large-body-is-413", large_body).requires("A body over 1 MiB answers 413.").differs("body-limit"),
        Check::may("errors/garbage-chat-id-is-400", garbage_chat_id).requires("An invalid chat id answers 400, and the message names the accepted forms.").differs("invalid-chat-id"),
        Check::may("errors/have-status-message-and-error", error_body).requires("An error's body has statusCode, message and error."),
        Check::may("errors/stopped-session-is-404", stopped_session).requires("A presence request for a stopped session answers 404.")
        .needs(&[SecondSession]),
        Check::may("errors/session-not-working-is-422", not_working).requires("A request for a session that is not WORKING waits for it, then answers 422 with its status.")
        .needs(&[Driver(Status), Driver(NewSessions), SecondSession]),
    ]
}

async fn ping(cx: Context) -> Verdict {
    let answer = cx.target().get("/ping").send(&cx.trace).await?.is(200)?;
    answer.json_is(&json!({ "message": "pong" }))
}

async fn of_unknown_session(cx: &Context) -> Verdict<Answer> {
    cx.on(cx.session_name()).get_all().await
}

async fn unknown_session(cx: Context) -> Verdict {
    of_unknown_session(&cx).await?.any_of(&[404, 422])?;
    Ok(())
}

async fn unknown_path(cx: Context) -> Verdict {
    let path = format!("/api/{}/presence/1/2/3/nothing", cx.session());
    cx.target().get(path).send(&cx.trace).await?.is(404)?;
    Ok(())
}

async fn with_key(cx: &Context, key: Option<&str>) -> Verdict<Answer> {
    cx.target().get(cx.presence_path("/")).with_key(key).send(&cx.trace).await
}

async fn no_key(cx: Context) -> Verdict {
    with_key(&cx, None).await?.is(401)?;
    Ok(())
}

async fn wrong_key(cx: Context) -> Verdict {
    with_key(&cx, Some("not-the-key")).await?.is(401)?;
    Ok(())
}

async fn unauthorized_body(cx: Context) -> Verdict {
    let answer = with_key(&cx, Some("not-the-key")).await?.is(401);
    let answer = answer.needed("errors/wrong-key-is-401")?;
    answer.json_is(&json!({ "message": "Unauthorized", "statusCode": 401 }))
}

async fn malformed_json(cx: Context) -> Verdict {
    let call = cx.target().post(cx.presence_path(""));
    let call = call.typed("application/json", b"{\"presence\": \"onl".to_vec());
    call.send(&cx.trace).await?.is(400)?;
    Ok(())
}

async fn wrong_method(cx: Context) -> Verdict {
    let call = cx.target().request(Method::DELETE, cx.presence_path("/"));
    let answer = call.send(&cx.trace).await?.is(405)?;
    let allow = answer.header("allow").unwrap_or_default().to_owned();
    answer.holds(ensure(allow.contains("GET"), "an Allow header that lists GET", || {
        format!("{allow:?}")
    }))
}

async fn large_body(cx: Context) -> Verdict {
    let body = json!({ "presence": "online", "padding": "x".repeat(1_200_000) });
    let call = cx.target().post(cx.presence_path("")).json(&body);
    call.send(&cx.trace).await?.is(413)?;
    Ok(())
}

async fn garbage_chat_id(cx: Context) -> Verdict {
    for id in ["garbage", "12ab@c.us", "123@example.com", "@c.us"] {
        let answer = cx.get_chat(id).await?.is(400)?;
        let text = answer.text();
        answer.holds(ensure(text.contains("@c.us"), "a message that mentions @c.us", || {
            text.clone()
        }))?;
    }
    Ok(())
}

async fn error_body(cx: Context) -> Verdict {
    let answer = of_unknown_session(&cx).await?.any_of(&[404, 422]);
    let answer = answer.needed("errors/unknown-session-is-404")?;
    let (error, status) = (answer.json()?, answer.status.as_u16());
    let is_status = |code: &Value| *code == status;
    answer.holds(at_if(&error, "/statusCode", &status.to_string(), is_status))?;
    answer.holds(at_if(&error, "/message", "a string", Value::is_string))?;
    answer.holds(at_if(&error, "/error", "a string", Value::is_string))?;
    Ok(())
}

async fn stopped_session(cx: Context) -> Verdict {
    let own = cx.own_session(json!({}), false).await?;
    own.get_all().await?.is(404)?;
    Ok(())
}

async fn not_working(cx: Context) -> Verdict {
    let own = cx.own_session(json!({}), true).await?;
    own.act(Action::Status { status: "SCAN_QR_CODE" }).await?;
    let call = own.target().get(own.presence_path("/")).within(Duration::from_secs(15));
    let answer = call.send(&own.trace).await?.is(422)?;
    let error = answer.json()?;
    answer.holds(at_if(&error, "/status", "\"SCAN_QR_CODE\"", |it| it == "SCAN_QR_CODE"))?;
    answer.holds(at_if(&error, "/session", "the session's name", |it| it == own.session()))?;
    answer.holds(at_if(&error, "/expected", "[\"WORKING\"]", |it| *it == json!(["WORKING"])))?;
    Ok(())
}
