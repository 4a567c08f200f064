//! `/mock/world`, `/mock/rules`, `/mock/reset` and what contacts do.

use axum::{
    Json,
    extract::{Request, State},
};
use host_sdk::{HttpError, extract::Variables};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{body, read, refused, shaped};
use crate::{
    player::Stage,
    scenario::Scenario,
    world::{Act, Does, Rules},
};

/// `GET /mock/world`.
pub(super) async fn world(State(stage): State<Stage>) -> Json<Value> {
    Json(stage.mock().world_json())
}

/// `GET /mock/rules`.
pub(super) async fn rules(State(stage): State<Stage>) -> Json<Rules> {
    Json(stage.mock().with_world(|world| *world.rules()))
}

/// `PUT /mock/rules`: replaces them all; a rule that is left out holds.
pub(super) async fn set_rules(
    State(stage): State<Stage>,
    request: Request,
) -> Result<Json<Rules>, HttpError> {
    let rules: Rules = read(request, r#"{"subscribe_first":false}"#).await?;
    stage.mock().set_rules(rules);
    Ok(Json(rules))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActBody {
    does: Does,
    #[serde(default)]
    r#in: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

/// `POST /mock/sessions/{session}/contacts/{name or id}`: answers `{"events":[…]}`, what the session got
/// to see of it.
pub(super) async fn act(
    State(stage): State<Stage>,
    Variables((session, who)): Variables<(String, String)>,
    request: Request,
) -> Result<Json<Value>, HttpError> {
    let body: ActBody = read(request, r#"{"does":"typing","in":"team"}"#).await?;
    let (chat, text) = (body.r#in.as_deref(), body.text.as_deref());
    if text.is_some() && body.does != Does::Message {
        return Err(HttpError::bad_request("text: only a message has a text"));
    }
    let act = Act { who: &who, does: body.does, chat, text, session: Some(&session) };
    let events = stage.mock().act(act).await.map_err(|error| refused(&error))?;
    stage.mock().settled().await;
    let of_session = events.iter().filter(|(of, _)| *of == session);
    let events: Vec<Value> = of_session.map(|(_, event)| event.to_json()).collect();
    Ok(Json(json!({ "events": events })))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetBody {
    #[serde(default)]
    scenario: Option<String>,
    #[serde(default)]
    seed: Option<u64>,
}

/// `POST /mock/reset`: with `scenario`, the name of an embedded one or the TOML of one, plays that.
pub(super) async fn reset(
    State(stage): State<Stage>,
    request: Request,
) -> Result<Json<Value>, HttpError> {
    let body: ResetBody = match body(request).await? {
        Value::Null => ResetBody::default(),
        value => shaped(value, r#"{"scenario":"group-typing"}"#)?,
    };
    let mock = stage.mock();
    let scenario = match body.scenario {
        Some(text) => {
            // A large one takes long enough to hold up the requests of others.
            let read = tokio::task::spawn_blocking(move || {
                if text.contains(['=', '[', '\n']) || text.is_empty() {
                    Scenario::parse(&text)
                } else {
                    Scenario::embedded(&text)
                }
            });
            let read =
                read.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            Some(read.map_err(|error| HttpError::bad_request(error.to_string()))?)
        }
        None => None,
    };
    let scenario = match (scenario, body.seed) {
        (Some(scenario), seed) => Some(Scenario { seed: seed.or(scenario.seed), ..scenario }),
        (None, Some(seed)) => Some(Scenario { seed: Some(seed), ..(*mock.scenario()).clone() }),
        (None, None) => None,
    };
    stage.reset(scenario).await?;
    Ok(Json(json!({ "scenario": mock.scenario().name, "seed": mock.seed() })))
}
