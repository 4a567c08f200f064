//! What programs written for WAHA send, and what they get.

use std::io::Write;

use axum::{Router, body::Body, http::Method};
use host_sdk::{
    BODY_LIMIT, Gateway, LoadedPlugin, MAX_METADATA, MAX_OTHER_SETTINGS, MAX_SESSIONS_PER_MINUTE,
    SessionSpec, SessionStatus,
    host_abi::{Host, Manifest, Plugin, PluginError, Request, Response, Route, Snapshot},
};
use serde_json::{Value, json};

use crate::{
    engine::TestEngine,
    http::{get, send},
};

/// Answers with the body that it gets.
struct Echo;

impl Plugin for Echo {
    const MANIFEST: Manifest = Manifest {
        name: "echo",
        routes: &[Route::new(0, "POST", "/api/{session}/echo")],
        ..Manifest::EMPTY
    };

    fn create(_: Host, _: &[u8], _: Option<Snapshot>) -> Result<Self, PluginError> {
        Ok(Self)
    }

    async fn handle(self: std::sync::Arc<Self>, request: Request) -> Result<Response, PluginError> {
        Ok(Response::json(200, request.body().to_vec()))
    }
}

async fn router() -> Router {
    let gateway = Gateway::builder()
        .engine(TestEngine::new("NOWEB"))
        .plugin(LoadedPlugin::linked::<Echo>())
        .session(SessionSpec::new("default"))
        .build()
        .unwrap();
    gateway.start().await;
    gateway.router_without_key()
}

async fn post(router: &Router, path: &str, body: Value) -> (u16, Value) {
    let answer = send(router, Method::POST, path, &[], body.to_string()).await;
    (answer.status.as_u16(), serde_json::from_str(&answer.body).unwrap_or_default())
}

