//! The documentation's JSON examples, byte for byte except for whitespace.

use conformance_tests::statements::{GET_ALL_EXAMPLE, GET_CHAT_EXAMPLE, PRESENCE_UPDATE_EXAMPLE};
use serde_json::{Value, json, value::RawValue};

use crate::ours::{Inbox, Ours};

/// The example without whitespace; the order of keys stays.
fn compact(example: &str) -> String {
    serde_json::from_str::<Value>(example).unwrap().to_string()
}

fn offline(from: &str, participant: Option<&str>) -> Value {
    let mut attrs = json!({ "from": from, "type": "unavailable", "last": "1686719326" });
    if let Some(participant) = participant {
        attrs["participant"] = participant.into();
    }
    json!({ "tag": "presence", "attrs": attrs })
}

#[tokio::test]
async fn get_all_answers_with_the_documented_example() {
    let ours = Ours::start().await;
    let session = ours.new_session().await;
    let (contact, group) = ("2132132130@s.whatsapp.net", "11111111111111111111111@g.us");
    ours.stanza(&session, &offline(contact, None)).await;
    let online = json!({ "tag": "presence", "attrs": { "from": group, "count": "1" } });
    ours.stanza(&session, &online).await;
    ours.stanza(&session, &offline(group, Some(contact))).await;
    let (status, body) = ours.call("GET", &format!("/api/{session}/presence/"), None).await;
    assert_eq!((status, body.as_str()), (200, compact(GET_ALL_EXAMPLE).as_str()));
    insta::assert_snapshot!("get_all", body);
}

#[tokio::test]
async fn get_chat_answers_with_the_documented_example() {
    let ours = Ours::start().await;
    let session = ours.new_session().await;
    let online = json!({ "tag": "presence", "attrs": { "from": "2132132130@s.whatsapp.net" } });
    ours.stanza(&session, &online).await;
    let path = format!("/api/{session}/presence/2132132130@c.us");
    let (status, body) = ours.call("GET", &path, None).await;
    assert_eq!((status, body.as_str()), (200, compact(GET_CHAT_EXAMPLE).as_str()));
    insta::assert_snapshot!("get_chat", body);
}

#[tokio::test]
async fn subscribe_answers_201_without_a_body() {
    let ours = Ours::start().await;
    let path = "/api/default/presence/11111111111111111111111@g.us/subscribe";
    assert_eq!(ours.call("POST", path, None).await, (201, String::new()));
}

#[tokio::test]
async fn the_webhook_matches_the_documented_example() {
    let (ours, mut inbox) = (Ours::start().await, Inbox::open().await);
    let webhook = json!({ "url": inbox.server.uri(), "events": ["presence.update"] });
    let config = json!({ "config": { "webhooks": [webhook] } });
    let (status, answer) = ours.call("PUT", "/api/sessions/default", Some(&config)).await;
    assert_eq!(status, 200, "{answer}");
    ours.works("default").await;
    let typing = json!({
        "tag": "chatstate",
        "attrs": { "from": "111111111111111111@g.us", "participant": "11111111111@s.whatsapp.net" },
        "content": [{ "tag": "composing" }],
    });
    ours.stanza("default", &typing).await;
    let body = inbox.next("presence.update").await;
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        event: String,
        session: String,
        #[serde(borrow)]
        payload: &'a RawValue,
        engine: String,
    }
    let example = compact(PRESENCE_UPDATE_EXAMPLE);
    let wanted: Body<'_> = serde_json::from_str(&example).unwrap();
    let found: Body<'_> = serde_json::from_str(&body).unwrap();
    assert_eq!(found.payload.get(), wanted.payload.get());
    assert_eq!(
        (found.event, found.session, found.engine),
        (wanted.event, wanted.session, wanted.engine)
    );
    insta::assert_snapshot!("webhook_payload", found.payload.get());
}
