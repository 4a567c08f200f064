//! WAHA's HTTP interface to sessions.

use std::sync::Arc;

use axum::{Router, http::Method};
use futures_util::FutureExt;
use host_sdk::{Gateway, LoadedPlugin, Me, SessionSpec, loader};
use serde_json::{Value, json};

use crate::{
    clock::TestClock,
    engine::TestEngine,
    http::{get, send},
};

async fn gateway() -> (Arc<TestEngine>, Router) {
    let engine = TestEngine::new("NOWEB");
    let counter: LoadedPlugin = loader::load(loader::find("counter_plugin").unwrap()).unwrap();
    let gateway = Gateway::builder()
        .clock(Arc::new(TestClock::at(1_686_719_326_000)))
        .engine(engine.clone())
        .plugin(counter)
        .session(SessionSpec::new("default"))
        .build()
        .unwrap();
    gateway.start().await;
    (engine, gateway.router())
}

async fn ask(router: &Router, method: Method, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = send(router, method, path, &[], body).await;
    let body = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    (answer.status.as_u16(), body)
}

async fn post(router: &Router, path: &str) -> (u16, Value) {
    ask(router, Method::POST, path, Value::Null).await
}

#[tokio::test]
async fn a_session_is_shown_with_its_account() {
    let (engine, router) = gateway().await;
    let session = engine.session("default");
    let me = Me { id: "1@c.us".into(), push_name: "Me".into(), lid: None, jid: None };
    session.me(Some(me)).await;
    session.settled().await;
    assert_eq!(
        get(&router, "/api/sessions/default").await.line(),
        concat!(
            r#"200 {"name":"default","status":"WORKING","config":{},"#,
            r#""me":{"id":"1@c.us","pushName":"Me"},"presence":null,"#,
            r#""timestamps":{"activity":1686719326000},"engine":{"engine":"NOWEB"}}"#
        )
    );
    assert_eq!(
        get(&router, "/api/sessions/default/me").await.line(),
        r#"200 {"id":"1@c.us","pushName":"Me"}"#
    );
}

#[tokio::test]
async fn a_session_is_created_and_starts_unless_start_is_false() {
    let (_engine, router) = gateway().await;
    let (status, body) =
        ask(&router, Method::POST, "/api/sessions", json!({ "name": "second" })).await;
    assert_eq!((status, &body["status"]), (201, &json!("WORKING")));
    let quiet = json!({ "name": "third", "start": false, "config": { "debug": true } });
    let (status, body) = ask(&router, Method::POST, "/api/sessions", quiet).await;
    assert_eq!(status, 201);
    assert_eq!(body, json!({ "name": "third", "status": "STOPPED", "config": { "debug": true } }));
    let names = |body: Value| {
        let sessions = body.as_array().unwrap().clone();
        sessions.iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, running) = ask(&router, Method::GET, "/api/sessions", Value::Null).await;
    assert_eq!(names(running), ["default", "second"]);
    let (_, all) = ask(&router, Method::GET, "/api/sessions?all=true", Value::Null).await;
    assert_eq!(names(all), ["default", "second", "third"]);
}

#[tokio::test]
async fn a_session_without_a_name_gets_one() {
    let (_engine, router) = gateway().await;
    let (status, body) = post(&router, "/api/sessions").await;
    assert_eq!((status, &body["name"]), (201, &json!("session_1")));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let (_engine, router) = gateway().await;
    let message = async |body: Value| {
        let (status, body) = ask(&router, Method::POST, "/api/sessions", body).await;
        format!("{status} {}", body["message"].as_str().unwrap())
    };
    assert_eq!(message(json!({ "name": 1 })).await, "400 name: expected a string");
    assert_eq!(message(json!({ "start": "no" })).await, "400 start: expected true or false");
    assert_eq!(message(json!({ "config": [] })).await, "400 config: expected an object");
    assert_eq!(
        message(json!({ "config": { "ignore": { "groups": 1 } } })).await,
        "400 config.ignore.groups: expected true or false"
    );
    assert_eq!(
        message(json!({ "config": { "metadata": "x" } })).await,
        "400 config.metadata: expected an object"
    );
    assert!(
        message(json!({ "name": "a b" })).await.starts_with(r#"400 invalid session name "a b""#)
    );
    assert!(message(json!({ "name": "default" })).await.starts_with("422 session"));
    let answer = send(&router, Method::POST, "/api/sessions", &[], "{\"name\":").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("the body is not a JSON object: EOF"), "{answer:?}");
}

