//! The gateway's own paths: whether it lives, and what it is.

use std::sync::Arc;

use axum::{
    Json,
    response::IntoResponse,
    routing::{MethodRouter, get},
};
use serde_json::json;

use crate::gateway::Shared;

/// The gateway's own paths, which no plugin can have.
pub(crate) const PATHS: &[&str] = &[
    "/ping",
    "/health",
    "/metrics",
    "/api/version",
    "/api/server/version",
    "/api/server/status",
    "/api/sessions",
    "/api/sessions/{session}",
    "/api/sessions/{session}/start",
    "/api/sessions/{session}/stop",
    "/api/sessions/{session}/restart",
    "/api/sessions/{session}/logout",
    "/api/sessions/{session}/me",
];

/// What answers at each of [`PATHS`].
pub(crate) fn routes(shared: &Arc<Shared>) -> Vec<(&'static str, MethodRouter)> {
    let version = {
        let shared = shared.clone();
        get(async move || {
            let mut version = shared.environment(shared.default_engine());
            let platform = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
            version["platform"] = json!(platform);
            version["worker"] = json!({ "id": null });
            Json(version)
        })
    };
    let status = {
        let shared = shared.clone();
        get(async move || {
            let uptime = shared.clock.now_ms().saturating_sub(shared.started_ms);
            Json(json!({
                "startTimestamp": shared.started_ms,
                "uptime": uptime,
                "worker": { "id": null },
            }))
        })
    };
    vec![
        ("/ping", get(async || Json(json!({ "message": "pong" })).into_response())),
        ("/api/version", version.clone()),
        ("/api/server/version", version),
        ("/api/server/status", status),
    ]
}
