//! A plugin's route: from an HTTP request to the plugin, and back.

use std::{sync::Arc, task::Poll};

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
use tokio::{sync::oneshot, task::AbortHandle};

use super::{
    body::{Read, read_json},
    error::HttpError,
    gate,
};
use crate::{parts::Parts, plugins::mounted::Mounted};

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
        let (request, unread) = self.read(request).await?;
        let plugin = self.plugin;
        let answer = Box::pin(async move { plugin.handle(request).await });
        let answer = run(&*self.parts.clock, answer).await;
        match (answer, unread) {
            (Err(error), Some(unread)) if error.kind() == ErrorKind::INVALID => Err(unread),
            (answer, _) => into_http(answer?),
        }
    }

    /// The request for the plugin. A body in a form that is not taken is left out, as in WAHA: a request
    /// that needs none works all the same, and one that needs it is refused with the second value.
    async fn read(
        &self,
        request: Request,
    ) -> Result<(host_abi::Request, Option<HttpError>), HttpError> {
        let (mut parts, body) = request.into_parts();
        let params = RawPathParams::from_request_parts(&mut parts, &()).await;
        let params = params.map_err(|_| {
            HttpError::bad_request("the path is not valid UTF-8 after percent-decoding")
        })?;
        let session = self.session.and_then(|at| params.iter().nth(at)).map(|(_, name)| name);
        let name = match session {
            Some(name) => {
                gate::working(&self.parts, name, &self.plugin).await?;
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
        match read_json(Request::from_parts(parts, body)).await? {
            Read::Json(body) if body.is_empty() => Ok((to_plugin, None)),
            Read::Json(body) => Ok((to_plugin.with_body(body), None)),
            Read::Unread(refusal) => Ok((to_plugin, Some(refusal))),
        }
    }
}

/// Headers that plugins get: not the key, and not what described the body before it was read as JSON.
fn is_passed_on(name: &HeaderName) -> bool {
    !["x-api-key", "content-type", "content-encoding", "content-length"].contains(&name.as_str())
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
