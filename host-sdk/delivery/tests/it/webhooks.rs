//! What a receiver gets: headers, signature, order, and what a slow one misses.

use hmac::{Hmac, KeyInit, Mac};
use host_delivery::{
    event_bus::DeliverySettings,
    lane::Limits,
    webhook::{RetryPolicy, WebhookConfig},
};
use http::Response;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::{Value, json};
use sha2::Sha512;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, header_exists, method, path, query_param},
};

use crate::receiver::{Body, Receiver, Stage, retries};

fn configured(url: &str) -> WebhookConfig {
    let config = json!({"url": url, "events": ["presence.update"], "hmac": {"key": "my-secret-key"},
        "customHeaders": [{"name": "X-Tenant", "value": "blue"}]});
    WebhookConfig::from_json(&config, "webhook").unwrap()
}

#[tokio::test]
async fn a_request_has_every_header_and_a_signature_of_its_raw_body() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/hook"))
        .and(query_param("a", "b"))
        .and(header("content-type", "application/json"))
        .and(header("user-agent", concat!("host-sdk/", env!("CARGO_PKG_VERSION"))))
        .and(header("x-webhook-timestamp", "1686719326000"))
        .and(header("x-webhook-hmac-algorithm", "sha512"))
        .and(header("x-tenant", "blue"))
        .and(header_exists("x-webhook-hmac"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    let stage = Stage::with(vec![configured(&format!("{}/hook?a=b", server.uri()))]);
    stage.emit("1@c.us", "1@c.us", 1);
    stage.emit_fifo(2);
    stage.drain().await;

    let request = &server.received_requests().await.unwrap()[0];
    let header = |name| request.headers.get(name).map(|value| value.to_str().unwrap());
    let mut mac = Hmac::<Sha512>::new_from_slice(b"my-secret-key").unwrap();
    mac.update(&request.body);
    mac.verify_slice(&hex::decode(header("x-webhook-hmac").unwrap()).unwrap()).unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(header("x-webhook-request-id"), body["id"].as_str());
    assert_eq!(header("host"), Some(server.address().to_string()).as_deref());
    assert_eq!(header("content-length"), Some(request.body.len().to_string()).as_deref());
    assert_eq!(header("x-webhook-conflated"), None);
}

#[tokio::test]
async fn a_webhook_without_a_key_signs_nothing() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    stage.emit("chat", "key", 1);
    let request = receiver.next().await;
    assert!(!request.headers.keys().any(|name| name.as_str().contains("hmac")));
    request.answer(204);
    stage.drain().await;
    assert_eq!(stage.count("delivered_total"), 1);
}

#[tokio::test]
async fn a_redirect_is_a_refusal_and_not_followed() {
    let server = MockServer::start().await;
    let elsewhere = ResponseTemplate::new(307).insert_header("location", "/elsewhere");
    Mock::given(path("/hook")).respond_with(elsewhere).up_to_n_times(2).mount(&server).await;
    Mock::given(path("/hook")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    Mock::given(path("/elsewhere"))
        .respond_with(ResponseTemplate::new(200))
        .expect(0)
        .mount(&server)
        .await;
    let stage = Stage::with(vec![WebhookConfig::new(&format!("{}/hook", server.uri())).unwrap()]);
    stage.emit("chat", "key", 1);
    stage.wait_out().await;
    stage.wait_out().await;
    stage.drain().await;
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
    assert_eq!((stage.count("retried_total"), stage.count("delivered_total")), (2, 1));
}

#[tokio::test]
async fn one_request_a_lane_is_in_flight_and_lanes_go_side_by_side() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    for payload in 1..=3 {
        stage.emit("slow", "key", payload);
    }
    let slow = receiver.next().await;
    assert_eq!(slow.payload(), 1);
    for payload in 4..=6 {
        stage.emit("quick", "key", payload);
    }
    assert_eq!(receiver.take(3).await, [4, 5, 6], "the slow chat holds nobody up");
    assert!(receiver.at_hand().is_none());
    slow.answer(200);
    assert_eq!(receiver.take(2).await, [2, 3]);
    stage.drain().await;
}

