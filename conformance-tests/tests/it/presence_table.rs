//! What WhatsApp sends and what the API shows, row by row, through the control API.

use serde_json::{Value, json};

use crate::ours::Ours;

const ALICE: &str = "5511999990001@s.whatsapp.net";
const TEAM: &str = "120363041234567890@g.us";

/// The answer to GET all after each stanza, in a session of its own.
async fn shown(rows: &[(&str, Value)]) -> String {
    let ours = Ours::start().await;
    let mut table = String::new();
    for (row, stanza) in rows {
        let session = ours.new_session().await;
        if stanza.get("event").is_some() {
            ours.event(&session, stanza).await;
        } else {
            ours.stanza(&session, stanza).await;
        }
        let (status, all) = ours.call("GET", &format!("/api/{session}/presence"), None).await;
        assert_eq!(status, 200, "{row}");
        table.push_str(&format!("{row}\n    {all}\n"));
    }
    table
}

fn presence(attrs: &Value) -> Value {
    json!({ "tag": "presence", "attrs": attrs })
}

fn chatstate(child: &Value) -> Value {
    json!({ "tag": "chatstate", "attrs": { "from": ALICE }, "content": [child] })
}

fn says(word: &str) -> Value {
    let presences = json!({ ALICE: { "lastKnownPresence": word } });
    json!({ "event": "presence.update", "data": { "id": ALICE, "presences": presences } })
}

#[tokio::test]
async fn each_stanza_leads_to_the_documented_status() {
    let last =
        |last: &str| presence(&json!({ "from": ALICE, "type": "unavailable", "last": last }));
    let table = shown(&[
        ("presence", presence(&json!({ "from": ALICE }))),
        ("presence, type available", presence(&json!({ "from": ALICE, "type": "available" }))),
        ("presence, any other type", presence(&json!({ "from": ALICE, "type": "dancing" }))),
        ("unavailable, last=1686719326", last("1686719326")),
        ("unavailable, last=deny", last("deny")),
        ("unavailable, last=none", last("none")),
        ("unavailable, last=0", last("0")),
        ("unavailable, last=1.5", last("1.5")),
        ("unavailable, no last", presence(&json!({ "from": ALICE, "type": "unavailable" }))),
        ("composing", chatstate(&json!({ "tag": "composing" }))),
        (
            "composing, audio",
            chatstate(&json!({ "tag": "composing", "attrs": { "media": "audio" } })),
        ),
        ("paused", chatstate(&json!({ "tag": "paused" }))),
        ("the engine reports paused", says("paused")),
        ("any other status", says("daydreaming")),
        ("a group's count", presence(&json!({ "from": TEAM, "count": "3" }))),
        ("a chat state with no child", json!({ "tag": "chatstate", "attrs": { "from": ALICE } })),
        (
            "a chat state without a sender",
            json!({ "tag": "chatstate", "content": [{ "tag": "composing" }] }),
        ),
    ])
    .await;
    insta::assert_snapshot!("stanzas", table);
}

#[tokio::test]
async fn each_form_of_an_id_is_shown_as_documented() {
    let from = |from: &str| presence(&json!({ "from": from }));
    let table = shown(&[
        ("s.whatsapp.net", from("777@s.whatsapp.net")),
        ("with a device", from("777:4@s.whatsapp.net")),
        ("a LID", from("777@lid")),
        ("a group", from(TEAM)),
    ])
    .await;
    insta::assert_snapshot!("ids", table);
}

#[tokio::test]
async fn each_request_beyond_the_documentation_has_its_answer() {
    let ours = Ours::start().await;
    let mut table = String::new();
    let typing = json!({ "presence": "typing" });
    let online = json!({ "presence": "online", "chatId": "777@c.us" });
    let fine = json!({ "presence": "typing", "chatId": "777@c.us" });
    let rows: [(&str, &str, Option<&Value>); 12] = [
        ("GET", "/api/default/presence", None),
        ("GET", "/api/default/presence/", None),
        ("POST", "/api/default/presence/777@c.us/subscribe", None),
        ("GET", "/api/default/presence/777", None),
        ("GET", "/api/default/presence/777%40c.us", None),
        ("GET", "/api/default/presence/garbage", None),
        ("POST", "/api/default/presence", Some(&fine)),
        ("POST", "/api/default/presence", Some(&typing)),
        ("POST", "/api/default/presence", Some(&online)),
        ("GET", "/api/unknown/presence", None),
        ("GET", "/api/web/presence", None),
        ("DELETE", "/api/default/presence", None),
    ];
    for (method, path, body) in rows {
        let (status, answer) = ours.call(method, path, body).await;
        let body = body.map(|body| format!(" {body}")).unwrap_or_default();
        table.push_str(&format!("{method} {path}{body}\n    {status} {answer}\n"));
    }
    insta::assert_snapshot!("requests", table);
}
