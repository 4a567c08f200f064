//! `POST /api/{session}/presence`.

use host_abi::{ErrorKind, PluginError, Request, Response};

use crate::desk::{Desk, SESSION, SET, text};

fn set(desk: &Desk, body: &str) -> Result<Response, PluginError> {
    desk.try_call(Request::new(SET, SESSION).with_body(body))
}

#[test]
fn each_presence_reaches_the_engine_in_its_own_words() {
    let desk = Desk::new();
    for body in [
        r#"{"presence":"online"}"#,
        r#"{"presence":"offline","chatId":null}"#,
        r#"{"presence":"online","chatId":""}"#,
        r#"{"presence":"typing","chatId":"777"}"#,
        r#"{"chatId":"1203630@g.us","presence":"recording"}"#,
        r#"{"presence":"paused","chatId":"777:4@c.us","more":1}"#,
    ] {
        let response = set(&desk, body).unwrap();
        assert_eq!((response.status(), text(&response).as_str()), (201, ""), "{body}");
    }
    let calls: Vec<_> =
        desk.fake.engine_calls().iter().map(|call| format!("{} {}", call.op, call.args)).collect();
    insta::assert_snapshot!(calls.join("\n"), @r#"
    sendPresenceUpdate {"type":"available"}
    sendPresenceUpdate {"type":"unavailable"}
    sendPresenceUpdate {"type":"available"}
    sendPresenceUpdate {"type":"composing","jid":"777@s.whatsapp.net"}
    sendPresenceUpdate {"type":"recording","jid":"1203630@g.us"}
    sendPresenceUpdate {"type":"paused","jid":"777@s.whatsapp.net"}
    "#);
}

#[test]
fn a_presence_and_a_chat_that_do_not_go_together_are_400_with_a_detail() {
    let desk = Desk::new();
    let mut bodies = Vec::new();
    for word in ["typing", "recording", "paused", "online", "offline"] {
        let chat = if matches!(word, "online" | "offline") { r#","chatId":"777""# } else { "" };
        let response = set(&desk, &format!(r#"{{"presence":"{word}"{chat}}}"#)).unwrap();
        assert_eq!(response.status(), 400);
        bodies.push(text(&response));
    }
    insta::assert_snapshot!(bodies.join("\n"), @r#"
    {"detail":"'typing' needs a chatId"}
    {"detail":"'recording' needs a chatId"}
    {"detail":"'paused' needs a chatId"}
    {"detail":"'online' applies to the whole account: leave chatId out"}
    {"detail":"'offline' applies to the whole account: leave chatId out"}
    "#);
    assert!(desk.fake.engine_calls().is_empty());
}

#[test]
fn a_malformed_body_is_400() {
    let desk = Desk::new();
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        "7",
        "{}",
        r#"{"presence":7}"#,
        r#"{"presence":"typing","chatId":7}"#,
        r#"{"presence":"typing","chatId":"garbage"}"#,
        "\u{0}",
    ];
    for body in bodies {
        assert_eq!(set(&desk, body).unwrap_err().kind(), ErrorKind::INVALID, "{body}");
    }
    assert!(desk.fake.engine_calls().is_empty());
}

#[test]
fn an_unknown_presence_is_400_and_the_valid_ones_are_named() {
    let error = set(&Desk::new(), r#"{"presence":"composing"}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::INVALID);
    insta::assert_snapshot!(
        error,
        @r#"presence: unknown presence "composing"; expected one of offline, online, typing, recording, paused"#
    );
}

#[test]
fn a_refusal_of_the_engine_is_passed_on() {
    let desk = Desk::new();
    desk.engine_refuses();
    let error = set(&desk, r#"{"presence":"online"}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ENGINE);
    assert_eq!(error.message(), "failed to set the presence to 'online': not today");
}
