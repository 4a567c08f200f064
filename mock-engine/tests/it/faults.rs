//! Faults, and what is left of them: after they end, after the connection, after a reset.

use std::sync::{Arc, Mutex};

use axum::http::Method;
use mock_engine::{Delay, MockWaha, Scenario, Speed, engine::Heard, noweb::Event};
use serde_json::{Value, json};

use super::{PEOPLE, waha};

const FAULTS: &str = "/mock/sessions/default/faults";

async fn set(waha: &MockWaha, faults: Value) {
    let answer = waha.request(Method::PUT, FAULTS, Some(&faults)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// When what happens, as `seconds what`, from now on.
fn watch(waha: &MockWaha) -> Arc<Mutex<Vec<String>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (start_ms, log) = (waha.engine().now_ms(), seen.clone());
    waha.engine().observe(move |happened| {
        let what = match &happened.heard {
            Heard::Event(Event::Presence { presences, .. }) => {
                let number = presences[0].participant.split('@').next().unwrap_or_default();
                format!("{number} {}", presences[0].status)
            }
            Heard::Event(event) => {
                let data = event.data();
                let word = data["connection"].as_str();
                word.map_or_else(|| event.kind().to_owned(), str::to_owned)
            }
            Heard::Sent(entry) => format!("sends {}", entry.node.get("type").unwrap_or_default()),
        };
        let at = (happened.time - start_ms) / 1000;
        log.lock().unwrap().push(format!("{at} {what}"));
    });
    seen
}

fn taken(seen: &Arc<Mutex<Vec<String>>>) -> Vec<String> {
    std::mem::take(&mut seen.lock().unwrap())
}

/// Plays these steps of two contacts, and says what happens from their beginning on.
async fn play(steps: &str) -> (MockWaha, Vec<String>) {
    let people = "[contacts.alice]\nphone = \"1001\"\n[contacts.bob]\nphone = \"1002\"\n";
    let scenario = Scenario::parse(&format!("timeline = [{steps}]\n{people}")).unwrap();
    let waha = MockWaha::builder().scenario(scenario).build().unwrap();
    let seen = watch(&waha);
    waha.begin().await;
    taken(&seen);
    waha.advance("3m".parse().unwrap()).await;
    let seen = taken(&seen);
    (waha, seen)
}

fn unmet(waha: &MockWaha) -> Vec<String> {
    waha.unmet().iter().map(|it| format!("{} {}", it.at, it.message)).collect()
}

#[tokio::test]
async fn a_question_to_a_session_that_is_away_does_not_hold_the_play_up() {
    let (waha, seen) = play(
        r#"
        { at = "1s", connection = "close" },
        { at = "2s", expect = { presence = { chat = "alice", is = "offline" } } },
        { at = "2s", subscribe = ["bob"] },
        { at = "3s", who = "bob", does = "message" },
        { at = "4s", connection = "open" },
        { at = "5s", who = "alice", does = "typing" },
        "#,
    )
    .await;
    assert_eq!(seen[0], "1 close");
    assert_eq!(seen[1], "4 open");
    assert!(seen.contains(&"4 sends subscribe".to_owned()), "once it is back: {seen:?}");
    assert!(seen.contains(&"5 1001 composing".to_owned()), "{seen:?}");
    assert_eq!(
        unmet(&waha),
        ["2s expected alice in alice to be offline, but the session default is STARTING"]
    );
}

#[tokio::test]
async fn a_subscription_that_hangs_does_not_hold_the_play_up() {
    let (_, seen) = play(
        r#"
        { at = "0s", fault = { send = "hang" } },
        { at = "0s", subscribe = ["alice", "bob"] },
        { at = "0s", who = "alice", does = "typing" },
        { at = "3s", who = "alice", does = "paused" },
        "#,
    )
    .await;
    // What happens at the start happens before the clock moves.
    assert_eq!(seen[0], "3 1001 available");
    assert_eq!(seen[1], "60 sends subscribe", "the next one, after Baileys' patience");
}

#[tokio::test]
async fn an_expectation_does_not_hold_where_the_api_refuses() {
    let text = r#"
        timeline = [
            { at = "1s", session = "web", expect = { presence = { chat = "alice", is = "absent" } } },
            { at = "1s", expect = { subscribed = ["alice"], presence = { chat = "alice", is = "offline" } } },
            { at = "2s", session = "gone", expect = { status = "FAILED" } },
        ]
        [sessions.web]
        engine = "WEBJS"
        [sessions.noweb]
        [sessions.gone]
        [contacts.alice]
        phone = "1001"
    "#;
    let waha = MockWaha::start(text).await.unwrap();
    assert_eq!(waha.request(Method::DELETE, "/api/sessions/gone", None).await.status, 200);
    waha.advance("2s".parse().unwrap()).await;
    let unmet = unmet(&waha);
    assert_eq!(unmet.len(), 2, "{unmet:#?}");
    assert!(unmet[0].contains("GET /api/web/presence answers 422"), "{}", unmet[0]);
    assert!(unmet[1].contains("GET /api/sessions/gone answers 404"), "{}", unmet[1]);
}

#[tokio::test]
async fn each_stanza_overtakes_the_one_that_waits() {
    let waha = waha().await;
    set(&waha, json!({ "reorder": 1 })).await;
    let seen = watch(&waha);
    for who in ["alice", "bob", "alice", "bob"] {
        waha.engine().contact(who).types().await.unwrap();
    }
    let (alice, bob) = ("0 5511999990001 composing", "0 5511999990002 composing");
    assert_eq!(taken(&seen), [bob, alice, bob, alice]);
    // One that nothing overtakes comes a second late, whatever waited before it.
    waha.engine().contact("alice").types().await.unwrap();
    waha.advance("999ms".parse().unwrap()).await;
    assert!(taken(&seen).is_empty());
    waha.advance("1ms".parse().unwrap()).await;
    assert_eq!(taken(&seen), ["1 5511999990001 composing"]);
}

#[tokio::test]
async fn faults_of_one_stanza_add_up() {
    let late = json!({ "probability": 1, "by": "5s" });
    let after = |faults: Value| async move {
        let waha = waha().await;
        set(&waha, faults).await;
        let seen = watch(&waha);
        waha.engine().contact("alice").types().await.unwrap();
        assert!(taken(&seen).is_empty());
        waha.advance("6s".parse().unwrap()).await;
        taken(&seen).iter().filter(|it| it.contains("5511999990001")).cloned().collect::<Vec<_>>()
    };
    let typing = "5 5511999990001 composing";
    assert_eq!(after(json!({ "delay": late, "duplicate": 1 })).await, [typing, typing]);
    assert_eq!(
        after(json!({ "delay": late, "unknown_status": 1 })).await,
        ["5 5511999990001 daydreaming"]
    );
    let damaged = after(json!({ "delay": late, "malformed": 1, "duplicate": 1 })).await;
    assert_eq!(damaged.last().map(String::as_str), Some(typing), "the copy is whole");
}

#[tokio::test]
async fn an_unknown_status_leaves_messages_alone() {
    let waha = waha().await;
    set(&waha, json!({ "unknown_status": 1 })).await;
    let seen = waha.engine().contact("alice").says("hello").await.unwrap();
    assert_eq!(seen[0].1.kind(), "messages.upsert");
}

#[tokio::test]
async fn up_to_10000_stanzas_are_delayed_at_the_same_time() {
    let waha = waha().await;
    set(&waha, json!({ "delay": { "probability": 1, "by": "1h" } })).await;
    let seen = watch(&waha);
    for _ in 0..10_001 {
        waha.engine().contact("alice").types().await.unwrap();
    }
    waha.advance("1h".parse().unwrap()).await;
    let arrived = taken(&seen).iter().filter(|it| it.ends_with(" composing")).count();
    assert_eq!(arrived, 10_000);
    waha.engine().contact("alice").types().await.unwrap();
    waha.advance("1h".parse().unwrap()).await;
    let arrived = taken(&seen).iter().filter(|it| it.ends_with(" composing")).count();
    assert_eq!(arrived, 1, "what arrived makes room");
}

#[tokio::test]
async fn what_is_on_its_way_is_lost_with_the_connection() {
    let waha = waha().await;
    let connection = "/mock/sessions/default/connection";
    set(&waha, json!({ "delay": { "probability": 1, "by": "5s" }, "send": { "late": "5s" } }))
        .await;
    waha.engine().contact("alice").types().await.unwrap();
    let subscribing = {
        let waha = waha.clone();
        let path = "/api/default/presence/5511999990009@c.us/subscribe";
        tokio::spawn(async move { waha.post(path, None).await })
    };
    while waha.engine().clock().until_next_timer().is_none() {
        tokio::task::yield_now().await;
    }
    let seen = watch(&waha);
    for state in ["close", "open"] {
        assert_eq!(waha.post(connection, json!({ "state": state })).await.status, 200);
    }
    assert_eq!(subscribing.await.unwrap().status, 502);
    set(&waha, json!({})).await;
    waha.advance("10s".parse().unwrap()).await;
    let seen = taken(&seen);
    assert!(!seen.iter().any(|it| it.contains("composing")), "{seen:?}");
}

#[tokio::test]
async fn a_connection_that_is_lost_for_a_while_is_there_again_when_the_fault_ends() {
    let waha = waha().await;
    set(&waha, json!({ "disconnect": { "every": "10s", "away": "1h" } })).await;
    waha.advance("11s".parse().unwrap()).await;
    assert_eq!(waha.engine().world_json()["sessions"]["default"]["connected"], false);
    set(&waha, json!({})).await;
    assert_eq!(waha.engine().world_json()["sessions"]["default"]["connected"], true);
    let seen = watch(&waha);
    waha.advance("2h".parse().unwrap()).await;
    assert!(!taken(&seen).iter().any(|it| it.ends_with("close") || it.ends_with("open")));
}

#[tokio::test]
async fn a_fault_opens_only_the_connection_that_it_closed() {
    let waha = waha().await;
    let connection = "/mock/sessions/default/connection";
    let fault = json!({ "disconnect": { "every": "10s", "away": "5s" } });
    set(&waha, fault.clone()).await;
    let seen = watch(&waha);
    let connections = |seen: Vec<String>| -> Vec<String> {
        seen.into_iter().filter(|it| it.ends_with("open") || it.ends_with("close")).collect()
    };
    // Started again while it was away: it was lost once, and is there once.
    waha.advance("11s".parse().unwrap()).await;
    for call in ["stop", "start"] {
        assert_eq!(waha.post(&format!("/api/sessions/default/{call}"), None).await.status, 201);
    }
    waha.advance("13s".parse().unwrap()).await;
    assert_eq!(connections(taken(&seen)), ["10 close", "11 open"]);
    // What a test closes stays closed.
    assert_eq!(waha.post(connection, json!({ "state": "close", "code": 401 })).await.status, 200);
    taken(&seen);
    waha.advance("1m".parse().unwrap()).await;
    assert_eq!(connections(taken(&seen)), [""; 0]);
}

#[tokio::test]
async fn nothing_of_before_a_reset_happens_after_it() {
    let waha = waha().await;
    let first = waha.get("/mock").await.body;
    let everything = json!({
        "disconnect": { "every": "2s" }, "send": { "late": "3s" },
        "delay": { "probability": 1, "by": "4s" },
    });
    set(&waha, everything).await;
    waha.engine().contact("alice").types().await.unwrap();
    let subscribing = {
        let waha = waha.clone();
        let path = "/api/default/presence/5511999990009@c.us/subscribe";
        tokio::spawn(async move { waha.post(path, None).await.status })
    };
    waha.advance("1s".parse().unwrap()).await;
    let faster = json!({ "mode": "real", "speed": 0.001 });
    assert_eq!(waha.request(Method::PUT, "/mock/clock", Some(&faster)).await.status, 200);
    waha.reset(None).await.unwrap();
    let seen = watch(&waha);
    assert_ne!(subscribing.await.unwrap(), 201);
    assert_eq!(waha.get("/mock").await.body, first, "the clock, its timers and its mode, too");
    waha.advance("1m".parse().unwrap()).await;
    assert_eq!(taken(&seen), [""; 0]);
}

#[tokio::test]
async fn a_session_that_was_stopped_takes_nothing_and_has_its_faults_again_when_it_starts() {
    let waha = waha().await;
    set(&waha, json!({ "disconnect": { "every": "10s" } })).await;
    assert_eq!(waha.post("/api/sessions/default/stop", None).await.status, 201);
    let stanza = json!({ "tag": "presence", "attrs": { "from": "777@s.whatsapp.net" } });
    let event = json!({ "event": "connection.update", "data": {} });
    for (method, call, body) in [
        (Method::POST, "connection", json!({ "state": "open" })),
        (Method::POST, "stanzas", stanza),
        (Method::POST, "events", event),
        (Method::PUT, "status", json!({ "status": "WORKING" })),
    ] {
        let path = format!("/mock/sessions/default/{call}");
        let answer = waha.request(method, &path, Some(&body)).await;
        assert_eq!(answer.status, 422, "{call}");
        assert_eq!(
            answer.body["message"],
            "the session \"default\" is stopped; POST /api/sessions/default/start starts it"
        );
    }
    waha.advance("30s".parse().unwrap()).await;
    assert_eq!(waha.engine().world_json()["sessions"]["default"]["connected"], false);
    assert_eq!(waha.post("/api/sessions/default/start", None).await.status, 201);
    assert_eq!(waha.engine().world_json()["sessions"]["default"]["connected"], true);
    let seen = watch(&waha);
    waha.advance("20s".parse().unwrap()).await;
    assert!(taken(&seen).iter().any(|it| it.ends_with("close")));
}

#[tokio::test]
async fn a_clock_that_is_faster_than_the_machine_leaves_everybody_their_turn() {
    let scenario = Scenario::parse(&format!(
        "timeline = [{{ at = \"0s\", repeat = {{ every = \"1ms\" }}, who = \"alice\", does = \"typing\" }}]\n{PEOPLE}"
    ))
    .unwrap();
    let waha = MockWaha::builder().scenario(scenario).speed(Speed::Times(1e6)).build().unwrap();
    waha.begin().await;
    for _ in 0..3 {
        waha.engine().contact("bob").types().await.unwrap();
        assert_eq!(waha.get("/api/default/presence").await.status, 200);
        waha.advance("1s".parse().unwrap()).await;
        // A step every millisecond from the start on: all that was due when the clock stood was taken.
        let stepped = json!({ "mode": "stepped" });
        waha.request(Method::PUT, "/mock/clock", Some(&stepped)).await;
        let play = waha.get("/mock").await.body["play"].clone();
        let at: Delay = play["at"].as_str().unwrap().parse().unwrap();
        assert_eq!(play["steps"].as_u64(), Some(at.as_millis() + 1));
        let real = json!({ "mode": "real", "speed": 1e6 });
        waha.request(Method::PUT, "/mock/clock", Some(&real)).await;
    }
    let max = json!({ "mode": "max" });
    let answer = waha.request(Method::PUT, "/mock/clock", Some(&max)).await;
    assert_eq!(answer.body["mode"], "max");
    waha.engine().contact("bob").types().await.unwrap();
    waha.reset(None).await.unwrap();
    let stepped = json!({ "mode": "stepped" });
    waha.request(Method::PUT, "/mock/clock", Some(&stepped)).await;
    let now = waha.engine().now_ms();
    waha.engine().contact("bob").types().await.unwrap();
    assert_eq!(waha.engine().now_ms(), now);
    waha.stop_playing().await;
}
