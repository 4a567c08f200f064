//! `/mock/clock`: the time that everything lives by.

use axum::{
    Json,
    extract::{Request, State},
};
use host_sdk::{HttpError, Pace, SPEEDS};
use serde::Deserialize;
use serde_json::{Value, json};

use super::read;
use crate::{delay::Delay, player::Stage};

/// `GET /mock/clock`: the time in Unix milliseconds, how it moves, and when the next timer is due.
pub(super) async fn clock(State(stage): State<Stage>) -> Json<Value> {
    Json(json(&stage))
}

pub(super) fn json(stage: &Stage) -> Value {
    let clock = stage.mock().clock();
    let next = clock
        .until_next_timer()
        .map(|wait| Delay::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
    let mut json = match clock.pace() {
        Pace::Stepped => json!({ "mode": "stepped" }),
        Pace::Running { speed } => json!({ "mode": "real", "speed": speed }),
    };
    json["now"] = json!(stage.mock().now_ms());
    json["nextTimer"] = json!(next);
    json
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockBody {
    mode: Mode,
    #[serde(default)]
    speed: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Stepped,
    Real,
}

/// `PUT /mock/clock`.
pub(super) async fn set(
    State(stage): State<Stage>,
    request: Request,
) -> Result<Json<Value>, HttpError> {
    let body: ClockBody = read(request, r#"{"mode":"real","speed":60}"#).await?;
    let speed = body.speed.unwrap_or(1.0);
    if !SPEEDS.contains(&speed) {
        let (least, most) = (SPEEDS.start(), SPEEDS.end());
        let message = format!("speed: expected a number from {least} to {most}, found {speed}");
        return Err(HttpError::bad_request(message));
    }
    stage.mock().clock().set_pace(match body.mode {
        Mode::Stepped => Pace::Stepped,
        Mode::Real => Pace::Running { speed },
    });
    Ok(Json(json(&stage)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvanceBody {
    by: Delay,
}

/// `POST /mock/clock/advance`: answers when all that fell due has been applied.
pub(super) async fn advance(
    State(stage): State<Stage>,
    request: Request,
) -> Result<Json<Value>, HttpError> {
    let AdvanceBody { by } = read(request, r#"{"by":"25s"}"#).await?;
    let mock = stage.mock();
    mock.clock().advance(by.duration(), mock.activity()).await;
    mock.settled().await;
    let mut json = json(&stage);
    json["unmet"] = json!(stage.unmet());
    Ok(Json(json))
}
