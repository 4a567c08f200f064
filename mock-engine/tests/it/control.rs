//! The control API: what it does, and what it says when it does not.

use axum::http::Method;
use mock_engine::MockWaha;
use serde_json::{Value, json};

use super::waha;

const SESSION: &str = "/mock/sessions/default";

async fn call(waha: &MockWaha, method: Method, path: &str, body: Value) -> (u16, Value) {
    let body = (!body.is_null()).then_some(body);
    let answer = waha.request(method, path, body.as_ref()).await;
    (answer.status.as_u16(), answer.body)
}

async fn post(waha: &MockWaha, path: &str, body: Value) -> (u16, Value) {
    call(waha, Method::POST, path, body).await
}

async fn put(waha: &MockWaha, path: &str, body: Value) -> (u16, Value) {
    call(waha, Method::PUT, path, body).await
}

async fn state_of(waha: &MockWaha, id: &str) -> Value {
    let all = waha.get("/api/default/presence").await.body;
    let chat = all.as_array().unwrap().iter().find(|chat| chat["id"] == id).cloned();
    chat.map_or(Value::Null, |chat| chat["presences"].clone())
}

#[tokio::test]
async fn a_stanza_is_applied_when_its_request_is_answered() {
    let waha = waha().await;
    let stanza = json!({ "tag": "presence", "attrs": { "from": "777@s.whatsapp.net", "type": "unavailable", "last": 5 } });
    let (status, body) = post(&waha, &format!("{SESSION}/stanzas"), stanza).await;
    assert_eq!(status, 200);
    insta::assert_json_snapshot!(body, @r#"
    {
      "events": [
        {
          "event": "presence.update",
          "data": {
            "id": "777@s.whatsapp.net",
            "presences": {
              "777@s.whatsapp.net": {
                "lastKnownPresence": "unavailable",
                "lastSeen": 5
              }
            }
          }
        }
      ]
    }
    "#);
    assert_eq!(state_of(&waha, "777@c.us").await[0]["lastSeen"], 5);
}

#[tokio::test]
async fn an_advance_is_bounded_by_its_length_and_by_the_year() {
    let waha = waha().await;
    let advance = |by: &'static str| {
        let waha = &waha;
        async move {
            let (status, body) = post(waha, "/mock/clock/advance", json!({ "by": by })).await;
            (status, body["message"].as_str().unwrap_or_default().to_owned())
        }
    };
    assert_eq!(advance("366d").await.0, 200);
    let before = waha.engine().now_ms();
    let expected = "by: expected at most 366d, found 366d1ms";
    assert_eq!(advance("366d1ms").await, (400, expected.to_owned()));
    waha.engine().clock().show(253_402_300_799_000);
    let expected = "by: the clock would pass the end of the year 9999";
    assert_eq!(advance("1ms").await, (400, expected.to_owned()));
    waha.engine().clock().show(before);
    assert_eq!(advance("1ms").await.0, 200);
}

#[tokio::test]
async fn an_event_is_handed_over_as_it_is() {
    let waha = waha().await;
    let data = json!({ "id": "777@s.whatsapp.net", "presences": { "777@s.whatsapp.net": { "lastKnownPresence": "paused" } } });
    let event = json!([{ "event": "presence.update", "data": data }]);
    assert_eq!(post(&waha, &format!("{SESSION}/events"), event).await.0, 200);
    assert_eq!(state_of(&waha, "777@c.us").await[0]["lastKnownPresence"], "paused");
}

#[tokio::test]
async fn the_journal_goes_on_from_a_number_and_can_be_cleared_and_matched() {
    let waha = waha().await;
    let journal = |query: &str| {
        let (waha, path) = (waha.clone(), format!("{SESSION}/journal{query}"));
        async move { waha.get(&path).await.body["entries"].as_array().unwrap().clone() }
    };
    let all = journal("").await;
    assert_eq!(all.len(), 3);
    assert_eq!(all[2]["seq"], 3);
    assert_eq!(all[0]["node"]["attrs"]["type"], "subscribe");
    assert_eq!(journal("?since=2").await.len(), 1);
    assert_eq!(journal("?match=tag=presence,to=120363041234567890@g.us").await.len(), 1);
    assert!(journal("?match=to=nobody&wait=10ms").await.is_empty());
    assert_eq!(
        call(&waha, Method::DELETE, &format!("{SESSION}/journal"), Value::Null).await.0,
        200
    );
    assert!(journal("").await.is_empty());
}

