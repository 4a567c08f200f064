//! `/mock/clock`: the time that everything lives by.

use axum::{
    Json,
    extract::{Request, State},
};
use host_sdk::HttpError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::read;
use crate::{delay::Delay, player::Stage, scenario::LATEST_START, time::Speed};

/// `GET /mock/clock`: the time in Unix milliseconds, how it moves, and when the next timer is due.
pub(super) async fn clock(State(stage): State<Stage>) -> Json<Value> {
    Json(json(&stage))
}

pub(super) fn json(stage: &Stage) -> Value {
    let clock = stage.mock().clock();
    let next = clock
        .until_next_timer()
        .map(|wait| Delay::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
    let mut json = match stage.speed() {
        Speed::Stepped => json!({ "mode": "stepped" }),
        Speed::Times(speed) => json!({ "mode": "real", "speed": speed }),
        Speed::Max => json!({ "mode": "max" }),
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
    Max,
}

/// `PUT /mock/clock`: from one mode to another at any time.
pub(super) async fn set(
    State(stage): State<Stage>,
    request: Request,
) -> Result<Json<Value>, HttpError> {
    let body: ClockBody = read(request, r#"{"mode":"real","speed":60}"#).await?;
    let wrong = |message: String| HttpError::bad_request(format!("speed: {message}"));
    stage.set_speed(match (body.mode, body.speed) {
        (Mode::Real, speed) => Speed::times(speed.unwrap_or(1.0)).map_err(wrong)?,
        (_, Some(_)) => return Err(wrong("only real time has one".to_owned())),
        (Mode::Stepped, None) => Speed::Stepped,
        (Mode::Max, None) => Speed::Max,
    });
    stage.settled().await;
    Ok(Json(json(&stage)))
}

/// The longest advance of one request.
const LONGEST_ADVANCE: Delay = Delay::from_millis(366 * 86_400_000);

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
    if by > LONGEST_ADVANCE {
        let message = format!("by: expected at most {LONGEST_ADVANCE}, found {by}");
        return Err(HttpError::bad_request(message));
    }
    if mock.now_ms().saturating_add(by.as_millis()) > LATEST_START * 1_000 {
        return Err(HttpError::bad_request("by: the clock would pass the end of the year 9999"));
    }
    mock.clock().advance(by.duration()).await;
    stage.settled().await;
    let mut json = json(&stage);
    json["unmet"] = json!(stage.unmet());
    Ok(Json(json))
}
