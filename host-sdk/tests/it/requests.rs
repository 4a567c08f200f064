//! The way of a request to a plugin, with the counter plugin from its library.

use std::sync::Arc;

use axum::{body::Body, http::Method};
use host_sdk::{
    ApiKey, BODY_LIMIT, BuildError, EngineStatus, Gateway, GatewayBuilder, LoadedPlugin,
    PresenceUpdate, ServeError, SessionSpec, SessionStatus,
    host_abi::{Host, Manifest, Plugin, PluginError, Request, Response, Route, Snapshot},
    loader,
};

use crate::{
    clock::TestClock,
    engine::TestEngine,
    http::{get, send},
};

fn counter() -> LoadedPlugin {
    loader::load(loader::find("counter_plugin").unwrap()).unwrap()
}

fn builder(engine: &Arc<TestEngine>) -> GatewayBuilder {
    Gateway::builder().engine(engine.clone()).plugin(counter()).session(SessionSpec::new("default"))
}

async fn started(builder: GatewayBuilder) -> Gateway {
    let gateway = builder.build().unwrap();
    gateway.start().await;
    gateway
}

#[tokio::test]
async fn what_the_engine_says_is_applied_before_settled_answers() {
    let engine = TestEngine::new("NOWEB");
    let gateway = started(builder(&engine)).await;
    let router = gateway.router();
    assert_eq!(get(&router, "/api/default/count").await.line(), r#"200 {"count":0}"#);
    let session = engine.session("default");
    let update = PresenceUpdate::new("1@s.whatsapp.net", EngineStatus::AVAILABLE, None);
    session.presence("1@s.whatsapp.net", &[update, update]).await;
    session.event("messages.upsert", "{}".into()).await;
    session.event("something.else", "{}".into()).await;
    session.settled().await;
    assert_eq!(get(&router, "/api/default/count").await.line(), r#"200 {"count":3}"#);
}

#[tokio::test]
async fn a_path_works_with_a_slash_at_its_end_and_with_head() {
    let engine = TestEngine::new("NOWEB");
    let router = started(builder(&engine)).await.router();
    assert_eq!(get(&router, "/api/default/count/").await.line(), r#"200 {"count":0}"#);
    let head = send(&router, Method::HEAD, "/api/default/count", &[], "").await;
    assert_eq!(
        (head.line().as_str(), &head.headers["content-length"]),
        ("200 ", &"11".parse().unwrap())
    );
}

#[tokio::test]
async fn a_plugin_waits_on_the_gateways_clock() {
    let engine = TestEngine::new("NOWEB");
    let clock = TestClock::at(0);
    let gateway = started(builder(&engine).clock(Arc::new(clock.clone()))).await;
    let router = gateway.router();
    let later =
        tokio::spawn(async move { get(&router, "/api/default/count/after/3600").await.line() });
    clock.next_timer().await;
    clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(later.await.unwrap(), r#"200 {"count":0}"#);
}

#[tokio::test]
async fn an_error_of_a_plugin_is_an_answer() {
    let engine = TestEngine::new("NOWEB");
    let router = started(builder(&engine)).await.router();
    assert_eq!(
        get(&router, "/api/default/count/after/%C3%BC%20x").await.line(),
        r#"400 {"statusCode":400,"message":"\"ü x\" is not a number of seconds","error":"Bad Request"}"#
    );
}

#[tokio::test]
async fn a_path_that_is_not_utf8_is_refused() {
    let engine = TestEngine::new("NOWEB");
    let router = started(builder(&engine)).await.router();
    let answer = get(&router, "/api/default/count/after/%FF").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("the path is not valid UTF-8"), "{answer:?}");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_in_json() {
    let engine = TestEngine::new("NOWEB");
    let router = started(builder(&engine)).await.router();
    assert_eq!(
        get(&router, "/api/nowhere").await.line(),
        r#"404 {"statusCode":404,"message":"Cannot GET /api/nowhere: this server has sessions and counter only; /docs lists its paths","error":"Not Found"}"#
    );
    let answer = send(&router, Method::DELETE, "/api/default/count", &[], "").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.headers["allow"], "GET,HEAD");
    assert!(answer.body.starts_with(r#"{"statusCode":405,"#), "{answer:?}");
}

#[tokio::test]
async fn a_refusal_that_precedes_any_handler_is_json_too() {
    let engine = TestEngine::new("NOWEB");
    let router = started(builder(&engine)).await.router();
    let refused = [
        ("/api/sessions/%ff", 400),
        ("/api/%ff/count", 400),
        ("/ws?events=*", 400),
        ("/docs/none.js", 404),
    ];
    for (path, status) in refused {
        let answer = get(&router, path).await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            (answer.status.as_u16(), &body["statusCode"]),
            (status, &status.into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let engine = TestEngine::new("NOWEB");
    let router = started(builder(&engine)).await.router();
    let body = |length| vec![b' '; length];
    let at = send(&router, Method::GET, "/api/default/count", &[], body(BODY_LIMIT)).await;
    assert_eq!(at.status, 200);
    let piece = || Ok::<_, std::convert::Infallible>(body(BODY_LIMIT / 2));
    let without_length = Body::from_stream(futures_util::stream::iter([piece(), piece(), piece()]));
    for body in [Body::from(body(BODY_LIMIT + 1)), without_length] {
        let over = send(&router, Method::GET, "/api/default/count", &[], body).await;
        assert_eq!(
            over.line(),
            r#"413 {"statusCode":413,"message":"the body is larger than 1048576 bytes","error":"Payload Too Large"}"#
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let engine = TestEngine::new("NOWEB");
    let router = started(builder(&engine)).await.router();
    let stalled =
        Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, axum::Error>>());
    let answer = send(&router, Method::POST, "/api/sessions", &[], stalled).await;
    assert_eq!(
        answer.line(),
        r#"408 {"statusCode":408,"message":"the body did not arrive within 30s","error":"Request Timeout"}"#
    );
}

#[tokio::test]
async fn an_unknown_and_a_stopped_session_are_not_found() {
    let engine = TestEngine::new("NOWEB");
    let mut stopped = SessionSpec::new("stopped");
    stopped.start = false;
    let router = started(builder(&engine).session(stopped)).await.router();
    assert_eq!(
        get(&router, "/api/nobody/count").await.line(),
        r#"404 {"statusCode":404,"message":"there is no session \"nobody\"","error":"Not Found"}"#
    );
    assert_eq!(
        get(&router, "/api/stopped/count").await.line(),
        r#"404 {"statusCode":404,"message":"session \"stopped\" is stopped; start it with POST /api/sessions/stopped/start","error":"Not Found"}"#
    );
}

#[tokio::test]
async fn a_request_waits_five_seconds_for_its_session_to_work() {
    let engine = TestEngine::starting("NOWEB", SessionStatus::ScanQrCode);
    let clock = TestClock::at(0);
    let gateway = started(builder(&engine).clock(Arc::new(clock.clone()))).await;
    let router = gateway.router();
    let ask = |router: axum::Router| {
        tokio::spawn(async move { get(&router, "/api/default/count").await.line() })
    };
    let too_early = ask(router.clone());
    assert_eq!(clock.next_timer().await.as_secs(), 5);
    clock.advance(std::time::Duration::from_secs(5));
    assert_eq!(
        too_early.await.unwrap(),
        r#"422 {"error":"the session is not working; try again, or restart it","session":"default","status":"SCAN_QR_CODE","expected":["WORKING"]}"#
    );
    let in_time = ask(router);
    clock.next_timer().await;
    engine.session("default").status(SessionStatus::Working).await;
    assert_eq!(in_time.await.unwrap(), r#"200 {"count":0}"#);
}

#[tokio::test]
async fn a_key_is_asked_for_everywhere_but_at_ping() {
    let engine = TestEngine::new("NOWEB");
    let key = ApiKey::parse("secret").unwrap();
    let router = started(builder(&engine).api_key(key)).await.router();
    let unauthorized = r#"401 {"message":"Unauthorized","statusCode":401}"#;
    assert_eq!(get(&router, "/api/default/count").await.line(), unauthorized);
    assert_eq!(get(&router, "/nowhere").await.line(), unauthorized);
    assert_eq!(get(&router, "/ping").await.line(), r#"200 {"message":"pong"}"#);
    assert_eq!(get(&router, "/api/default/count?x-api-key=secret").await.status, 200);
    for (shown, status) in [("secret", 200), ("Secret", 401), ("", 401)] {
        let headers = [("X-Api-Key", shown)];
        let answer = send(&router, Method::GET, "/api/default/count", &headers, "").await;
        assert_eq!(answer.status, status, "{shown:?}");
    }
}

#[tokio::test]
async fn other_machines_may_reach_a_gateway_only_with_a_key() {
    let engine = TestEngine::new("NOWEB");
    let listen = || tokio::net::TcpListener::bind("0.0.0.0:0");
    let open = started(builder(&engine)).await;
    let error = open.serve(listen().await.unwrap(), async {}).await.unwrap_err();
    assert!(matches!(error, ServeError::NoApiKey(_)), "{error}");
    let locked = started(builder(&engine).api_key(ApiKey::parse("secret").unwrap())).await;
    locked.serve(listen().await.unwrap(), async {}).await.unwrap();
}

/// Wants the same path as the counter, under another name for its variable.
struct Rival;

impl Plugin for Rival {
    const MANIFEST: Manifest = Manifest {
        name: "rival",
        routes: &[Route::new(0, "GET", "/api/{name}/count/")],
        engines: &["WEBJS"],
        ..Manifest::EMPTY
    };

    fn create(_: Host, _: &[u8], _: Option<Snapshot>) -> Result<Self, PluginError> {
        Ok(Self)
    }

    async fn handle(self: Arc<Self>, _: Request) -> Result<Response, PluginError> {
        Ok(Response::new(204))
    }
}

/// Wants a path of the gateway.
struct Usurper;

impl Plugin for Usurper {
    const MANIFEST: Manifest =
        Manifest { name: "usurper", routes: &[Route::new(0, "POST", "/ping")], ..Manifest::EMPTY };

    fn create(_: Host, _: &[u8], _: Option<Snapshot>) -> Result<Self, PluginError> {
        Ok(Self)
    }

    async fn handle(self: Arc<Self>, _: Request) -> Result<Response, PluginError> {
        Ok(Response::new(204))
    }
}

/// Answers only for another engine than that of the sessions here.
struct Elsewhere;

impl Plugin for Elsewhere {
    const MANIFEST: Manifest = Manifest {
        name: "elsewhere",
        routes: &[Route::new(0, "GET", "/api/{session}/elsewhere")],
        engines: &["NOWEB"],
        ..Manifest::EMPTY
    };

    fn create(_: Host, _: &[u8], _: Option<Snapshot>) -> Result<Self, PluginError> {
        Ok(Self)
    }

    async fn handle(self: Arc<Self>, _: Request) -> Result<Response, PluginError> {
        Ok(Response::new(204))
    }
}

#[tokio::test]
async fn two_plugins_stand_side_by_side_and_only_one_has_a_path() {
    let engine = TestEngine::new("NOWEB");
    let both = started(builder(&engine).plugin(LoadedPlugin::linked::<Elsewhere>())).await;
    assert_eq!(get(&both.router(), "/api/default/elsewhere").await.status, 204);
    assert_eq!(get(&both.router(), "/api/default/count").await.status, 200);

    let error = builder(&engine).plugin(LoadedPlugin::linked::<Rival>()).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"plugin "rival", route GET /api/{name}/count/: already served by plugin "counter""#
    );
    let error = builder(&engine).plugin(LoadedPlugin::linked::<Usurper>()).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"plugin "usurper", route POST /ping: already served by the gateway itself"#
    );
    let error = builder(&engine).plugin(counter()).build().unwrap_err();
    assert!(matches!(error, BuildError::SameName(name) if name == "counter"));
}

#[tokio::test]
async fn a_session_of_another_engine_is_told_which_engines_would_do() {
    let engine = TestEngine::new("WEBJS");
    let gateway = started(builder(&engine).plugin(LoadedPlugin::linked::<Elsewhere>())).await;
    assert_eq!(
        get(&gateway.router(), "/api/default/elsewhere").await.line(),
        r#"422 {"statusCode":422,"message":"elsewhere is not implemented by the WEBJS engine of session \"default\"; it works with NOWEB","error":"Unprocessable Entity"}"#
    );
}

#[tokio::test]
async fn an_invalid_session_is_refused() {
    let engine = TestEngine::new("NOWEB");
    let error = |spec| builder(&engine).session(spec).build().unwrap_err().to_string();
    assert!(error(SessionSpec::new("a/b")).starts_with(r#"invalid session name "a/b": "#));
    assert!(error(SessionSpec::new("default")).starts_with(r#"session "default" already exists"#));
    assert_eq!(
        error(SessionSpec::new("other").engine("GOWS")),
        r#"unknown engine "GOWS"; this gateway has NOWEB"#
    );
}

#[tokio::test]
async fn pages_that_may_use_the_server_are_told_so_and_others_are_refused() {
    let engine = TestEngine::new("NOWEB");
    let path = "/api/default/count";
    let open = started(builder(&engine)).await.router();
    let key = ApiKey::parse("secret").unwrap();
    let locked = started(builder(&engine).api_key(key)).await.router();
    let allow = "access-control-allow-origin";
    let local = [("Origin", "http://localhost:5173"), ("Access-Control-Request-Headers", "x-a")];
    for router in [&open, &locked] {
        let answer = send(router, Method::OPTIONS, path, &local, "").await;
        assert_eq!((answer.status.as_u16(), &answer.headers[allow]), (204, &"*".parse().unwrap()));
        assert_eq!(answer.headers["access-control-allow-headers"], "x-a");
        assert_eq!(
            answer.headers["access-control-allow-methods"],
            "GET,HEAD,PUT,PATCH,POST,DELETE"
        );
    }
    let answer = send(&locked, Method::GET, path, &[], "").await;
    assert_eq!((answer.status.as_u16(), &answer.headers[allow]), (401, &"*".parse().unwrap()));
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Host", "evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let answer = send(&open, method, path, &[(name, value)], "").await;
            assert_eq!(answer.status, 403, "{name}: {}", answer.body);
            assert!(!answer.headers.contains_key(allow));
            let option = if name == "Host" { "--allow-host" } else { "--allow-origin" };
            assert!(answer.body.contains(option), "{}", answer.body);
        }
        assert_eq!(send(&locked, Method::GET, path, &[(name, value)], "").await.status, 401);
    }
}