#[tokio::test]
async fn a_journal_can_be_waited_on() {
    let waha = waha().await;
    let waiting = {
        let waha = waha.clone();
        let path = format!("{SESSION}/journal?since=3&match=type=subscribe&wait=60s");
        tokio::spawn(async move { waha.get(&path).await.body })
    };
    let subscribe = "/api/default/presence/5511999990009@c.us/subscribe";
    assert_eq!(waha.post(subscribe, None).await.status, 201);
    let entries = &waiting.await.unwrap()["entries"];
    assert_eq!(entries[0]["node"]["attrs"]["to"], "5511999990009@s.whatsapp.net");
}

#[tokio::test]
async fn faults_of_sends_are_502_and_504_and_end() {
    let waha = waha().await;
    let subscribe = "/api/default/presence/5511999990009@c.us/subscribe";
    for (send, expected) in [(json!("error"), 502), (json!("timeout"), 504), (Value::Null, 201)] {
        let faults = json!({ "send": send });
        assert_eq!(put(&waha, &format!("{SESSION}/faults"), faults).await.0, 200);
        assert_eq!(waha.post(subscribe, None).await.status, expected);
    }
}

#[tokio::test]
async fn after_a_reconnect_the_chats_are_subscribed_again() {
    let waha = waha().await;
    let connection = format!("{SESSION}/connection");
    assert_eq!(post(&waha, &connection, json!({ "state": "close", "code": 428 })).await.0, 200);
    assert_eq!(post(&waha, &connection, json!({ "state": "open" })).await.0, 200);
    waha.advance("5s".parse().unwrap()).await;
    let world = waha.get("/mock/world").await.body;
    assert_eq!(
        world["sessions"]["default"]["subscribed"],
        json!([
            "5511999990001@s.whatsapp.net",
            "5511999990002@s.whatsapp.net",
            "120363041234567890@g.us"
        ])
    );
}

#[tokio::test]
async fn the_status_is_what_it_is_told() {
    let waha = waha().await;
    let status = json!({ "status": "SCAN_QR_CODE" });
    assert_eq!(put(&waha, &format!("{SESSION}/status"), status).await.0, 200);
    let asking = {
        let waha = waha.clone();
        tokio::spawn(async move { waha.get("/api/default/presence").await.status })
    };
    // A session that does not work is waited for, on the clock.
    waha.engine().clock().next_timer().await;
    waha.advance("6s".parse().unwrap()).await;
    assert_eq!(asking.await.unwrap(), 422);
    assert_eq!(
        put(&waha, &format!("{SESSION}/status"), json!({ "status": "WORKING" })).await.0,
        200
    );
    assert_eq!(waha.get("/api/default/presence").await.status, 200);
}

#[tokio::test]
async fn the_clock_moves_when_it_is_told_and_applies_what_falls_due() {
    let waha = MockWaha::start(&format!(
        "{}\n[[timeline]]\nat = \"10s\"\nwho = \"alice\"\ndoes = \"typing\"",
        super::PEOPLE
    ))
    .await
    .unwrap();
    let clock = waha.get("/mock/clock").await.body;
    assert_eq!(clock["mode"], "stepped");
    assert_eq!(clock["nextTimer"], "10s");
    let (_, after) = post(&waha, "/mock/clock/advance", json!({ "by": "9s" })).await;
    assert_eq!(after["now"].as_u64().unwrap() - clock["now"].as_u64().unwrap(), 9_000);
    assert_eq!(state_of(&waha, "5511999990001@c.us").await[0]["lastKnownPresence"], "offline");
    let play = waha.get("/mock").await.body["play"].clone();
    assert_eq!(play, json!({ "at": "9s", "steps": 0, "over": false }));
    post(&waha, "/mock/clock/advance", json!({ "by": "1s" })).await;
    assert_eq!(state_of(&waha, "5511999990001@c.us").await[0]["lastKnownPresence"], "typing");
    let play = waha.get("/mock").await.body["play"].clone();
    assert_eq!(play, json!({ "at": "10s", "steps": 1, "over": true }));
    let (status, real) = put(&waha, "/mock/clock", json!({ "mode": "real", "speed": 60 })).await;
    assert_eq!((status, &real["speed"]), (200, &json!(60.0)));
}

