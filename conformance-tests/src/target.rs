//! The server under test, over HTTP.

mod answer;
mod http_client;
pub(crate) mod websocket;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::Value;
use thiserror::Error;
use tokio::time::{Instant, timeout};

pub use answer::Answer;
pub(crate) use answer::header_list;
pub(crate) use http_client::HttpClient;

use crate::{
    trace::{Answered, Trace, Traced, shortened},
    verdict::{Failure, Halt, Verdict},
};

/// The server under test: its address, key and time limit.
#[derive(Clone, Debug)]
pub struct Target {
    base: String,
    api_key: Option<String>,
    timeout: Duration,
    client: HttpClient,
}

/// An invalid server address.
#[derive(Debug, Error)]
#[error(
    "{url:?} is not a server's address; expected http://host:port or https://host, without a user name"
)]
pub struct BadUrl {
    url: String,
}

impl Target {
    /// Creates a target at `url`; a request to it may take up to `timeout`.
    ///
    /// # Errors
    ///
    /// When `url` is not `http://…` or `https://…`.
    pub fn new(url: &str, api_key: Option<String>, timeout: Duration) -> Result<Self, BadUrl> {
        let base = url.trim_end_matches('/').to_owned();
        let parsed = base.parse::<Uri>().ok().filter(|uri| {
            let host = uri.authority().map_or("@", |authority| authority.as_str());
            matches!(uri.scheme_str(), Some("http" | "https")) && !host.contains('@')
        });
        match parsed {
            Some(_) => Ok(Self { base, api_key, timeout, client: HttpClient::new() }),
            None => Err(BadUrl { url: url.to_owned() }),
        }
    }

    /// Another server, with the same key and time limit.
    pub(crate) fn beside(&self, url: &str) -> Result<Self, BadUrl> {
        Self::new(url, self.api_key.clone(), self.timeout)
    }

    /// The same server with this key.
    #[must_use]
    pub(crate) fn with_api_key(mut self, key: Option<String>) -> Self {
        self.api_key = key;
        self
    }

    /// The address, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Whether an API key was given.
    pub fn has_key(&self) -> bool {
        self.api_key.is_some()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn api_key(&self) -> Option<&str> {
        self.api_key.as_deref()
    }

    /// Checks that the server answers and accepts the key.
    ///
    /// # Errors
    ///
    /// The reason why no check can be tried: no answer, or the key is refused.
    pub async fn reach(&self, session: &str) -> Result<(), String> {
        let path = format!("/api/{session}/presence/");
        let trace = Trace::default();
        match self.get(path).send(&trace).await {
            Ok(answer) if answer.status == 401 => Err(match self.api_key {
                Some(_) => "the API key was refused (401)".to_owned(),
                None => "an API key is required (401); pass it with --api-key".to_owned(),
            }),
            Ok(_) => Ok(()),
            Err(Halt::Failed(failure)) => Err(failure.actual),
            Err(halt) => Err(halt.to_string()),
        }
    }

    /// The engine of this session, if the sessions API names it.
    ///
    /// # Errors
    ///
    /// If there is no such session: the message lists the existing ones.
    pub async fn engine_of(&self, session: &str) -> Result<Option<String>, String> {
        let trace = Trace::default();
        let answer = self.get(format!("/api/sessions/{session}")).send(&trace).await;
        let found = match answer {
            Ok(answer) if answer.status == 404 => None,
            answer => Some(answer.and_then(|answer| answer.json()).unwrap_or_default()),
        };
        if let Some(session) = found {
            return Ok(session
                .pointer("/engine/engine")
                .and_then(Value::as_str)
                .map(str::to_owned));
        }
        // A target without the sessions API answers 404 too, and has no list either.
        let answer = self.get("/api/sessions?all=true").send(&trace).await;
        let sessions = answer.and_then(|answer| answer.is(200)?.json()).unwrap_or_default();
        let names = sessions.as_array().map(|list| list.iter().map(|it| it["name"].as_str()));
        let Some(names) = names.and_then(|names| names.collect::<Option<Vec<_>>>()) else {
            return Ok(None);
        };
        if names.contains(&session) {
            return Ok(None);
        }
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(format!("there is no session {session:?}; there are {names}"))
    }

    /// A request to `path`, which starts with a slash.
    pub(crate) fn request(&self, method: Method, path: impl AsRef<str>) -> Call<'_> {
        let url = format!("{}{}", self.base, path.as_ref());
        let key = self.api_key.clone();
        let (headers, body, limit) = (Vec::new(), None, self.timeout);
        Call { target: self, method, url, headers, body, key, limit }
    }

    pub(crate) fn get(&self, path: impl AsRef<str>) -> Call<'_> {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: impl AsRef<str>) -> Call<'_> {
        self.request(Method::POST, path)
    }
}

/// A request under construction.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    target: &'a Target,
    method: Method,
    url: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Vec<u8>>,
    key: Option<String>,
    limit: Duration,
}

impl Call<'_> {
    pub(crate) fn json(self, body: &Value) -> Self {
        self.typed("application/json", body.to_string().into_bytes())
    }

    pub(crate) fn typed(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        self.headers.push((http::header::CONTENT_TYPE, HeaderValue::from_static(content_type)));
        self.body = Some(body);
        self
    }

    /// The same request with another key, or none.
    pub(crate) fn with_key(mut self, key: Option<&str>) -> Self {
        self.key = key.map(str::to_owned);
        self
    }

    /// Raises the time limit to `limit`.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.limit = self.limit.max(limit);
        self
    }

    /// Sends the request and adds the exchange to the trace; no answer is a failure.
    pub(crate) async fn send(self, trace: &Trace) -> Verdict<Answer> {
        let started = Instant::now();
        let limit = self.limit;
        let result = match self.build() {
            Ok(request) => match timeout(limit, self.target.client.send(request)).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
            },
            Err(error) => Err(error),
        };
        let answer = match &result {
            Ok(answer) => Answered::Http {
                status: answer.status.as_u16(),
                headers: answer.header_list(),
                body: shortened(&answer.text(), 20_000),
            },
            Err(why) => Answered::Nothing(why.clone()),
        };
        let body = self.body.map(|body| String::from_utf8_lossy(&body).into_owned());
        let headers = self.headers.iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        // Only the target's real key is secret.
        let other_key = self.key.clone().filter(|_| self.key != self.target.api_key);
        let headers = headers.chain(other_key.map(|key| ("X-Api-Key".to_owned(), key)));
        let traced = trace.add(Traced::Request {
            method: self.method.to_string(),
            url: self.url,
            headers: headers.collect(),
            body,
            with_key: self.key.is_some() && self.key == self.target.api_key,
            answer,
            took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        match result {
            Ok(answer) => Ok(Answer { traced, ..answer }),
            Err(why) => Err(Failure::new("an HTTP answer", why).at(traced).into()),
        }
    }

    fn build(&self) -> Result<Request<http_client::Body>, String> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.url)
            .header(http::header::USER_AGENT, "conformance");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(key) = &self.key {
            request = request.header("x-api-key", key);
        }
        let body = self.body.clone().unwrap_or_default();
        request.body(body.into()).map_err(|error| error.to_string())
    }
}
