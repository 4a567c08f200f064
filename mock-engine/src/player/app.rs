//! The application in front of an engine: a gateway, and its HTTP interface called without a network.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode},
};
use host_sdk::{Gateway, SessionError, SessionSpec};
use serde_json::Value;
use tower::ServiceExt;

use crate::scenario::Session;

/// The largest answer that is read in memory, in bytes.
const ANSWER_LIMIT: usize = 256 * 1024 * 1024;

/// A jid as WAHA writes it.
pub(crate) fn outward(jid: &str) -> String {
    match jid.split_once('@') {
        Some((user, "s.whatsapp.net")) => {
            format!("{}@c.us", user.split(':').next().unwrap_or(user))
        }
        _ => jid.to_owned(),
    }
}

/// A gateway, and its HTTP interface called without a network.
#[derive(Clone)]
pub(crate) struct App {
    gateway: Gateway,
    router: Router,
    /// The sessions of the start.
    sessions: Arc<[Session]>,
}

impl App {
    /// The sessions of the start.
    pub(super) fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Deletes all sessions.
    pub(super) async fn delete_sessions(&self) {
        for session in self.gateway.sessions() {
            self.gateway.delete_session(&session).await;
        }
    }

    /// Creates sessions and starts them, once what those before have left is on its way; the error is that
    /// of the first one that the gateway does not take.
    pub(super) async fn create_sessions(&self, sessions: &[Session]) -> Result<(), SessionError> {
        self.gateway.events().hurry();
        let mut created = Ok(());
        for session in sessions {
            let spec = SessionSpec::new(&session.name).engine(&session.engine);
            created = created.and(self.gateway.create_session(spec).await);
        }
        created
    }
    pub(crate) fn new(gateway: Gateway, sessions: Vec<Session>) -> Self {
        Self { router: gateway.router_without_key(), gateway, sessions: sessions.into() }
    }

    pub(crate) async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        let body = match body {
            Some(body) => {
                request = request.header("Content-Type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let Ok(request) = request.body(body) else {
            return Answer { status: StatusCode::BAD_REQUEST, body: Value::Null };
        };
        let Ok(response) = self.router.clone().oneshot(request).await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), ANSWER_LIMIT).await.unwrap_or_default();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            if bytes.is_empty() {
                Value::Null
            } else {
                Value::String(String::from_utf8_lossy(&bytes).into_owned())
            }
        });
        Answer { status, body }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// What a gateway answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body: JSON, a string where it is not JSON, or null where it is empty.
    pub body: Value,
}
