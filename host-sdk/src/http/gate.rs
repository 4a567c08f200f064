//! The session that a request names: it must exist, and be in the status that the request needs.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use serde_json::json;

use super::error::HttpError;
use crate::{engine::SessionStatus, parts::Parts, plugins::mounted::Mounted, sessions::Session};

/// How long a request waits for its session, by the gateway's clock.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn known(parts: &Parts, name: &str) -> Result<Arc<Session>, HttpError> {
    parts.sessions.get(name).ok_or_else(|| unknown(name))
}

pub(super) fn unknown(name: &str) -> HttpError {
    HttpError::not_found(format!("there is no session {name:?}"))
}

/// Waits until the session called `name` works; it must be on an engine that the plugin works with.
pub(super) async fn working(parts: &Parts, name: &str, plugin: &Mounted) -> Result<(), HttpError> {
    let session = known(parts, name)?;
    if !plugin.info().works_with(session.engine().name()) {
        return Err(HttpError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!(
                "{} is not implemented by the {} engine of session {name:?}; it works with {}",
                plugin.name(),
                session.engine().name(),
                plugin.info().engines.join(", "),
            ),
        ));
    }
    let settled = [SessionStatus::Working, SessionStatus::Stopped];
    match session.wait_until(&settled, PATIENCE).await {
        SessionStatus::Working => Ok(()),
        SessionStatus::Stopped => Err(HttpError::not_found(format!(
            "session {name:?} is stopped; start it with POST /api/sessions/{name}/start"
        ))),
        status => {
            let error = "the session is not working; try again, or restart it";
            Err(wrong_status(name, error, status, SessionStatus::Working))
        }
    }
}

/// The session called `name`, once it waits for a phone to scan its code.
pub(super) async fn unpaired(parts: &Parts, name: &str) -> Result<Arc<Session>, HttpError> {
    use SessionStatus::{Failed, ScanQrCode, Stopped, Working};

    let session = known(parts, name)?;
    match session.wait_until(&[ScanQrCode, Working, Stopped, Failed], PATIENCE).await {
        ScanQrCode => Ok(session),
        status => {
            let error = "the session does not wait for a phone; log it out and start it";
            Err(wrong_status(name, error, status, ScanQrCode))
        }
    }
}

fn wrong_status(
    name: &str,
    error: &str,
    status: SessionStatus,
    expected: SessionStatus,
) -> HttpError {
    let body = json!({ "error": error, "session": name, "status": status, "expected": [expected] });
    HttpError::with_body(StatusCode::UNPROCESSABLE_ENTITY, body)
}
