//! The API key: the header `X-Api-Key`, or the parameter `x-api-key` where a browser cannot set
//! headers.

use std::{fmt, sync::Arc};

use axum::{
    extract::{Request, State},
    http::Uri,
    middleware::Next,
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use super::{browsers::BrowserRules, docs::Docs, error::HttpError};

/// What callers must show. Only its SHA-512 is kept, and compared in constant time.
#[derive(Clone)]
pub struct ApiKey([u8; 64]);

/// The key that was configured is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// An empty key would let everybody in.
    #[error("the API key is empty; leave it out to have none")]
    Empty,
    /// What follows `sha512:` is not a digest.
    #[error("the API key starts with sha512: and must go on with 128 hexadecimal digits")]
    BadDigest,
}

impl ApiKey {
    /// Reads a key as `WAHA_API_KEY` has it: plain, or `sha512:` and the key's digest in hexadecimal.
    ///
    /// # Errors
    ///
    /// When it is empty, or no digest follows `sha512:`.
    pub fn parse(configured: &str) -> Result<Self, ApiKeyError> {
        if configured.is_empty() {
            return Err(ApiKeyError::Empty);
        }
        let Some(digest) = configured.strip_prefix("sha512:") else {
            return Ok(Self::of(configured));
        };
        let mut key = [0; 64];
        hex::decode_to_slice(digest, &mut key).map_err(|_| ApiKeyError::BadDigest)?;
        Ok(Self(key))
    }

    /// The key that is exactly `text`.
    pub(crate) fn of(text: &str) -> Self {
        Self(digest_of(text))
    }

    /// Whether `shown` is the key.
    #[must_use]
    pub fn admits(&self, shown: &str) -> bool {
        self.0.ct_eq(&digest_of(shown)).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

fn digest_of(key: &str) -> [u8; 64] {
    Sha512::digest(key.as_bytes()).into()
}

/// Who may call the server, and from where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    pub(crate) key: Option<ApiKey>,
    /// Paths that need no key beyond [`OPEN`], each with all that is below it.
    pub(crate) open_paths: Vec<String>,
    pub(crate) browsers: BrowserRules,
    pub(crate) docs: Docs,
}

/// Paths that never need the key: a load balancer must be able to ask whether the server is up, and a
/// person to read the documentation.
const OPEN: [&str; 4] = ["ping", "openapi.json", "-json", "docs"];

impl Access {
    fn is_open(&self, path: &str) -> bool {
        let own = self.open_paths.iter().map(String::as_str);
        OPEN.into_iter().chain(own).any(|open| covers(open, path))
    }
}

/// Whether `path` is `open` or below it. WAHA's users write `health`, `/health` and `api/files/(.*)`.
fn covers(open: &str, path: &str) -> bool {
    let open = open.trim_start_matches('/');
    let open = open.strip_suffix("(.*)").or(open.strip_suffix('*')).unwrap_or(open);
    let open = open.trim_end_matches('/');
    let rest = path.trim_start_matches('/').strip_prefix(open);
    !open.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Lets a request pass when it shows the key.
pub(crate) async fn require(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(key) = &access.key else { return next.run(request).await };
    let header = request.headers().get("x-api-key").and_then(|value| value.to_str().ok());
    let admitted = header.is_some_and(|shown| key.admits(shown))
        || access.is_open(request.uri().path())
        || parameter(request.uri()).is_some_and(|shown| key.admits(&shown));
    if admitted { next.run(request).await } else { HttpError::unauthorized().into_response() }
}

fn parameter(uri: &Uri) -> Option<String> {
    let value = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("x-api-key="))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::{ApiKey, ApiKeyError, covers};

    #[test]
    fn a_plain_key_admits_itself_and_nothing_else() {
        let key = ApiKey::parse("secret").unwrap();
        assert!(key.admits("secret"));
        assert!(!key.admits("Secret"));
        assert!(!key.admits(""));
    }

    #[test]
    fn a_digest_admits_the_key_that_it_is_of() {
        let digest = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        let key = ApiKey::parse(digest).unwrap();
        assert!(key.admits("abc"));
        assert!(!key.admits(digest));
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        assert_eq!(ApiKey::parse("").unwrap_err(), ApiKeyError::Empty);
        assert_eq!(ApiKey::parse("sha512:12").unwrap_err(), ApiKeyError::BadDigest);
    }

    #[test]
    fn an_open_path_covers_itself_and_what_is_below_it() {
        for open in ["health", "/health", "health/", "health/*", "/health/(.*)"] {
            assert!(covers(open, "/health") && covers(open, "/health/"), "{open}");
            assert!(covers(open, "/health/live"), "{open}");
            assert!(!covers(open, "/healthy") && !covers(open, "/api/health"), "{open}");
        }
        for none in ["", "/", "*", "(.*)"] {
            assert!(!covers(none, "/api/sessions") && !covers(none, "/"), "{none:?}");
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(format!("{:?}", ApiKey::parse("secret").unwrap()), "ApiKey(***)");
    }
}
