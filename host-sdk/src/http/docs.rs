//! Who may read the API documentation.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{error::HttpError, key::ApiKey};

/// Whether the API documentation (`/docs`, `/openapi.json`, `/-json`) is served. It needs no API key.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Docs {
    /// To everyone.
    #[default]
    Open,
    /// To those who know a user name and a password (HTTP Basic, RFC 7617), as with WAHA's
    /// `WHATSAPP_SWAGGER_USERNAME` and `_PASSWORD`.
    Locked {
        /// The user name, without a colon.
        user: String,
        /// The password.
        password: String,
    },
    /// To no one: 404.
    Off,
}

impl std::fmt::Debug for Docs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Locked { .. } => "Locked(***)",
            Self::Off => "Off",
        })
    }
}

/// The credentials of [`Docs::Locked`], hashed and compared as a key is.
pub(crate) fn lock(user: &str, password: &str) -> Arc<ApiKey> {
    Arc::new(ApiKey::of(&BASE64_STANDARD.encode(format!("{user}:{password}"))))
}

/// Asks for the credentials.
pub(crate) async fn require(
    State(lock): State<Arc<ApiKey>>,
    request: Request,
    next: Next,
) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credentials = shown.and_then(|value| {
        let (scheme, credentials) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then(|| credentials.trim())
    });
    if credentials.is_some_and(|credentials| lock.admits(credentials)) {
        return next.run(request).await;
    }
    let mut answer = HttpError::unauthorized().into_response();
    let challenge =
        HeaderValue::from_static("Basic realm=\"API documentation\", charset=\"UTF-8\"");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    answer
}
