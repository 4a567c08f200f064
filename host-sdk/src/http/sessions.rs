//! WAHA's HTTP interface to sessions: `/api/sessions` and below.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, Request},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use serde_json::{Map, Value, json};

use super::{
    body::read_object,
    error::HttpError,
    extract::Variables,
    gate::{known, unknown},
};
use crate::{
    parts::Parts,
    sessions::{Ending, Session, SessionConfig, SessionError, SessionSpec, config},
};

/// The acts of WAHA's older paths.
const DEPRECATED: [&str; 3] = ["start", "stop", "logout"];

type Answer = Result<Response, HttpError>;

/// The handlers of the paths of sessions.
pub(crate) fn routes(parts: &Arc<Parts>) -> Vec<(&'static str, MethodRouter)> {
    let on = |act: Act| {
        let parts = parts.clone();
        post(async move |Variables(name): Variables<String>| act_on(&parts, &name, act).await)
    };
    let with = || parts.clone();
    let (all, create) = (with(), with());
    let (one, update, delete, old, me) = (with(), with(), with(), with(), with());
    vec![
        (
            "/api/sessions",
            get(async move |Query(query): Query<Map<String, Value>>| list(&all, &query))
                .post(async move |request: Request| create_one(&create, request).await),
        ),
        (
            "/api/sessions/{session}",
            get(async move |Variables(name): Variables<String>| show(&one, &name))
                .put(async move |Variables(name): Variables<String>, request: Request| {
                    update_one(&update, &name, request).await
                })
                .delete(async move |Variables(name): Variables<String>| {
                    delete.sessions.delete(&name).await;
                    StatusCode::OK
                })
                .post(async move |Variables(act): Variables<String>, request: Request| {
                    deprecated(&old, &act, request).await
                }),
        ),
        ("/api/sessions/{session}/start", on(Act::Start)),
        ("/api/sessions/{session}/stop", on(Act::Stop)),
        ("/api/sessions/{session}/restart", on(Act::Restart)),
        ("/api/sessions/{session}/logout", on(Act::Logout)),
        (
            "/api/sessions/{session}/me",
            get(async move |Variables(name): Variables<String>| {
                Ok::<_, HttpError>(Json(json!(known(&me, &name)?.me())))
            }),
        ),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Start,
    Stop,
    Restart,
    Logout,
}

async fn act_on(parts: &Parts, name: &str, act: Act) -> Answer {
    let session = known(parts, name)?;
    match act {
        Act::Start => session.start().await,
        Act::Stop => session.shut_down(Ending::Stop).await,
        Act::Restart => session.restart(Ending::Stop).await,
        // A session that was running asks for a new account at once, as WAHA's do.
        Act::Logout if session.is_stopped() => session.shut_down(Ending::Logout).await,
        Act::Logout => session.restart(Ending::Logout).await,
    }
    if session.is_removed() {
        return Err(unknown(name));
    }
    Ok((StatusCode::CREATED, Json(brief(&session))).into_response())
}

/// WAHA's older paths `/api/sessions/start`, `stop` and `logout`, with the session's name in the body.
async fn deprecated(parts: &Parts, act: &str, request: Request) -> Answer {
    if !DEPRECATED.contains(&act) {
        let message = format!("POST is not allowed for /api/sessions/{act}; see the Allow header");
        let error = HttpError::new(StatusCode::METHOD_NOT_ALLOWED, message);
        return Ok(([(header::ALLOW, "GET,HEAD,PUT,DELETE")], error).into_response());
    }
    let mut body = read_object(request).await?;
    let Some(name) = body.get("name").and_then(Value::as_str).map(str::to_owned) else {
        return Err(HttpError::bad_request("name: expected a string"));
    };
    let logout = match body.get("logout") {
        None | Some(Value::Null) => act == "logout",
        Some(Value::Bool(logout)) => *logout || act == "logout",
        Some(_) => return Err(HttpError::bad_request("logout: expected true or false")),
    };
    if act != "start" {
        match parts.sessions.get(&name) {
            _ if logout => parts.sessions.delete(&name).await,
            Some(session) => session.shut_down(Ending::Stop).await,
            None => {}
        }
        return Ok(StatusCode::CREATED.into_response());
    }
    let session = match parts.sessions.get(&name) {
        Some(session) if !session.is_at_rest() => {
            let message = format!("session {name:?} is already started");
            return Err(HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, message));
        }
        Some(session) => {
            replace_config(&session, &mut body)?;
            session
        }
        None => {
            let config = read_config(&body)?;
            parts.sessions.throttle()?;
            parts.create_session(SessionSpec::new(name).config(config))?
        }
    };
    session.start().await;
    Ok((StatusCode::CREATED, Json(brief(&session))).into_response())
}

