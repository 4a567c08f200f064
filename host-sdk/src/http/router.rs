//! From an HTTP request to a plugin and back: the key, the path, the session, the body.

use std::{sync::Arc, task::Poll, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequestParts, Query, RawPathParams, Request},
    handler::Handler,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter},
};
use futures_util::{future::BoxFuture, poll};
use host_abi::{ErrorKind, PluginError};
use host_delivery::clock::Clock;
use indexmap::IndexMap;
use serde_json::json;
use tokio::{sync::oneshot, task::AbortHandle};
use tower_http::catch_panic::CatchPanicLayer;

use super::{
    browsers::{self, Browsers},
    error::HttpError,
    extract::{BODY_LIMIT, read_body},
    key::{self, Access},
    openapi, server, sessions,
};
use crate::{
    engine::SessionStatus,
    gateway::{BuildError, Shared},
    plugins::{loader::LoadedPlugin, mounted::Mounted},
    sessions::Session,
};

/// How long a request waits for its session to work.
const SESSION_PATIENCE: Duration = Duration::from_secs(5);

/// The gateway's HTTP interface; without `access`, for callers within this program.
pub(crate) fn build(shared: &Arc<Shared>, own: Router, access: Option<Access>) -> Router {
    let mut paths: IndexMap<String, MethodRouter> = IndexMap::new();
    for (path, methods) in server::routes(shared).into_iter().chain(sessions::routes(shared)) {
        paths.insert(Place::new(path).path, methods);
    }
    for plugin in &*shared.plugins() {
        for route in &plugin.info().routes {
            let place = Place::new(route.path());
            let endpoint = Endpoint {
                gateway: shared.clone(),
                plugin: plugin.clone(),
                route: route.id(),
                session: place.session,
            };
            let methods = paths.entry(place.path).or_default();
            let filter = filter(route.method()).unwrap_or(MethodFilter::GET);
            *methods = std::mem::take(methods).on(filter, endpoint);
        }
    }
    let mut router = own.merge(openapi::routes(shared));
    for (path, methods) in paths {
        // WAHA's paths work with and without a slash at their end.
        router = router.route(&format!("{path}/"), methods.clone()).route(&path, methods);
    }
    let mut router = router
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    if let Some(access) = access {
        let browsers = Browsers::new(access.browsers.clone(), access.key.is_some());
        router = router
            .layer(middleware::from_fn_with_state(Arc::new(access), key::require))
            .layer(middleware::from_fn_with_state(browsers, browsers::check));
    }
    router.layer(CatchPanicLayer::custom(|_| {
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed").into_response()
    }))
}

