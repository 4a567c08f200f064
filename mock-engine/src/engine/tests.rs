use serde_json::json;

use super::*;
use crate::{faults::SendFault, world::Does};

const PEOPLE: &str = r#"
[contacts.alice]
phone = "1001"
[contacts.bob]
phone = "1002"
[groups.team]
id = "12036"
participants = ["alice", "bob"]
"#;

fn mock() -> MockEngine {
    MockEngine::new(&Scenario::parse(PEOPLE).unwrap(), 7)
}

async fn connected() -> MockEngine {
    let mock = mock();
    mock.connect("default").await;
    mock
}

async fn call(mock: &MockEngine, op: &str, args: Value) -> Result<(), String> {
    let args = bytes::Bytes::from(args.to_string());
    let answer = mock.noweb().call(op, "default", args).await;
    answer.map(drop).map_err(|error| error.to_string())
}

fn kinds(mock: &MockEngine) -> Vec<String> {
    mock.events("default").iter().map(|event| event.data()["id"].to_string()).collect()
}

#[tokio::test]
async fn a_subscribe_is_written_down_and_answered_with_the_current_state() {
    let mock = connected().await;
    call(&mock, "presenceSubscribe", json!({ "jid": "1001@s.whatsapp.net" })).await.unwrap();
    let journal = mock.journal("default", 0).unwrap();
    assert_eq!(journal[0].seq, 1);
    assert_eq!(journal[0].node.get("type"), Some("subscribe"));
    let events = mock.events("default");
    assert_eq!(events[0].data(), json!({ "connection": "open" }));
    let presence = &events[1].data()["presences"]["1001@s.whatsapp.net"];
    assert_eq!(presence["lastKnownPresence"], "unavailable");
    assert!(presence["lastSeen"].is_u64());
}

#[tokio::test]
async fn a_send_fails_as_the_faults_say_and_works_again_after_them() {
    let mock = connected().await;
    let subscribe = || call(&mock, "presenceSubscribe", json!({ "jid": "1001@s.whatsapp.net" }));
    let fault = |send| Faults { send, ..Faults::default() };
    mock.set_faults("default", &fault(Some(SendFault::Error))).unwrap();
    assert!(subscribe().await.unwrap_err().contains("refused"));
    mock.set_faults("default", &fault(Some(SendFault::Timeout))).unwrap();
    assert!(subscribe().await.unwrap_err().contains("did not answer"));
    mock.set_faults("default", &fault(None)).unwrap();
    subscribe().await.unwrap();
    let results: Vec<_> =
        mock.journal("default", 0).unwrap().iter().map(|entry| json!(entry.result)).collect();
    assert_eq!(results, [json!("refused"), json!("timeout"), json!("sent")]);
}

#[tokio::test]
async fn an_arranged_failure_hits_what_it_matches_as_often_as_it_says() {
    let mock = connected().await;
    mock.given(|node: &Node| node.get("to") == Some("1001@s.whatsapp.net"))
        .up_to(1)
        .fails(SendFault::Error);
    let subscribe = |jid: &str| call(&mock, "presenceSubscribe", json!({ "jid": jid }));
    subscribe("1002@s.whatsapp.net").await.unwrap();
    subscribe("1001@s.whatsapp.net").await.unwrap_err();
    subscribe("1001@s.whatsapp.net").await.unwrap();
}