#[tokio::test]
async fn the_world_is_driven_and_shown() {
    let waha = waha().await;
    let (status, body) = post(
        &waha,
        &format!("{SESSION}/contacts/5511999990001"),
        json!({ "does": "typing", "in": "team" }),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(body["events"][0]["data"]["id"], "120363041234567890@g.us");
    let world = waha.get("/mock/world").await.body;
    assert_eq!(world["contacts"]["alice"]["activeIn"], "team");
    let (_, rules) = put(&waha, "/mock/rules", json!({ "typing_needs_online": false })).await;
    assert_eq!(rules["subscribe_first"], true);
    assert_eq!(waha.get("/mock/rules").await.body, rules);
    let heard = waha.get(&format!("{SESSION}/events")).await.body;
    assert_eq!(
        heard["events"].as_array().unwrap().last(),
        body["events"].as_array().unwrap().last()
    );
}

#[tokio::test]
async fn a_reset_forgets_and_plays_another_scenario() {
    let waha = waha().await;
    let stanza = json!({ "tag": "presence", "attrs": { "from": "777@s.whatsapp.net" } });
    post(&waha, &format!("{SESSION}/stanzas"), stanza).await;
    let (status, body) = post(&waha, "/mock/reset", json!({ "scenario": "group-typing" })).await;
    assert_eq!((status, &body["scenario"]), (200, &json!("group typing")));
    assert_eq!(state_of(&waha, "777@c.us").await, Value::Null);
    waha.advance("10s".parse().unwrap()).await;
    assert_eq!(waha.unmet(), []);
    let toml = "subscribe = []\n[contacts.zoe]\nphone = \"1009\"\n";
    assert_eq!(post(&waha, "/mock/reset", json!({ "scenario": toml })).await.0, 200);
    assert_eq!(waha.get("/api/default/presence").await.body, json!([]));
    assert!(waha.get("/mock/world").await.body["contacts"]["zoe"].is_object());
}

#[tokio::test]
async fn a_reset_undoes_what_was_done_to_sessions_and_to_the_time() {
    let waha = waha().await;
    let first = waha.get("/mock").await.body;
    let webhook = json!({ "webhooks": [{ "url": "http://127.0.0.1:1/", "events": ["*"] }] });
    post(&waha, "/api/sessions", json!({ "name": "another", "config": webhook })).await;
    post(&waha, "/api/sessions/default/stop", Value::Null).await;
    waha.advance("1h".parse().unwrap()).await;
    assert_eq!(post(&waha, "/mock/reset", Value::Null).await.0, 200);
    let sessions = waha.get("/api/sessions?all=true").await.body;
    let shown = sessions.as_array().unwrap().iter().map(|it| (&it["name"], &it["status"]));
    assert_eq!(shown.collect::<Vec<_>>(), [(&json!("default"), &json!("WORKING"))]);
    assert_eq!(waha.get("/mock").await.body, first);
    let bob = waha.get("/mock/world").await.body["contacts"]["bob"].clone();
    post(&waha, "/mock/reset", Value::Null).await;
    assert_eq!(waha.get("/mock/world").await.body["contacts"]["bob"], bob);
}

#[tokio::test]
async fn a_reset_brings_the_sessions_and_the_start_of_its_scenario() {
    let waha = waha().await;
    let toml = "start = 1700000000\n[sessions.one]\n[sessions.two]\nengine = \"WEBJS\"\n";
    assert_eq!(post(&waha, "/mock/reset", json!({ "scenario": toml })).await.0, 200);
    let mock = waha.get("/mock").await.body;
    assert_eq!(mock["clock"]["now"], json!(1_700_000_000_000_u64));
    let names: Vec<_> = mock["sessions"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(waha.get("/api/one/presence").await.status, 200);
    assert_eq!(waha.get("/api/two/presence").await.status, 422);
    assert_eq!(waha.get("/api/default/presence").await.status, 404);
    post(&waha, "/mock/reset", json!({ "scenario": "group-typing" })).await;
    assert_eq!(waha.get("/api/default/presence").await.status, 200, "as at the start");
    let scenario = mock_engine::Scenario::parse("[sessions.main]").unwrap();
    let waha = MockWaha::builder().scenario(scenario).build().unwrap();
    waha.begin().await;
    for (toml, expected) in [("[sessions.default]", "default"), ("name = \"any\"", "main")] {
        assert_eq!(post(&waha, "/mock/reset", json!({ "scenario": toml })).await.0, 200);
        let mock = waha.get("/mock").await.body;
        let names: Vec<_> = mock["sessions"].as_object().unwrap().keys().collect();
        assert_eq!(names, [expected]);
    }
}

#[tokio::test]
async fn a_deleted_session_leaves_nothing_behind() {
    let waha = waha().await;
    let before = waha.get("/mock").await.body;
    post(&waha, "/api/sessions", json!({ "name": "another" })).await;
    assert_eq!(waha.get("/mock/sessions/another/journal").await.status, 200);
    let (status, _) = call(&waha, Method::DELETE, "/api/sessions/another", Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(waha.get("/mock/sessions/another/journal").await.status, 404);
    post(&waha, "/api/sessions", json!({ "name": "another" })).await;
    let heard = waha.get("/mock/sessions/another/events").await.body;
    assert_eq!(heard["events"].as_array().map(Vec::len), Some(1), "it opened once: {heard}");
    call(&waha, Method::DELETE, "/api/sessions/another", Value::Null).await;
    assert_eq!(waha.get("/mock").await.body, before);
}

#[tokio::test]
async fn a_reset_without_a_seed_has_that_of_the_start() {
    let waha = waha().await;
    let seed = waha.engine().seed();
    for (body, expected) in [
        (json!({ "seed": 99 }), 99),
        (json!({ "scenario": "group-typing", "seed": 98 }), 98),
        (json!({ "scenario": super::PEOPLE }), seed),
    ] {
        let (status, answer) = post(&waha, "/mock/reset", body).await;
        assert_eq!((status, &answer["seed"]), (200, &json!(expected)));
    }
}

#[tokio::test]
async fn a_session_that_comes_again_has_the_account_of_the_scenario() {
    let account = "[sessions.one]\nphone = \"5511000000001\"\npush_name = \"X\"\n";
    let waha = MockWaha::start(account).await.unwrap();
    let before = waha.get("/mock").await.body["sessions"]["one"].clone();
    assert_eq!(before["me"]["pushName"], "X");
    call(&waha, Method::DELETE, "/api/sessions/one", Value::Null).await;
    post(&waha, "/api/sessions", json!({ "name": "one" })).await;
    assert_eq!(waha.get("/mock").await.body["sessions"]["one"], before);
}

#[tokio::test]
async fn a_session_on_another_engine_is_told_nothing_of_baileys() {
    let waha =
        MockWaha::start("[sessions.web]\nengine = \"WEBJS\"\n[contacts.alice]\nphone = \"1001\"")
            .await
            .unwrap();
    let event = json!({ "event": "connection.update", "data": {} });
    let stanza = json!({ "tag": "presence", "attrs": { "from": "777@s.whatsapp.net" } });
    for (what, body) in [("events", event), ("stanzas", stanza)] {
        let (status, answer) = post(&waha, &format!("/mock/sessions/web/{what}"), body).await;
        assert_eq!(status, 422, "{answer}");
        assert!(answer["message"].as_str().unwrap().contains("is on WEBJS"), "{answer}");
    }
    let typing = json!({ "does": "typing" });
    let (_, answer) = post(&waha, "/mock/sessions/web/contacts/alice", typing).await;
    assert_eq!(answer["events"], json!([]));
}

#[tokio::test]
async fn every_call_that_is_described_is_there_and_answers_its_example() {
    let waha = waha().await;
    let document = waha.get("/openapi.json").await.body;
    let mut calls = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        // No client shows the codes of the examples.
        if !path.starts_with("/mock") || path.ends_with("/scan") || path.ends_with("/code") {
            continue;
        }
        let path = path.replace("{session}", "default").replace("{name}", "alice");
        for (method, operation) in methods.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            waha.reset(None).await.unwrap();
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let body = operation.pointer("/requestBody/content/application~1json/example");
            let answer = waha.request(method.clone(), &path, body).await;
            assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
            let example = operation.pointer("/responses/200/content/application~1json/example");
            for name in example.and_then(Value::as_object).into_iter().flat_map(|it| it.keys()) {
                assert!(answer.body.get(name).is_some(), "{method} {path}: {name}");
            }
            calls += 1;
        }
    }
    assert_eq!(calls, 21);
}

#[tokio::test]
async fn mistakes_are_answered_with_what_would_be_right() {
    let waha = waha().await;
    let cases = [
        (Method::POST, "/mock/sessions/defalt/stanzas", json!([])),
        (
            Method::POST,
            "/mock/sessions/default/stanzas",
            json!([{ "tag": "a", "attrs": { "from": [] } }]),
        ),
        (Method::POST, "/mock/sessions/default/stanzas", json!({ "frame": "00f801f1" })),
        (
            Method::POST,
            "/mock/sessions/default/events",
            json!({ "event": "presence.updat", "data": {} }),
        ),
        (Method::PUT, "/mock/sessions/default/faults", json!({ "sned": "error" })),
        (Method::PUT, "/mock/sessions/default/faults", json!({ "drop": 2 })),
        (Method::PUT, "/mock/sessions/default/faults", json!({ "disconnect": { "every": "0s" } })),
        (Method::PUT, "/mock/sessions/default/status", json!({ "status": "WORKIN" })),
        (Method::POST, "/mock/sessions/default/connection", json!({ "state": "ajar" })),
        (Method::POST, "/mock/sessions/default/contacts/alcie", json!({ "does": "typing" })),
        (
            Method::POST,
            "/mock/sessions/default/contacts/alice",
            json!({ "does": "typing", "in": "bob" }),
        ),
        (
            Method::POST,
            "/mock/sessions/default/contacts/alice",
            json!({ "does": "typing", "text": "x" }),
        ),
        (Method::POST, "/mock/sessions/default/contacts/%F0%9F", json!({ "does": "typing" })),
        (Method::GET, "/mock/sessions/default/journal?match=oops", Value::Null),
        (Method::PUT, "/mock/clock", Value::Null),
        (Method::PUT, "/mock/rules", json!([])),
        (
            Method::POST,
            "/mock/sessions/default/contacts/alice",
            json!({ "does": "online", "in": "team" }),
        ),
        (
            Method::POST,
            "/mock/sessions/default/contacts/5511999990001@g.us",
            json!({ "does": "online" }),
        ),
        (
            Method::POST,
            "/mock/sessions/default/connection",
            json!({ "state": "open", "code": 428 }),
        ),
        (Method::GET, "/mock/sessions/defalt/events", Value::Null),
        (Method::PUT, "/mock/clock", json!({ "mode": "stepped", "speed": 5 })),
        (Method::PUT, "/mock/clock", json!({ "mode": "real", "speed": 0 })),
        (Method::POST, "/mock/clock/advance", json!({ "by": "soon" })),
        (Method::POST, "/mock/reset", json!({ "scenario": "group-typin" })),
        (Method::POST, "/mock/reset", json!({ "scenario": "[contacts.a]\nphone = \"x\"" })),
    ];
    let mut said = Vec::new();
    for (method, path, body) in cases {
        let (status, answer) = call(&waha, method.clone(), path, body.clone()).await;
        said.push(format!(
            "{method} {path} {body}\n  {status} {}",
            answer["message"].as_str().unwrap()
        ));
    }
    insta::assert_snapshot!(said.join("\n"));
}
