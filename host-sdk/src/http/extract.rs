//! Extractors whose rejections are errors in WAHA's shape.

use std::time::Duration;

use axum::{
    body::{Bytes, HttpBody},
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::PathRejection},
    http::{StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;

use super::error::HttpError;

/// The largest request body, in bytes.
pub const BODY_LIMIT: usize = 1 << 20;

/// The values of a path's variables: one, or a tuple of them.
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

/// How long a body may take to arrive, in real time.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// Reads a body of up to [`BODY_LIMIT`] bytes.
///
/// # Errors
///
/// 415 in an unknown content encoding; 413 when it is larger, once inflated; 408 when it does not arrive within 30 s; 400 when it is cut short.
pub async fn read_body(request: Request) -> Result<Bytes, HttpError> {
    let too_large = || {
        let message = format!("the body is larger than {BODY_LIMIT} bytes");
        HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    // What is left after decompression is an encoding that the router does not know.
    if let Some(encoding) = request.headers().get(header::CONTENT_ENCODING)
        && encoding != "identity"
    {
        let message = format!(
            "Content-Encoding: {encoding:?} is not supported; expected gzip, deflate or identity"
        );
        return Err(HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    // A body that declares itself too large is refused at once.
    if request.body().size_hint().lower() > BODY_LIMIT as u64 {
        return Err(too_large());
    }
    let body = tokio::time::timeout(BODY_PATIENCE, Bytes::from_request(request, &())).await;
    let body = body.map_err(|_| {
        let message = format!("the body did not arrive within {BODY_PATIENCE:?}");
        HttpError::new(StatusCode::REQUEST_TIMEOUT, message)
    })?;
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        status => HttpError::new(status, rejection.body_text()),
    })
}
