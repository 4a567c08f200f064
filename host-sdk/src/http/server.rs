//! The gateway's own paths: health, metrics, version, events.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::Query,
    http::header::CONTENT_TYPE,
    response::IntoResponse,
    routing::{MethodRouter, get},
};
use host_delivery::{clock::SystemClock, webhook::REDACTED};
use serde_json::{Map, Value, json};

use super::{connections::ConnectionCounts, error::HttpError, sessions::flag, websocket};
use crate::parts::Parts;

/// The gateway's own paths, which no plugin can have.
pub(crate) const PATHS: &[&str] = &[
    "/ping",
    "/health",
    "/metrics",
    "/ws",
    "/api/version",
    "/api/server/version",
    "/api/server/status",
    "/api/server/environment",
    "/api/sessions/start",
    "/api/sessions/stop",
    "/api/sessions/logout",
    "/api/sessions",
    "/api/sessions/{session}",
    "/api/sessions/{session}/start",
    "/api/sessions/{session}/stop",
    "/api/sessions/{session}/restart",
    "/api/sessions/{session}/logout",
    "/api/sessions/{session}/me",
    "/api/{session}/auth/qr",
    "/api/{session}/auth/request-code",
];

/// What answers at each of [`PATHS`].
pub(crate) fn routes(
    parts: &Arc<Parts>,
    connections: &Arc<ConnectionCounts>,
) -> Vec<(&'static str, MethodRouter)> {
    let version = {
        let parts = parts.clone();
        get(async move || {
            let mut version = parts.sessions.environment();
            let platform = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
            version["platform"] = json!(platform);
            version["worker"] = json!({ "id": parts.worker_id });
            Json(version)
        })
    };
    let status = {
        let parts = parts.clone();
        get(async move || {
            let uptime = parts.clock.now_ms().saturating_sub(parts.started_ms);
            Json(json!({
                "startTimestamp": parts.started_ms,
                "uptime": uptime,
                "worker": { "id": parts.worker_id },
            }))
        })
    };
    let health = {
        let parts = parts.clone();
        get(async move || Json(health_of(&parts)))
    };
    let metrics = {
        let (parts, connections) = (parts.clone(), connections.clone());
        get(async move || {
            let format = "text/plain; version=0.0.4; charset=utf-8";
            ([(CONTENT_TYPE, format)], parts.bus.metrics().render() + &connections.render())
        })
    };
    let socket = {
        let sessions = parts.sessions.clone();
        let offer = websocket::Offer {
            is_session: move |name: &str| sessions.get(name).is_some(),
            events: parts.event_names(),
            clock: Arc::new(SystemClock::new()),
        };
        websocket::route(parts.bus.clone(), offer)
    };
    vec![
        ("/health", health),
        ("/metrics", metrics),
        ("/ws", socket),
        ("/ping", get(async || Json(json!({ "message": "pong" })).into_response())),
        ("/api/version", version.clone()),
        ("/api/server/version", version),
        ("/api/server/status", status),
        (
            "/api/server/environment",
            get(async |Query(query): Query<Map<String, Value>>| {
                Ok::<_, HttpError>(Json(environment(flag(&query, "all")?)))
            }),
        ),
    ]
}

/// The variables that set the server up, in order of their names, without secrets. `all` adds the names
/// of all others, but not their values, which may be anything.
fn environment(all: bool) -> BTreeMap<String, String> {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        let is_own = name.starts_with("WAHA_") || name.starts_with("WHATSAPP_") || name == "DEBUG";
        let is_secret = !is_own || SECRET.iter().any(|word| name.contains(word));
        let shown = if is_secret { REDACTED.into() } else { value };
        (all || is_own).then(|| (name.into_owned(), shown.into_owned()))
    });
    variables.collect()
}

/// Parts of the names of variables whose values are secret: keys and passwords, and addresses, which may
/// carry both.
const SECRET: [&str; 8] =
    ["KEY", "PASSWORD", "SECRET", "TOKEN", "HEADERS", "URL", "PROXY", "USERNAME"];

/// WAHA's health: what is up, what is down, and both. A webhook whose receiver is down is listed, and
/// the server counts as healthy all the same.
fn health_of(parts: &Parts) -> Value {
    let (mut up, mut down) = (Map::new(), Map::new());
    for plugin in &parts.plugins {
        up.insert(format!("plugin.{}", plugin.name()), json!({ "status": "up" }));
    }
    for endpoint in parts.bus.health() {
        let session = endpoint.session.as_deref().unwrap_or("*");
        let name = format!("webhook.{session}.{}", endpoint.endpoint);
        let waiting = endpoint.waiting;
        if let Some(status) = endpoint.refusing.filter(|_| endpoint.up) {
            let part = json!({
                "status": "refusing",
                "message": endpoint.last_error,
                "lastStatus": status,
                "refused": endpoint.refusals,
                "givenUp": endpoint.given_up,
                "waiting": waiting,
            });
            down.insert(name, part);
        } else if endpoint.up {
            up.insert(name, json!({ "status": "up", "waiting": waiting }));
        } else {
            let message = endpoint.last_error;
            let part = json!({ "status": "down", "message": message, "waiting": waiting });
            down.insert(name, part);
        }
    }
    let mut details = up.clone();
    details.extend(down.clone());
    json!({ "status": "ok", "info": up, "error": down, "details": details })
}