async fn unknown_path(method: Method, uri: Uri) -> HttpError {
    HttpError::not_found(format!("Cannot {method} {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> HttpError {
    let message = format!("{method} is not allowed for {}; see the Allow header", uri.path());
    HttpError::new(StatusCode::METHOD_NOT_ALLOWED, message)
}

/// Checks that no two plugins want the same, before any of them is started.
pub(crate) fn check_routes(plugins: &[LoadedPlugin]) -> Result<(), BuildError> {
    let mut names: IndexMap<&str, ()> = IndexMap::new();
    let gateway = "the gateway itself".to_owned();
    let own =
        server::PATHS.iter().map(|path| ((String::new(), (*path).to_owned()), gateway.clone()));
    let mut taken: IndexMap<(String, String), String> = own.collect();
    for plugin in plugins.iter().map(LoadedPlugin::info) {
        if names.insert(&plugin.name, ()).is_some() {
            return Err(BuildError::SameName(plugin.name.clone()));
        }
        for route in &plugin.routes {
            let bad = |reason| BuildError::BadRoute {
                plugin: plugin.name.clone(),
                method: route.method().to_owned(),
                path: route.path().to_owned(),
                reason,
            };
            if filter(route.method()).is_none() {
                return Err(bad("the method must be GET, POST, PUT, PATCH or DELETE"));
            }
            if let Some(reason) = Place::fault(route.path()) {
                return Err(bad(reason));
            }
            let path = Place::new(route.path()).path;
            let by_gateway = taken.get(&(String::new(), path.clone())).cloned();
            let place = (route.method().to_owned(), path);
            let owner = format!("the plugin {:?}", plugin.name);
            if let Some(first) = by_gateway.or_else(|| taken.insert(place, owner)) {
                return Err(BuildError::RouteTaken {
                    method: route.method().to_owned(),
                    path: route.path().to_owned(),
                    first,
                    second: plugin.name.clone(),
                });
            }
        }
    }
    Ok(())
}

fn filter(method: &str) -> Option<MethodFilter> {
    match method {
        "GET" => Some(MethodFilter::GET),
        "POST" => Some(MethodFilter::POST),
        "PUT" => Some(MethodFilter::PUT),
        "PATCH" => Some(MethodFilter::PATCH),
        "DELETE" => Some(MethodFilter::DELETE),
        _ => None,
    }
}

/// A path whose variables have names by position, so that two paths that differ only in what they
/// call their variables are one.
struct Place {
    path: String,
    /// Which of the variables is `{session}`.
    session: Option<usize>,
}

impl Place {
    fn new(path: &str) -> Self {
        let mut session = None;
        let mut variables = 0;
        let segments = path.trim_end_matches('/').split('/').map(|segment| {
            if !segment.starts_with('{') {
                return segment.to_owned();
            }
            if segment == "{session}" {
                session = Some(variables);
            }
            variables += 1;
            format!("{{v{}}}", variables - 1)
        });
        let path = segments.collect::<Vec<_>>().join("/");
        Self { path, session }
    }

    fn fault(path: &str) -> Option<&'static str> {
        if !path.starts_with('/') || path == "/" {
            return Some("a path starts with / and goes on");
        }
        let variable = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
        let bad = |segment: &str| {
            segment.is_empty() || (segment.contains(['{', '}', '*']) && !variable(segment))
        };
        let segments = path.trim_end_matches('/').split('/').skip(1);
        segments.into_iter().any(bad).then_some("a variable fills the whole of its segment")
    }
}

/// A plugin's route.
#[derive(Clone)]
struct Endpoint {
    gateway: Arc<Shared>,
    plugin: Arc<Mounted>,
    route: u16,
    session: Option<usize>,
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
        into_http(run(&*self.gateway.clock, answer).await?)
    }

    async fn read(&self, request: Request) -> Result<host_abi::Request, HttpError> {
        let (mut parts, body) = request.into_parts();
        let params = RawPathParams::from_request_parts(&mut parts, &()).await;
        let params = params.map_err(|_| {
            HttpError::bad_request("the path is no UTF-8 when its %-escapes are read")
        })?;
        let session = self.session.and_then(|at| params.iter().nth(at)).map(|(_, name)| name);
        let name = match session {
            Some(name) => {
                working_session(&self.gateway, name, &self.plugin).await?;
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
        for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "x-api-key") {
            to_plugin =
                to_plugin.with_header(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        }
        let body = read_body(Request::from_parts(parts, body)).await?;
        Ok(if body.is_empty() { to_plugin } else { to_plugin.with_body(body) })
    }
}

/// The session called `name`, working, and on an engine that the plugin works with.
async fn working_session(
    gateway: &Shared,
    name: &str,
    plugin: &Mounted,
) -> Result<Arc<Session>, HttpError> {
    let unknown = || HttpError::not_found(format!("there is no session {name:?}"));
    let session = gateway.sessions.get(name).ok_or_else(unknown)?;
    if !plugin.works_with(session.engine().name()) {
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
        SessionStatus::Working => Ok(session),
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
    *response.status_mut() = status.map_err(|_| internal("with a status that is none"))?;
    for (name, value) in answer.headers() {
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        else {
            return Err(internal("with a header that is none"));
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