fn list(parts: &Parts, query: &Map<String, Value>) -> Answer {
    let all = flag(query, "all")?;
    let sessions = parts.sessions.all();
    let shown = sessions.iter().filter(|session| all || !session.is_stopped());
    Ok(Json(shown.map(|session| full(session)).collect::<Vec<_>>()).into_response())
}

/// A parameter as WAHA's `BooleanString` reads it; absent and empty are false.
pub(super) fn flag(query: &Map<String, Value>, name: &str) -> Result<bool, HttpError> {
    match query.get(name).and_then(Value::as_str) {
        None | Some("false" | "False" | "0" | "") => Ok(false),
        Some("true" | "True" | "1") => Ok(true),
        Some(other) => {
            Err(HttpError::bad_request(format!("{name}: expected true or false, not {other:?}")))
        }
    }
}

fn show(parts: &Parts, name: &str) -> Answer {
    Ok(Json(full(&*known(parts, name)?)).into_response())
}

async fn create_one(parts: &Arc<Parts>, request: Request) -> Answer {
    let body = read_object(request).await?;
    let name = match body.get("name") {
        Some(Value::String(name)) if !name.is_empty() => name.clone(),
        None | Some(Value::Null | Value::String(_)) => parts.sessions.unused_name(),
        Some(_) => return Err(HttpError::bad_request("name: expected a string")),
    };
    let start = match body.get("start") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(start)) => *start,
        Some(_) => return Err(HttpError::bad_request("start: expected true or false")),
    };
    let spec = SessionSpec::new(name).config(read_config(&body)?);
    parts.sessions.throttle()?;
    let session = parts.create_session(spec)?;
    if start {
        session.start().await;
    }
    Ok((StatusCode::CREATED, Json(brief(&session))).into_response())
}

async fn update_one(parts: &Parts, name: &str, request: Request) -> Answer {
    let mut body = read_object(request).await?;
    let session = known(parts, name)?;
    replace_config(&session, &mut body)?;
    Ok(Json(brief(&session)).into_response())
}

/// Replaces the whole configuration, where the body has one; in WAHA it is optional.
fn replace_config(session: &Session, body: &mut Map<String, Value>) -> Result<(), HttpError> {
    if let Some(config) = body.get_mut("config").filter(|config| !config.is_null()) {
        config::restore_secrets(config, &session.config());
        session.configure(read_config(body)?);
    }
    Ok(())
}

fn read_config(body: &Map<String, Value>) -> Result<SessionConfig, HttpError> {
    match body.get("config") {
        None | Some(Value::Null) => Ok(SessionConfig::default()),
        Some(config) => SessionConfig::from_json(config)
            .map_err(|error| HttpError::bad_request(error.to_string())),
    }
}

/// WAHA's `SessionDTO`.
fn brief(session: &Session) -> Value {
    json!({
        "name": session.name(),
        "status": session.status(),
        "config": session.config().to_json(),
    })
}

/// WAHA's `SessionInfo`.
fn full(session: &Session) -> Value {
    json!({
        "name": session.name(),
        "status": session.status(),
        "config": session.config().to_json(),
        "me": session.me(),
        "presence": null,
        "timestamps": { "activity": session.last_activity_ms() },
        "engine": { "engine": session.engine().name() },
    })
}

impl From<SessionError> for HttpError {
    fn from(error: SessionError) -> Self {
        let status = match error {
            SessionError::BadName(_) | SessionError::TooFast(_) => StatusCode::BAD_REQUEST,
            SessionError::Exists(_)
            | SessionError::UnknownEngine { .. }
            | SessionError::TooMany(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.to_string())
    }
}
