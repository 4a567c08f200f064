//! A plugin's route: from an HTTP request to the plugin, and back.

use std::{sync::Arc, task::Poll, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequestParts, Query, RawPathParams, Request},
    handler::Handler,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::{future::BoxFuture, poll};
use host_abi::{ErrorKind, PluginError};
use host_delivery::clock::Clock;
use serde_json::json;
use tokio::{sync::oneshot, task::AbortHandle};

use super::{body::read_json, error::HttpError};
use crate::{engine::SessionStatus, parts::Parts, plugins::mounted::Mounted};

/// How long a request waits for its session to work.
const SESSION_PATIENCE: Duration = Duration::from_secs(5);

/// A plugin's route.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) parts: Arc<Parts>,
    pub(super) plugin: Arc<Mounted>,
    /// The route's number, which the plugin gave it.
    pub(super) route: u16,
    /// Which variable of the path is `{session}`.
    pub(super) session: Option<usize>,
}

impl Handler<(), ()> for Endpoint {
    type Future = BoxFuture<'static, Response>;

    fn call(self, request: Request, (): ()) -> Self::Future {
        Box::pin(
            async move { self.answer(request).await.unwrap_or_else(IntoResponse::into_response) },
        )
    }
}

impl Endpoint {
    async fn answer(self, request: Request) -> Result<Response, HttpError> {
        let request = self.read(request).await?;
        let plugin = self.plugin;
        let answer = Box::pin(async move { plugin.handle(request).await });
        into_http(run(&*self.parts.clock, answer).await?)
    }

    async fn read(&self, request: Request) -> Result<host_abi::Request, HttpError> {
        let (mut parts, body) = request.into_parts();
        let params = RawPathParams::from_request_parts(&mut parts, &()).await;
        let params = params.map_err(|_| {
            HttpError::bad_request("the path is not valid UTF-8 after percent-decoding")
        })?;
        let session = self.session.and_then(|at| params.iter().nth(at)).map(|(_, name)| name);
        let name = match session {
            Some(name) => {
                check_session(&self.parts, name, &self.plugin).await?;
                name
            }
            None => "",
        };
        let mut to_plugin = host_abi::Request::new(self.route, name);
        for (at, (_, value)) in params.iter().enumerate() {
            if Some(at) != self.session {
                to_plugin = to_plugin.with_param(value);
            }
        }
        if parts.uri.query().is_some() {
            let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
            let Query(query) = query.map_err(|error| HttpError::bad_request(error.body_text()))?;
            for (name, value) in query.into_iter().filter(|(name, _)| name != "x-api-key") {
                to_plugin = to_plugin.with_query(name, value);
            }
        }
        for (name, value) in parts.headers.iter().filter(|(name, _)| is_passed_on(name)) {
            to_plugin =
                to_plugin.with_header(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        }
        let body = read_json(Request::from_parts(parts, body)).await?;
        Ok(if body.is_empty() { to_plugin } else { to_plugin.with_body(body) })
    }
}

/// Headers that plugins get: not the key, and not what described the body before it was read as JSON.
fn is_passed_on(name: &HeaderName) -> bool {
    !["x-api-key", "content-type", "content-encoding", "content-length"].contains(&name.as_str())
}

/// Waits until the session called `name` works; it must be on an engine that the plugin works with.
async fn check_session(parts: &Parts, name: &str, plugin: &Mounted) -> Result<(), HttpError> {
    let unknown = || HttpError::not_found(format!("there is no session {name:?}"));
    let session = parts.sessions.get(name).ok_or_else(unknown)?;
    if !plugin.info().works_with(session.engine().name()) {
        return Err(HttpError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!(
                "{} is not implemented by the {} engine of session {name:?}; it works with {}",
                plugin.name(),
                session.engine().name(),
                plugin.info().engines.join(", "),
            ),
        ));
    }
    match session.wait_until_working(SESSION_PATIENCE).await {
        SessionStatus::Working => Ok(()),
        SessionStatus::Stopped => Err(HttpError::not_found(format!(
            "session {name:?} is stopped; start it with POST /api/sessions/{name}/start"
        ))),
        status => Err(HttpError::with_body(
            StatusCode::UNPROCESSABLE_ENTITY,
            json!({
                "error": "the session is not working; try again, or restart it",
                "session": name,
                "status": status,
                "expected": ["WORKING"],
            }),
        )),
    }
}

fn into_http(answer: host_abi::Response) -> Result<Response, HttpError> {
    let internal = |what| {
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the plugin answered {what}"))
    };
    let status = StatusCode::from_u16(answer.status());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status.map_err(|_| internal("with an invalid status"))?;
    for (name, value) in answer.headers() {
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        else {
            return Err(internal("with an invalid header"));
        };
        response.headers_mut().append(name, value);
    }
    *response.body_mut() = Body::from(Bytes::from_owner(answer.into_body()));
    Ok(response)
}

/// Runs a request. One that has its answer at once costs no task; one that waits becomes a task of the
/// clock, which so does not move on while the plugin has work to do. It ends when its caller goes away.
async fn run(
    clock: &dyn Clock,
    mut request: BoxFuture<'static, Result<host_abi::Response, PluginError>>,
) -> Result<host_abi::Response, PluginError> {
    if let Poll::Ready(answer) = poll!(&mut request) {
        return answer;
    }
    let (done, answer) = oneshot::channel();
    let task = clock.spawn(Box::pin(async move {
        // The caller may have gone away.
        let _ = done.send(request.await);
    }));
    let _ends = Ends(task);
    let ended = || PluginError::new(ErrorKind::INTERNAL, "the task of the request was ended");
    answer.await.unwrap_or_else(|_| Err(ended()))
}

/// Ends a task when it is dropped.
struct Ends(AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}
