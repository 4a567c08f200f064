//! `/mock/sessions/{session}/…`: one session's WhatsApp.

use axum::{
    Json,
    extract::{Query, Request, State, rejection::QueryRejection},
};
use host_sdk::{HttpError, SessionStatus, extract::Variables};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{body, read, refused};
use crate::{
    delay::Delay,
    faults::Faults,
    journal::Matcher,
    json::one_or_many,
    noweb::Event,
    player::Stage,
    scenario::Switch,
    wire::{Node, decode, unhex},
};

/// `POST …/stanzas`: answers `{"events":[…]}`, what Baileys makes of them. A stanza may also be given as
/// the bytes of its frame, `{"frame":"00f803…"}`.
pub(super) async fn stanzas(
    State(stage): State<Stage>,
    Variables(session): Variables<String>,
    request: Request,
) -> Result<Json<Value>, HttpError> {
    let stanzas = one_or_many(&body(request).await?, stanza)?;
    let events = stage.mock().inject(&session, stanzas).await.map_err(|error| refused(&error))?;
    stage.mock().settled().await;
    let events: Vec<Value> = events.iter().map(Event::to_json).collect();
    Ok(Json(json!({ "events": events })))
}

fn stanza(value: &Value, path: &str) -> Result<Node, HttpError> {
    let bad = |message: String| HttpError::bad_request(format!("malformed stanza: {message}"));
    let Some(frame) = value.get("frame").filter(|_| value.get("tag").is_none()) else {
        return Node::read(value, path).map_err(|error| bad(error.to_string()));
    };
    let bytes = frame
        .as_str()
        .and_then(unhex)
        .ok_or_else(|| bad(format!("{path}.frame: expected an even number of hex digits")))?;
    decode(&bytes).map_err(|error| bad(format!("{path}.frame: {error}: {}", error.source)))
}

/// `GET …/events`: what the session got to hear, oldest first, as far as the log goes back.
pub(super) async fn heard(
    State(stage): State<Stage>,
    Variables(session): Variables<String>,
) -> Result<Json<Value>, HttpError> {
    let events = stage.mock().heard(&session).map_err(|error| refused(&error))?;
    let events: Vec<Value> = events.iter().map(Event::to_json).collect();
    Ok(Json(json!({ "events": events })))
}

/// `POST …/events`.
pub(super) async fn events(
    State(stage): State<Stage>,
    Variables(session): Variables<String>,
    request: Request,
) -> Result<Json<Value>, HttpError> {
    let events = Event::list_from_json(&body(request).await?)
        .map_err(|error| HttpError::bad_request(format!("malformed event: {error}")))?;
    let handed = events.len();
    stage.mock().hand(&session, events).await.map_err(|error| refused(&error))?;
    stage.mock().settled().await;
    Ok(Json(json!({ "handed": handed })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalQuery {
    #[serde(default)]
    since: u64,
    #[serde(default)]
    wait: Option<Delay>,
    #[serde(default)]
    r#match: Option<String>,
    #[serde(default, rename = "x-api-key")]
    _api_key: Option<String>,
}

/// The longest that a journal is waited on.
const LONGEST_WAIT: Delay = Delay::from_millis(120_000);

/// `GET …/journal`: `?since=N` leaves out older entries; `&match=tag=presence,type=subscribe` leaves out
/// others; `&wait=5s` waits up to that long for one, in real time whatever the clock does.
pub(super) async fn journal(
    State(stage): State<Stage>,
    Variables(session): Variables<String>,
    query: Result<Query<JournalQuery>, QueryRejection>,
) -> Result<Json<Value>, HttpError> {
    let Query(query) = query.map_err(|error| {
        let error = error.body_text();
        HttpError::bad_request(format!("{error}; expected ?since=N&match=tag=presence&wait=5s"))
    })?;
    let matcher = Matcher::parse(query.r#match.as_deref().unwrap_or_default()).map_err(|part| {
        let example = "tag=presence,type=subscribe,to=5511999990001@s.whatsapp.net";
        HttpError::bad_request(format!("match: {part:?} is not name=value, as in {example}"))
    })?;
    let mock = stage.mock();
    let mut entries = mock.journal(&session, query.since).map_err(|error| refused(&error))?;
    entries.retain(|entry| matcher.matches(&entry.node));
    if let Some(wait) = query.wait.filter(|_| entries.is_empty()) {
        let wait = wait.min(LONGEST_WAIT).duration();
        let sent = tokio::time::timeout(wait, mock.sent(&session, query.since, &matcher)).await;
        entries = sent.unwrap_or_else(|_| Ok(Vec::new())).map_err(|error| refused(&error))?;
    }
    let dropped = mock.journal_dropped(&session).map_err(|error| refused(&error))?;
    Ok(Json(json!({ "entries": entries, "dropped": dropped })))
}

/// `DELETE …/journal`.
pub(super) async fn clear_journal(
    State(stage): State<Stage>,
    Variables(session): Variables<String>,
) -> Result<Json<Value>, HttpError> {
    stage.mock().clear_journal(&session).map_err(|error| refused(&error))?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusBody {
    status: SessionStatus,
}

/// `PUT …/status`.
pub(super) async fn status(
    State(stage): State<Stage>,
    Variables(session): Variables<String>,
    request: Request,
) -> Result<Json<Value>, HttpError> {
    let StatusBody { status } = read(request, r#"{"status":"WORKING"}"#).await?;
    stage.mock().set_status(&session, status).await.map_err(|error| refused(&error))?;
    stage.mock().settled().await;
    Ok(Json(json!({ "status": status })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionBody {
    state: Switch,
    #[serde(default)]
    code: Option<u16>,
}

/// `POST …/connection`.
pub(super) async fn connection(
    State(stage): State<Stage>,
    Variables(session): Variables<String>,
    request: Request,
) -> Result<Json<Value>, HttpError> {
    let body: ConnectionBody = read(request, r#"{"state":"close","code":428}"#).await?;
    if let (Switch::Open, Some(_)) = (body.state, body.code) {
        return Err(HttpError::bad_request("code: only a close has a code"));
    }
    let code = body.code.unwrap_or(428);
    stage.mock().connection(&session, body.state, code).await.map_err(|error| refused(&error))?;
    stage.mock().settled().await;
    Ok(Json(json!({ "state": body.state })))
}

/// `GET …/faults`.
pub(super) async fn faults(
    State(stage): State<Stage>,
    Variables(session): Variables<String>,
) -> Result<Json<Faults>, HttpError> {
    stage.mock().faults(&session).map(Json).map_err(|error| refused(&error))
}

/// `PUT …/faults`: replaces them all.
pub(super) async fn set_faults(
    State(stage): State<Stage>,
    Variables(session): Variables<String>,
    request: Request,
) -> Result<Json<Faults>, HttpError> {
    let faults: Faults = read(request, r#"{"send":"error"} or {"drop":0.1}"#).await?;
    stage.mock().set_faults(&session, &faults).map_err(|error| refused(&error))?;
    Ok(Json(faults))
}
