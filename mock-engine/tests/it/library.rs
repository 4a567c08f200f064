//! `MockWaha` in a test of one's own.

use host_sdk::ApiKey;
use mock_engine::{MockWaha, faults::SendFault};
use serde_json::json;

use super::waha;

#[tokio::test]
async fn five_lines_are_a_test() {
    let waha = waha().await;
    waha.engine().contact("alice").types().in_group("team").await.unwrap();
    let answer = waha.get("/api/default/presence/120363041234567890@g.us").await;
    let typing = json!({ "participant": "5511999990001@c.us", "lastKnownPresence": "typing", "lastSeen": null });
    assert!(answer.body["presences"].as_array().unwrap().contains(&typing), "{}", answer.body);
}

#[tokio::test]
async fn all_chats_are_listed_in_the_order_of_their_subscription() {
    let waha = waha().await;
    insta::assert_json_snapshot!(waha.get("/api/default/presence").await.body, @r#"
    [
      {
        "id": "5511999990001@c.us",
        "presences": [
          {
            "participant": "5511999990001@c.us",
            "lastKnownPresence": "offline",
            "lastSeen": 1686718726
          }
        ]
      },
      {
        "id": "5511999990002@c.us",
        "presences": [
          {
            "participant": "5511999990002@c.us",
            "lastKnownPresence": "offline",
            "lastSeen": 1686708526
          }
        ]
      },
      {
        "id": "120363041234567890@g.us",
        "presences": [
          {
            "participant": "120363041234567890@g.us",
            "lastKnownPresence": "online",
            "lastSeen": null
          }
        ]
      }
    ]
    "#);
}

#[tokio::test]
async fn the_journal_shows_what_a_bot_did() {
    let waha = waha().await;
    waha.engine().clear_journal("default").unwrap();
    let typing = json!({ "presence": "typing", "chatId": "5511999990001@c.us" });
    let answer = waha.post("/api/default/presence", typing).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let journal = waha.engine().journal("default", 0).unwrap();
    let chatstate =
        journal.iter().find(|entry| entry.node.tag == "chatstate").expect("a chatstate was sent");
    assert_eq!(chatstate.node.get("to"), Some("5511999990001@s.whatsapp.net"));
    let world = waha.engine().world_json();
    let seen = &world["sessions"]["default"]["chatstates"]["5511999990001@s.whatsapp.net"];
    assert_eq!(seen, "typing");
}

#[tokio::test]
async fn going_offline_hides_what_others_do() {
    let waha = waha().await;
    let answer = waha.post("/api/default/presence", json!({ "presence": "offline" })).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert!(waha.engine().contact("alice").types().await.unwrap().is_empty());
    waha.post("/api/default/presence", json!({ "presence": "online" })).await;
    assert_eq!(waha.engine().contact("alice").types().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_arranged_failure_is_a_502_and_the_next_try_works() {
    let waha = waha().await;
    waha.engine()
        .given(|node: &mock_engine::wire::Node| node.get("type") == Some("subscribe"))
        .up_to(1)
        .fails(SendFault::Error);
    let path = "/api/default/presence/5511999990009@c.us/subscribe";
    assert_eq!(waha.post(path, None).await.status, 502);
    assert_eq!(waha.post(path, None).await.status, 201);
}

#[tokio::test]
async fn a_test_needs_not_show_the_key_that_callers_show() {
    let key = ApiKey::parse(&format!("sha512:{}", "0".repeat(128))).unwrap();
    let waha = MockWaha::builder().api_key(key).build().unwrap();
    waha.begin().await;
    assert_eq!(waha.get("/api/default/presence").await.status, 200);
}
