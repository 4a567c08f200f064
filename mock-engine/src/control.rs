//! The control API, under `/mock`: what a test tells WhatsApp to do, and asks it.
//!
//! | call | does |
//! |---|---|
//! | `GET /mock` | what there is: sessions, scenario, seed, clock, expectations that did not hold |
//! | `POST /mock/sessions/{session}/stanzas` | stanzas arrive: one node or an array |
//! | `POST /mock/sessions/{session}/events` | Baileys events are handed over as they are |
//! | `GET /mock/sessions/{session}/events` | what the session got to hear |
//! | `GET`, `DELETE /mock/sessions/{session}/journal` | what the gateway sent: `?since=N&match=tag=presence&wait=5s` |
//! | `PUT /mock/sessions/{session}/status` | `{"status":"WORKING"}` |
//! | `POST /mock/sessions/{session}/connection` | `{"state":"open"}`, `{"state":"close","code":428}` |
//! | `GET`, `PUT /mock/sessions/{session}/faults` | what goes wrong; see [`Faults`](crate::faults::Faults) |
//! | `POST /mock/sessions/{session}/contacts/{name or id}` | `{"does":"typing","in":"team"}` |
//! | `GET /mock/world` | the true state of all contacts |
//! | `GET`, `PUT /mock/rules` | which of WhatsApp's rules hold; see [`Rules`](crate::world::Rules) |
//! | `GET`, `PUT /mock/clock` | `{"mode":"stepped"}`, `{"mode":"real","speed":60}`, `{"mode":"max"}` |
//! | `POST /mock/clock/advance` | `{"by":"25s"}` |
//! | `/mock/whatsapp…` | the WhatsApp server that real clients log in to; see [`whatsapp`](crate::whatsapp) |
//! | `POST /mock/reset` | as if just started; `{"scenario":"group-typing"}` or a scenario's TOML, and `"seed"` |
//!
//! When these answer, what they caused has been applied by the plugins. The gateway's page at `/docs` has
//! them all, with bodies and answers.

mod clock;
mod session;
mod world;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    routing::{MethodRouter, get, post, put},
};
use host_sdk::{HttpError, extract::read_body};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{engine::MockError, nearest::with_hint, player::Stage, world::WorldError};

/// The paths, for a gateway's own.
pub(crate) fn routes(stage: Stage) -> Router {
    let mut router = Router::new();
    for (path, methods) in paths() {
        router = router.route(&format!("{path}/"), methods.clone()).route(path, methods);
    }
    router.with_state(stage)
}

/// What a gateway's OpenAPI document says of them.
pub(crate) fn openapi() -> Value {
    serde_json::from_str(include_str!("control/openapi.json")).unwrap_or_default()
}

fn paths() -> [(&'static str, MethodRouter<Stage>); 13] {
    [
        ("/mock", get(overview)),
        ("/mock/sessions/{session}/stanzas", post(session::stanzas)),
        ("/mock/sessions/{session}/events", get(session::heard).post(session::events)),
        ("/mock/sessions/{session}/journal", get(session::journal).delete(session::clear_journal)),
        ("/mock/sessions/{session}/status", put(session::status)),
        ("/mock/sessions/{session}/connection", post(session::connection)),
        ("/mock/sessions/{session}/faults", get(session::faults).put(session::set_faults)),
        ("/mock/sessions/{session}/contacts/{name}", post(world::act)),
        ("/mock/world", get(world::world)),
        ("/mock/rules", get(world::rules).put(world::set_rules)),
        ("/mock/clock", get(clock::clock).put(clock::set)),
        ("/mock/clock/advance", post(clock::advance)),
        ("/mock/reset", post(world::reset)),
    ]
}

async fn overview(State(stage): State<Stage>) -> Json<Value> {
    let mock = stage.mock();
    let sessions: serde_json::Map<_, _> = mock
        .sessions()
        .into_iter()
        .filter_map(|session| {
            let me = json!(mock.me(&session).ok()?);
            Some((session, json!({ "me": me })))
        })
        .collect();
    Json(json!({
        "scenario": mock.scenario().name,
        "seed": mock.seed(),
        "clock": clock::json(&stage),
        "play": stage.progress(),
        "sessions": sessions,
        "unmet": stage.unmet(),
    }))
}

/// A JSON body; `null` when it is empty.
async fn body(request: Request) -> Result<Value, HttpError> {
    let bytes = read_body(request).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| HttpError::bad_request(format!("the body is not valid JSON: {error}")))
}

/// A JSON body of a known shape.
async fn read<T: DeserializeOwned>(request: Request, example: &str) -> Result<T, HttpError> {
    shaped(body(request).await?, example)
}

fn shaped<T: DeserializeOwned>(body: Value, example: &str) -> Result<T, HttpError> {
    let wrong =
        |what: &str| HttpError::bad_request(format!("{what}; expected a body like {example}"));
    match body {
        Value::Object(_) => {
            serde_json::from_value(body).map_err(|error| wrong(&with_hint(&error.to_string())))
        }
        Value::Null => Err(wrong("the body is missing")),
        _ => Err(wrong("the body is not an object")),
    }
}

/// The status codes of what the mock refuses.
fn refused(error: &MockError) -> HttpError {
    let status = match error {
        MockError::Session { .. } | MockError::World(WorldError::Unknown { .. }) => {
            StatusCode::NOT_FOUND
        }
        MockError::Stopped(_) | MockError::Engine { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        MockError::World(_) | MockError::Wire { .. } => StatusCode::BAD_REQUEST,
    };
    HttpError::new(status, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_described_and_no_other() {
        let described = openapi();
        let described: Vec<&String> = described["paths"].as_object().unwrap().keys().collect();
        let whatsapp = crate::whatsapp::paths();
        let paths = paths().map(|(path, _)| path);
        let paths: Vec<&str> = paths.into_iter().chain(whatsapp.map(|(path, _)| path)).collect();
        assert_eq!(described.len(), paths.len());
        for path in paths {
            assert!(described.iter().any(|found| *found == path), "{path}");
        }
    }
}
