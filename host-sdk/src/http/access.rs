//! Who may call the server: callers with the API key, in the header `X-Api-Key`, or in the parameter
//! `x-api-key` where a browser cannot set headers.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::Uri,
    middleware::Next,
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;

use super::{browsers::BrowserRules, docs::Docs, error::HttpError, key::ApiKey};

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

/// Admits a request that carries the key, or that needs none.
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
    use super::covers;

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
}
