//! The request that carries an event to its receiver.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;

use super::{config::WebhookConfig, signature::Signer};
use crate::envelope::EmittedEvent;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-webhook-request-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-webhook-timestamp");
const CONFLATED: HeaderName = HeaderName::from_static("x-webhook-conflated");
const HMAC: HeaderName = HeaderName::from_static("x-webhook-hmac");
const HMAC_ALGORITHM: HeaderName = HeaderName::from_static("x-webhook-hmac-algorithm");
const USER_AGENT: &str = concat!("host-sdk/", env!("CARGO_PKG_VERSION"));

/// A receiver as it is configured, with all that can be set up once.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) config: WebhookConfig,
    path: Uri,
    headers: HeaderMap,
    signer: Option<Signer>,
}

impl Target {
    pub(crate) fn new(config: WebhookConfig) -> Self {
        let signer = config.hmac().map(|hmac| Signer::new(&hmac.key));
        let mut headers = HeaderMap::with_capacity(16);
        if let Some(authority) = config.uri().authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            headers.insert(header::HOST, host);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        for custom in config.custom_headers() {
            headers.append(custom.name.clone(), custom.value.clone());
        }
        if signer.is_some() {
            headers.insert(HMAC_ALGORITHM, HeaderValue::from_static(Signer::ALGORITHM));
        }
        let path = config.uri().path_and_query().map_or_else(Uri::default, |p| p.clone().into());
        Self { config, path, headers, signer }
    }

    /// The request for an event that stands for `folded` others.
    pub(crate) fn request(&self, event: &EmittedEvent, folded: u32) -> Request<Full<Bytes>> {
        let mut headers = self.headers.clone();
        let text = |text: &str| HeaderValue::from_str(text).ok();
        if let Some(id) = text(event.id.as_str()) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(TIMESTAMP, event.timestamp_ms.into());
        if folded > 0 {
            headers.insert(CONFLATED, folded.into());
        }
        if let Some(hmac) = self.signer.as_ref().and_then(|s| text(&s.sign(&event.body))) {
            headers.insert(HMAC, hmac);
        }
        let mut request = Request::new(Full::new(event.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = headers;
        request
    }
}