#[tokio::test]
async fn a_late_send_waits_for_the_clock() {
    let mock = connected().await;
    let late = SendFault::Late("3s".parse().unwrap());
    mock.set_faults("default", &Faults { send: Some(late), ..Faults::default() }).unwrap();
    let inner = mock.clone();
    mock.spawn(async move {
        call(&inner, "presenceSubscribe", json!({ "jid": "1001@s.whatsapp.net" })).await.unwrap();
    });
    let advance = |seconds| {
        let clock = mock.clock().clone();
        async move { clock.advance(std::time::Duration::from_secs(seconds)).await }
    };
    advance(2).await;
    assert!(mock.journal("default", 0).unwrap().is_empty());
    advance(1).await;
    assert_eq!(mock.journal("default", 0).unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_connection_nothing_is_sent() {
    let mock = connected().await;
    mock.connection("default", Switch::Close, 428).await.unwrap();
    let error = call(&mock, "presenceSubscribe", json!({ "jid": "1001@s.whatsapp.net" })).await;
    assert_eq!(error.unwrap_err(), "the engine refused: Connection Closed");
    let close = mock.events("default").pop().unwrap().data();
    assert_eq!(close["lastDisconnect"]["error"]["output"]["statusCode"], 428);
}

#[tokio::test]
async fn an_unknown_operation_is_unsupported() {
    let mock = connected().await;
    let error = call(&mock, "sendMessage", json!({})).await.unwrap_err();
    assert!(error.starts_with("the engine does not implement NOWEB has no operation"), "{error}");
}

#[tokio::test]
async fn what_is_injected_is_not_filtered() {
    let mock = connected().await;
    let online = Node::new("presence").attr("from", "999@s.whatsapp.net");
    let events = mock.inject("default", vec![online]).await.unwrap();
    assert_eq!(events[0].data()["id"], "999@s.whatsapp.net");
    let error = mock.inject("defaul", Vec::new()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no session \"defaul\"; there is default; did you mean \"default\"?"
    );
}

#[tokio::test]
async fn stanzas_are_dropped_doubled_and_damaged_as_the_faults_say() {
    let types = |faults: Value| async move {
        let mock = connected().await;
        mock.set_faults("default", &serde_json::from_value(faults).unwrap()).unwrap();
        mock.contact("alice").types().await.unwrap();
        // An event without an id is what Baileys makes of a stanza without `from`.
        let of_alice = |event: &Event| event.data()["id"] == "1001@s.whatsapp.net";
        mock.events("default").iter().filter(|event| of_alice(event)).count()
    };
    assert_eq!(types(json!({})).await, 1);
    assert_eq!(types(json!({ "drop": 1 })).await, 0);
    assert_eq!(types(json!({ "duplicate": 1 })).await, 2);
    assert_eq!(types(json!({ "malformed": 1 })).await, 0);
}

#[tokio::test]
async fn a_stanza_can_be_overtaken_and_can_come_late() {
    let mock = connected().await;
    let faults = |json: Value| mock.set_faults("default", &serde_json::from_value(json).unwrap());
    faults(json!({ "reorder": 1 })).unwrap();
    mock.contact("alice").types().await.unwrap();
    faults(json!({})).unwrap();
    mock.contact("bob").types().await.unwrap();
    assert_eq!(kinds(&mock)[1..], ["\"1002@s.whatsapp.net\"", "\"1001@s.whatsapp.net\""]);
    faults(json!({ "delay": { "probability": 1, "by": "5s" } })).unwrap();
    mock.contact("alice").does(Does::Typing).in_group("team").await.unwrap();
    assert_eq!(kinds(&mock).len(), 3);
    mock.clock().advance(std::time::Duration::from_secs(5)).await;
    assert_eq!(kinds(&mock)[3..], ["\"12036@g.us\""]);
}

#[tokio::test]
async fn an_unknown_status_is_passed_on_as_json() {
    let mock = connected().await;
    let faults = json!({ "unknown_status": 1 });
    mock.set_faults("default", &serde_json::from_value(faults).unwrap()).unwrap();
    let seen = mock.contact("alice").types().await.unwrap();
    let status = &seen[0].1.data()["presences"]["1001@s.whatsapp.net"]["lastKnownPresence"];
    assert_eq!(status, "daydreaming");
}

#[tokio::test]
async fn the_connection_is_lost_every_so_often() {
    let mock = connected().await;
    let faults = json!({ "disconnect": { "every": "10s" } });
    mock.set_faults("default", &serde_json::from_value(faults).unwrap()).unwrap();
    mock.clock().advance(std::time::Duration::from_secs(25)).await;
    let connections: Vec<_> =
        mock.events("default").iter().map(|event| event.data()["connection"].clone()).collect();
    assert_eq!(connections, ["open", "close", "open", "close", "open"]);
    mock.set_faults("default", &Faults::default()).unwrap();
    mock.clock().advance(std::time::Duration::from_secs(60)).await;
    assert_eq!(mock.events("default").len(), 5);
}

#[tokio::test]
async fn a_reset_is_a_clean_start() {
    let mock = connected().await;
    call(&mock, "presenceSubscribe", json!({ "jid": "1001@s.whatsapp.net" })).await.unwrap();
    mock.contact("alice").comes_online().await.unwrap();
    let first = mock.me("default").unwrap();
    mock.reset(None).await;
    assert!(mock.journal("default", 0).unwrap().is_empty());
    assert!(!mock.with_world(|world| world.contacts()["alice"].online));
    assert!(!mock.with_world(|world| world.is_subscribed("default", "alice")).unwrap());
    assert_eq!(mock.me("default").unwrap(), first);
}