#[tokio::test]
async fn a_session_stops_starts_restarts_and_logs_out() {
    let (_engine, router) = gateway().await;
    for (act, status) in [
        ("stop", "STOPPED"),
        ("stop", "STOPPED"),
        ("start", "WORKING"),
        ("start", "WORKING"),
        ("restart", "WORKING"),
        ("logout", "WORKING"),
        ("stop", "STOPPED"),
        ("logout", "STOPPED"),
    ] {
        let (code, body) = post(&router, &format!("/api/sessions/default/{act}")).await;
        assert_eq!((code, &body["status"]), (201, &json!(status)), "{act}");
    }
    assert_eq!(post(&router, "/api/sessions/nobody/start").await.0, 404);
}

#[tokio::test]
async fn a_session_is_deleted_and_that_may_be_repeated() {
    let (_engine, router) = gateway().await;
    for _ in 0..2 {
        let answer = ask(&router, Method::DELETE, "/api/sessions/default", Value::Null).await;
        assert_eq!(answer, (200, Value::Null));
    }
    assert_eq!(get(&router, "/api/sessions/default").await.status, 404);
    assert_eq!(get(&router, "/api/default/count").await.status, 404);
}

#[tokio::test]
async fn events_of_an_earlier_start_are_dropped() {
    let (engine, router) = gateway().await;
    let before = engine.session("default");
    post(&router, "/api/sessions/default/restart").await;
    before.event("messages.upsert", "{}".into()).await;
    before.settled().await;
    assert_eq!(get(&router, "/api/default/count").await.line(), r#"200 {"count":0}"#);
}

#[tokio::test]
async fn a_configuration_is_replaced() {
    let (_engine, router) = gateway().await;
    let config = json!({ "metadata": { "user.id": "123" }, "ignore": { "groups": true } });
    let update = json!({ "config": config });
    let (status, body) = ask(&router, Method::PUT, "/api/sessions/default", update).await;
    assert_eq!((status, &body["config"]["metadata"]), (200, &config["metadata"]));
    assert_eq!(body["config"]["ignore"]["groups"], true);
    let (status, _) = ask(&router, Method::PUT, "/api/sessions/nobody", json!({})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let (_engine, router) = gateway().await;
    let (_, version) = ask(&router, Method::GET, "/api/server/version", Value::Null).await;
    assert_eq!((&version["engine"], &version["browser"]), (&json!("NOWEB"), &Value::Null));
    let (_, status) = ask(&router, Method::GET, "/api/server/status", Value::Null).await;
    assert_eq!(status["startTimestamp"], 1_686_719_326_000_u64);
    assert_eq!(status["uptime"], 0);
}

#[tokio::test]
async fn the_api_describes_itself_plugins_and_all_and_shows_a_page() {
    let (_engine, router) = gateway().await;
    let (status, document) = ask(&router, Method::GET, "/openapi.json", Value::Null).await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    let page = get(&router, "/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("swagger-ui"), "{}", page.body);
}

#[tokio::test]
async fn secrets_are_not_shown_and_survive_being_written_back() {
    let (_engine, router) = gateway().await;
    let webhooks = json!([{
        "url": "http://127.0.0.1:1/hook",
        "events": ["session.status"],
        "hmac": { "key": "hush" },
        "customHeaders": [{ "name": "X-Token", "value": "psst" }],
    }]);
    let update = json!({ "config": { "webhooks": webhooks } });
    let (status, shown) = ask(&router, Method::PUT, "/api/sessions/default", update).await;
    assert_eq!(status, 200);
    let text = shown.to_string();
    assert!(!text.contains("hush") && !text.contains("psst"), "{text}");
    assert_eq!(shown["config"]["webhooks"][0]["hmac"]["key"], "***");

    let back = json!({ "config": shown["config"] });
    let (status, again) = ask(&router, Method::PUT, "/api/sessions/default", back.clone()).await;
    assert_eq!((status, &again["config"]), (200, &shown["config"]));
    let (status, elsewhere) = ask(&router, Method::PUT, "/api/sessions/default", {
        let mut back = back;
        back["config"]["webhooks"][0]["url"] = json!("http://127.0.0.1:1/other");
        back
    })
    .await;
    assert_eq!(status, 400, "a secret does not follow to another URL");
    let message = elsewhere["message"].as_str().unwrap();
    assert!(message.starts_with("config.webhooks[0].hmac.key: is the placeholder"), "{message}");
}

#[tokio::test]
async fn an_invalid_webhook_is_refused_with_its_field() {
    let (_engine, router) = gateway().await;
    let webhooks = json!([{ "url": "nowhere", "events": ["*"] }]);
    let update = json!({ "config": { "webhooks": webhooks } });
    let (status, body) = ask(&router, Method::PUT, "/api/sessions/default", update).await;
    assert_eq!(status, 400);
    let message = body["message"].as_str().unwrap();
    assert!(message.starts_with("config.webhooks[0].url: "), "{message}");
}

#[tokio::test]
async fn health_and_metrics_cover_the_parts() {
    let (engine, router) = gateway().await;
    let webhooks = json!([{ "url": "http://user.example/secret?token=1", "events": ["message"] }]);
    let update = json!({ "config": { "webhooks": webhooks } });
    ask(&router, Method::PUT, "/api/sessions/default", update).await;
    let session = engine.session("default");
    session.event("messages.upsert", "{}".into()).await;
    session.settled().await;

    let (status, health) = ask(&router, Method::GET, "/health", Value::Null).await;
    assert_eq!((status, &health["status"]), (200, &json!("ok")));
    assert_eq!(health["details"]["plugin.counter"]["status"], "up");
    let text = health.to_string();
    assert!(text.contains("webhook.default.user.example"), "{text}");
    assert!(!text.contains("token"), "{text}");

    let metrics = get(&router, "/metrics").await;
    assert_eq!(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(metrics.body.contains("session=\"default\""), "{}", metrics.body);
    assert!(!metrics.body.contains("token"), "{}", metrics.body);
}

#[tokio::test]
async fn a_session_created_again_survives_an_earlier_request_to_delete_it() {
    let (engine, router) = gateway().await;
    let delete = || ask(&router, Method::DELETE, "/api/sessions/default", Value::Null);
    let held = engine.stopping.lock().await;
    let (mut first, mut second) = (Box::pin(delete()), Box::pin(delete()));
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
    drop(held);
    first.await;
    let made = ask(&router, Method::POST, "/api/sessions", json!({ "name": "default" })).await;
    second.await;
    let (status, shown) = ask(&router, Method::GET, "/api/sessions/default", Value::Null).await;
    assert_eq!((made.0, status, &shown["status"]), (201, 200, &json!("WORKING")));
}

#[tokio::test]
async fn a_session_that_is_being_deleted_does_not_start_again() {
    let (engine, router) = gateway().await;
    let held = engine.stopping.lock().await;
    let mut delete = Box::pin(ask(&router, Method::DELETE, "/api/sessions/default", Value::Null));
    assert!(delete.as_mut().now_or_never().is_none());
    let mut restart = Box::pin(post(&router, "/api/sessions/default/restart"));
    assert!(restart.as_mut().now_or_never().is_none());
    drop(held);
    let starts = engine.starts();
    assert_eq!(delete.await.0, 200);
    assert_eq!(restart.await.0, 404);
    assert_eq!(engine.starts(), starts);
}
