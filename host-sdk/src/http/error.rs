//! Error answers in WAHA's shape, and the one table from kinds of failure to HTTP statuses.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use host_abi::{ErrorKind, PluginError};
use serde_json::{Value, json};

/// An error answer: `{"statusCode":404,"message":"…","error":"Not Found"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    status: StatusCode,
    body: Value,
}

impl HttpError {
    /// An error with a message for people to read.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let body = json!({
            "statusCode": status.as_u16(),
            "message": message.into(),
            "error": status.canonical_reason().unwrap_or("Error"),
        });
        Self { status, body }
    }

    /// An error with a body of another shape.
    #[must_use]
    pub fn with_body(status: StatusCode, body: Value) -> Self {
        Self { status, body }
    }

    /// 400: what is wrong with the request, and where.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: what the request names does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 401, in the two fields that WAHA has for it.
    #[must_use]
    pub fn unauthorized() -> Self {
        let body = json!({ "message": "Unauthorized", "statusCode": 401 });
        Self { status: StatusCode::UNAUTHORIZED, body }
    }
}

impl HttpError {
    /// The body, as text.
    pub(crate) fn into_json(self) -> String {
        self.body.to_string()
    }
}

impl From<PluginError> for HttpError {
    fn from(error: PluginError) -> Self {
        Self::new(status_of(error.kind()), error.message())
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::INVALID => StatusCode::BAD_REQUEST,
        ErrorKind::NOT_FOUND => StatusCode::NOT_FOUND,
        ErrorKind::UNSUPPORTED => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::UNAVAILABLE => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::ENGINE => StatusCode::BAD_GATEWAY,
        ErrorKind::TIMEOUT => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
