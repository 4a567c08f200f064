//! What a request says, or the error that it earns, as JSON.

use std::time::Duration;

use axum::{
    body::{Bytes, HttpBody},
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::PathRejection},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use super::error::HttpError;

/// The largest body that is read, in bytes.
pub const BODY_LIMIT: usize = 1 << 20;

/// What the variables of a path stand for: one, or a tuple of them.
#[derive(Debug, Clone, Copy)]
pub struct Variables<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Variables<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let path = Path::from_request_parts(parts, state).await;
        let Path(values) =
            path.map_err(|error: PathRejection| HttpError::new(error.status(), error.body_text()))?;
        Ok(Self(values))
    }
}

/// How long a body may take to come, in the world's time.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// Reads a body of at most [`BODY_LIMIT`].
///
/// # Errors
///
/// 413 when it is larger; 408 when it is not there after 30 s; 400 when it breaks off.
pub async fn read_body(request: Request) -> Result<Bytes, HttpError> {
    let too_large = || {
        let message = format!("the body is over {BODY_LIMIT} bytes");
        HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    // What says itself that it is too large is not waited for.
    if request.body().size_hint().lower() > BODY_LIMIT as u64 {
        return Err(too_large());
    }
    let body = tokio::time::timeout(BODY_PATIENCE, Bytes::from_request(request, &())).await;
    let body = body.map_err(|_| {
        let message = format!("the body was not there after {BODY_PATIENCE:?}");
        HttpError::new(StatusCode::REQUEST_TIMEOUT, message)
    })?;
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        status => HttpError::new(status, rejection.body_text()),
    })
}