#[tokio::test]
async fn workers_that_idle_are_called_while_another_waits_for_its_answer() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    stage.emit("slow", "key", 1);
    let slow = receiver.next().await;
    for _ in 0..3 {
        // Both are there before either is answered: each has a worker of its own.
        stage.emit("a", "key", 2);
        stage.emit("b", "key", 3);
        let (one, other) = (receiver.next().await, receiver.next().await);
        one.answer(200);
        other.answer(200);
        while stage.bus.health()[0].waiting > 1 {
            tokio::task::yield_now().await;
        }
    }
    slow.answer(200);
    stage.drain().await;
}

#[tokio::test]
async fn no_more_than_the_cap_are_in_flight_to_one_endpoint() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    for chat in 0..100 {
        stage.emit(&chat.to_string(), "key", chat);
    }
    let mut held = Vec::new();
    for _ in 0..32 {
        held.push(receiver.next().await);
    }
    assert_eq!(stage.count("in_flight"), 32);
    assert!(receiver.at_hand().is_none());
    held.into_iter().for_each(|request| request.answer(200));
    receiver.take(68).await;
    stage.drain().await;
}

#[tokio::test]
async fn a_slow_receiver_gets_the_latest_states_and_is_told_how_many_it_missed() {
    let mut receiver = Receiver::start().await;
    let limits = Limits { lane_depth: 2, ..Limits::default() };
    let stage = Stage::new(DeliverySettings { limits, ..DeliverySettings::default() });
    stage.bus.set_webhooks("default", vec![receiver.webhook()]);
    stage.emit("chat", "a", 1);
    let first = receiver.next().await;
    for payload in 2..=9 {
        stage.emit("chat", "a", payload);
    }
    first.answer(200);
    let second = receiver.next().await;
    assert_eq!((second.payload(), second.header("x-webhook-conflated")), (json!(2), ""));
    second.answer(200);
    let third = receiver.next().await;
    assert_eq!((third.payload(), third.header("x-webhook-conflated")), (json!(9), "6"));
    third.answer(200);
    stage.drain().await;
    assert_eq!(stage.count("conflated_total"), 6);
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit_and_counts_all_the_same() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    for payload in 1..=2 {
        stage.emit("chat", "key", payload);
    }
    let chunk = || Ok(Frame::data(vec![b'x'; 4096].into()));
    let endless = StreamBody::new(futures_util::stream::repeat_with(chunk));
    let first = receiver.next().await;
    first.respond(Response::new(Body::new(endless)));
    assert_eq!(receiver.take(1).await, [2]);
    stage.drain().await;
}

#[tokio::test]
async fn events_that_are_never_folded_all_arrive_in_order_beside_a_folding_lane() {
    let mut receiver = Receiver::start().await;
    let limits = Limits { lane_depth: 0, ..Limits::default() };
    let stage = Stage::new(DeliverySettings { limits, ..DeliverySettings::default() });
    stage.bus.set_webhooks("default", vec![receiver.webhook()]);
    stage.emit_fifo(0);
    let first = receiver.next().await;
    for payload in 1..=100 {
        stage.emit_fifo(payload);
    }
    first.answer(200);
    let expected: Vec<Value> = (1..=100).map(Value::from).collect();
    assert_eq!(receiver.take(100).await, expected);
    stage.drain().await;
}

#[tokio::test]
async fn a_changed_webhook_of_the_same_url_keeps_what_waits() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    for payload in 1..=3 {
        stage.emit("chat", "key", payload);
    }
    let first = receiver.next().await;
    let changed = receiver.webhook().retries(retries(RetryPolicy::Linear, 1, 2)).hmac_key("key");
    stage.bus.set_webhooks("default", vec![changed]);
    first.answer(200);
    let second = receiver.next().await;
    assert_eq!((second.payload(), second.header("x-webhook-hmac-algorithm")), (json!(2), "sha512"));
    second.answer(200);
    assert_eq!(receiver.take(1).await, [3]);
    stage.drain().await;
}

#[tokio::test]
async fn a_removed_session_still_sends_what_was_said_before_and_nothing_after() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    stage.emit("chat", "key", 1);
    stage.emit("chat", "key", 2);
    stage.bus.remove_session("default");
    stage.emit("chat", "key", 3);
    assert_eq!(receiver.take(2).await, [1, 2]);
    stage.drain().await;
    assert!(receiver.at_hand().is_none());
}
