//! An HTTP client that follows no redirects and never retries.

use std::sync::LazyLock;

use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::Answer;

/// A request's body.
pub(crate) type Body = Full<bytes::Bytes>;

/// The largest answer that is read, in bytes.
const LIMIT: usize = 16 * 1024 * 1024;

/// A connection pool for http and https.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient(Client<HttpsConnector<HttpConnector>, Body>);

/// Shared, because loading the root certificates takes a while.
static CONNECTOR: LazyLock<HttpsConnector<HttpConnector>> = LazyLock::new(|| {
    HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build()
});

impl HttpClient {
    pub(crate) fn new() -> Self {
        let mut client = Client::builder(TokioExecutor::new());
        Self(client.retry_canceled_requests(false).build(CONNECTOR.clone()))
    }

    /// Sends a request and reads the whole answer; an error is one line.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Answer, String> {
        let answer = self
            .0
            .request(request)
            .await
            .map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LIMIT)
            .collect()
            .await
            .map_err(|error| format!("failed to read the body: {error}"))?
            .to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body, traced: 0 })
    }
}