async fn echo(router: &Router, headers: &[(&str, &str)], body: impl Into<Body>) -> String {
    send(router, Method::POST, "/api/default/echo", headers, body).await.line()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn a_plugin_gets_forms_and_compressed_bodies_as_json() {
    let router = router().await;
    let form = "chatId=1%40c.us&presence=typing&n=1&n=2&e";
    assert_eq!(
        echo(&router, &[FORM], form).await,
        r#"200 {"chatId":"1@c.us","presence":"typing","n":["1","2"],"e":""}"#
    );
    assert_eq!(echo(&router, &[FORM], r#" {"a":1}"#).await, r#"200  {"a":1}"#);
    let json = r#"{"a":"ü"}"#;
    let same = format!("200 {json}");
    let typed = ("content-type", "application/json; charset=UTF-8");
    assert_eq!(echo(&router, &[typed], format!("\u{feff}{json}")).await, same);
    let zipped = gzip(json.as_bytes());
    assert_eq!(echo(&router, &[typed, ("content-encoding", "gzip")], zipped).await, same);
}

#[tokio::test]
async fn what_wahas_body_parser_refuses_is_refused() {
    let router = router().await;
    let text = ("content-type", "text/plain");
    // As in WAHA, such a body is not read: a request that needs none works all the same.
    let unread = send(&router, Method::POST, "/api/default/echo", &[text], "{}").await;
    assert_eq!((unread.status.as_u16(), unread.body.as_str()), (200, ""));
    let needed = send(&router, Method::POST, "/api/sessions", &[text], "{}").await;
    assert_eq!(needed.status, 415);
    assert!(needed.body.contains("expected application/json or application/x-www-form-urlencoded"));
    let cases = [
        (
            ("content-type", "application/json; charset=latin1"),
            r#"Content-Type: charset "latin1" is not supported; expected utf-8"#,
        ),
        (
            ("content-encoding", "zstd"),
            r#"Content-Encoding: "zstd" is not supported; expected gzip, deflate or identity"#,
        ),
    ];
    for (header, message) in cases {
        let answer = send(&router, Method::POST, "/api/default/echo", &[header], "{}").await;
        assert_eq!(answer.status, 415, "{header:?}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["message"], message);
    }
    // A body without content has no kind.
    let empty = send(&router, Method::POST, "/api/default/echo", &[text], "").await;
    assert_eq!(empty.status, 200);
}

#[tokio::test]
async fn a_body_is_inflated_up_to_the_limit() {
    let router = router().await;
    let bomb = gzip(&vec![b' '; BODY_LIMIT + 1]);
    assert!(bomb.len() < 10_000);
    let answer = echo(&router, &[("content-encoding", "gzip")], bomb).await;
    assert!(answer.starts_with("413 "), "{answer}");
    let broken = echo(&router, &[("content-encoding", "gzip")], "no gzip").await;
    assert!(broken.starts_with("400 "), "{broken}");
}

#[tokio::test]
async fn an_answer_is_compressed_for_a_client_that_asks_for_it() {
    let router = router().await;
    let request = axum::http::Request::get("/openapi.json").header("accept-encoding", "gzip");
    let request = request.body(Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert!(!get(&router, "/openapi.json").await.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn a_configuration_stays_where_an_update_has_none() {
    let router = router().await;
    let config = json!({ "metadata": { "a": "1" }, "debug": true });
    let put = async |body: Value| {
        let path = "/api/sessions/default";
        let answer = send(&router, Method::PUT, path, &[], body.to_string()).await;
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        (answer.status.as_u16(), body["config"].clone())
    };
    let shown = put(json!({ "config": config })).await;
    assert_eq!(shown.0, 200);
    for body in [
        json!({}),
        json!({ "name": "default", "apps": [] }),
        json!({ "stop": false, "start": false }),
        json!({ "config": null, "apps": null }),
    ] {
        assert_eq!(put(body).await, shown);
    }
    assert_eq!(put(json!({ "config": {} })).await, (200, json!({})));
}

#[tokio::test]
async fn booleans_of_a_query_are_read_as_waha_reads_them() {
    let router = router().await;
    post(&router, "/api/sessions/stop", json!({ "name": "default" })).await;
    let list = async |value: &str| {
        let answer = get(&router, &format!("/api/sessions?all={value}")).await;
        (answer.status.as_u16(), answer.body.contains("default"))
    };
    for value in ["true", "True", "1"] {
        assert_eq!(list(value).await, (200, true), "{value}");
    }
    for value in ["false", "False", "0", ""] {
        assert_eq!(list(value).await, (200, false), "{value}");
    }
    assert_eq!(list("yes").await.0, 400);
}

#[tokio::test]
async fn an_empty_name_is_a_generated_one_and_metadata_are_strings() {
    let router = router().await;
    for name in [json!(""), json!(null)] {
        let (status, body) = post(&router, "/api/sessions", json!({ "name": name })).await;
        assert_eq!(status, 201);
        assert!(body["name"].as_str().unwrap().starts_with("session_"));
    }
    let config = json!({ "config": { "metadata": { "a.b": 1 } } });
    let (status, body) = post(&router, "/api/sessions", config).await;
    assert_eq!((status, &body["message"]), (400, &json!("config.metadata.a.b: expected a string")));
}

#[tokio::test]
async fn the_older_paths_of_sessions_still_work() {
    let router = router().await;
    let config = json!({ "metadata": { "a": "1" } });
    let start = json!({ "name": "n", "config": config });
    let (status, body) = post(&router, "/api/sessions/start", start.clone()).await;
    assert_eq!((status, &body["status"], &body["config"]), (201, &json!("WORKING"), &config));
    let (status, body) = post(&router, "/api/sessions/start", start).await;
    assert_eq!((status, &body["message"]), (422, &json!("session \"n\" is already started")));
    let named = json!({ "name": "n" });
    let stop = post(&router, "/api/sessions/stop", named.clone()).await;
    assert_eq!(stop, (201, Value::Null));
    let (_, body) = post(&router, "/api/sessions/start", named.clone()).await;
    assert_eq!((&body["status"], &body["config"]), (&json!("WORKING"), &config));
    let delete = json!({ "name": "n", "logout": true });
    assert_eq!(post(&router, "/api/sessions/stop", delete).await.0, 201);
    assert_eq!(get(&router, "/api/sessions/n").await.status, 404);
    for act in ["stop", "logout"] {
        assert_eq!(post(&router, &format!("/api/sessions/{act}"), named.clone()).await.0, 201);
    }
    assert_eq!(post(&router, "/api/sessions/start", json!({})).await.0, 400);
    let other = send(&router, Method::POST, "/api/sessions/default", &[], "").await;
    assert_eq!(
        (other.status.as_u16(), &other.headers["allow"]),
        (405, &"GET,HEAD,PUT,DELETE".parse().unwrap())
    );
}

#[tokio::test]
async fn an_unknown_path_is_answered_with_what_there_is() {
    let router = router().await;
    let answer = get(&router, "/api/screenshot").await;
    assert!(
        answer.body.contains(
            "Cannot GET /api/screenshot: this server has sessions and echo only; /docs lists its paths"
        ),
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_environment_is_shown_without_other_programs_values() {
    let router = router().await;
    let shown = async |path: &str| -> Value {
        serde_json::from_str(&get(&router, path).await.body).unwrap()
    };
    let own = shown("/api/server/environment").await;
    assert!(
        own.as_object()
            .unwrap()
            .keys()
            .all(|name| name.starts_with("WA") || name.starts_with("WHATSAPP") || name == "DEBUG")
    );
    let all = shown("/api/server/environment?all=True").await;
    assert_eq!(all["PATH"], "***");
}

#[tokio::test]
async fn a_session_that_waits_for_a_phone_shows_its_codes() {
    let engine = TestEngine::starting("NOWEB", SessionStatus::ScanQrCode);
    let gateway =
        Gateway::builder().engine(engine.clone()).session(SessionSpec::new("default")).build();
    let gateway = gateway.unwrap();
    gateway.start().await;
    let router = gateway.router_without_key();
    let qr = "/api/default/auth/qr";
    assert_eq!(
        get(&router, &format!("{qr}?format=raw")).await.line(),
        r#"200 {"value":"2@default"}"#
    );
    let json = send(&router, Method::GET, qr, &[("accept", "application/json")], "").await;
    let json: Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(json["mimetype"], "image/png");
    let image = axum::http::Request::get(qr).body(Body::empty()).unwrap();
    let image = tower::ServiceExt::oneshot(router.clone(), image).await.unwrap();
    assert_eq!(image.headers()["content-type"], "image/png");
    let code = "/api/default/auth/request-code";
    let number = json!({ "phoneNumber": "+1 213-213-2130" });
    assert_eq!(post(&router, code, number).await, (201, json!({ "code": "ABCD-12132132130" })));
    assert_eq!(post(&router, code, json!({ "phoneNumber": "me" })).await.0, 400);

    engine.session("default").status(SessionStatus::Working).await;
    engine.session("default").settled().await;
    let (status, body) = (get(&router, qr).await.status, get(&router, qr).await.body);
    assert_eq!(status, 422);
    assert!(body.contains(r#""status":"WORKING","expected":["SCAN_QR_CODE"]"#), "{body}");
    assert_eq!(get(&router, "/api/other/auth/qr").await.status, 404);
}

#[tokio::test]
async fn a_configuration_has_caps() {
    let router = router().await;
    let message = async |config: Value| {
        let body = json!({ "name": "big", "start": false, "config": config });
        let (status, body) = post(&router, "/api/sessions", body).await;
        format!("{status} {}", body["message"].as_str().unwrap_or_default())
    };
    let big = "x".repeat(MAX_METADATA);
    assert_eq!(
        message(json!({ "metadata": { "a": big } })).await,
        "400 config.metadata: 16392 bytes of JSON; expected up to 16384"
    );
    let big = "x".repeat(MAX_OTHER_SETTINGS);
    assert_eq!(
        message(json!({ "noweb": big })).await,
        "400 config: 65548 bytes of JSON; expected up to 65536"
    );
    assert_eq!(message(json!({ "metadata": { "a": "x".repeat(16_000) } })).await, "201 ");
}

#[tokio::test]
async fn clients_create_a_limited_number_of_sessions_per_minute() {
    let router = router().await;
    let mut last = (0, Value::Null);
    for _ in 0..=MAX_SESSIONS_PER_MINUTE {
        last = post(&router, "/api/sessions", json!({ "name": "n", "start": false })).await;
        send(&router, Method::DELETE, "/api/sessions/n", &[], "").await;
    }
    let message =
        "600 sessions were created within a minute, which is the limit; try again in a minute";
    assert_eq!((last.0, &last.1["message"]), (400, &json!(message)));
}
