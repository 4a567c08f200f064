//! The router: the gateway's own paths, the plugins' and those of the gateway's author.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::StatusCode,
    middleware,
    response::IntoResponse,
    routing::{MethodFilter, MethodRouter},
};
use indexmap::IndexMap;
use serde_json::Value;
use tower_http::{
    CompressionLevel, catch_panic::CatchPanicLayer, compression::CompressionLayer,
    decompression::RequestDecompressionLayer,
};

use super::{
    access::{self, Access},
    browsers::{self, Browsers},
    connections::ConnectionCounts,
    docs::Docs,
    endpoint::Endpoint,
    error::HttpError,
    extract::{BODY_LIMIT, read_body},
    openapi, pairing,
    routes::{Place, filter},
    server, sessions,
};
use crate::parts::Parts;

/// The paths of the gateway's author.
#[derive(Clone, Default)]
pub(crate) struct Own {
    pub(crate) routes: Router,
    /// Their part of the OpenAPI document.
    pub(crate) openapi: Value,
}

/// The gateway's HTTP interface; without `access`, for callers within this program.
pub(crate) fn build(
    parts: &Arc<Parts>,
    own: Own,
    access: Option<Access>,
    connections: &Arc<ConnectionCounts>,
) -> Router {
    let mut paths: IndexMap<String, MethodRouter> = IndexMap::new();
    let gateways = server::routes(parts, connections).into_iter().chain(sessions::routes(parts));
    for (path, methods) in gateways.chain(pairing::routes(parts)) {
        paths.insert(Place::new(path).path, methods);
    }
    for plugin in &parts.plugins {
        for route in &plugin.info().routes {
            let place = Place::new(route.path());
            let endpoint = Endpoint {
                parts: parts.clone(),
                plugin: plugin.clone(),
                route: route.id(),
                session: place.session,
            };
            let methods = paths.entry(place.path).or_default();
            let filter = filter(route.method()).unwrap_or(MethodFilter::GET);
            *methods = std::mem::take(methods).on(filter, endpoint);
        }
    }
    let docs = access.as_ref().map_or(Docs::Open, |access| access.docs.clone());
    let mut router = own.routes.merge(openapi::routes(parts, &own.openapi, &docs));
    for (path, methods) in paths {
        // As in WAHA, a path works with and without a slash at its end.
        router = router.route(&format!("{path}/"), methods.clone()).route(&path, methods);
    }
    let plugins: Vec<&str> = parts.plugins.iter().map(|plugin| plugin.name()).collect();
    let plugins: Arc<str> = plugins.join(", ").into();
    let mut router = router
        .fallback(async move |request: Request| unknown_path(request, &plugins).await)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest));
    if let Some(access) = access {
        let browsers = Browsers::new(access.browsers.clone(), access.key.is_some());
        router = router
            .layer(middleware::from_fn_with_state(Arc::new(access), access::require))
            .layer(middleware::from_fn_with_state(browsers, browsers::check));
    }
    router.layer(CatchPanicLayer::custom(|_| {
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed").into_response()
    }))
}

async fn unknown_path(request: Request, plugins: &str) -> HttpError {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    read_away(request).await;
    HttpError::not_found(format!(
        "Cannot {method} {path}: this server has sessions and {plugins} only; /docs lists its paths"
    ))
}

async fn wrong_method(request: Request) -> HttpError {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    read_away(request).await;
    let message = format!("{method} is not allowed for {path}; see the Allow header");
    HttpError::new(StatusCode::METHOD_NOT_ALLOWED, message)
}

/// Reads a body that no one needs, so that the connection can carry the next request.
async fn read_away(request: Request) {
    // However it ends, the answer is the same.
    let _ = read_body(request).await;
}
