//! The documented endpoints, against the documentation's own bodies.

use host_abi::{EngineStatus, ErrorKind, Request};
use serde_json::Value;

use crate::desk::{CONTACT, Desk, GET_CHAT, GROUP, SESSION, SUBSCRIBE, chat_request, text};

/// Removes the indentation of a fixture; the rest is compared byte by byte.
fn compact(fixture: &str) -> String {
    serde_json::from_str::<Value>(fixture).unwrap().to_string()
}

#[test]
fn get_all_answers_the_documented_body() {
    let desk = Desk::new();
    desk.tell(CONTACT, CONTACT, EngineStatus::UNAVAILABLE, Some(1_686_719_326));
    desk.tell(GROUP, GROUP, EngineStatus::AVAILABLE, None);
    desk.tell(GROUP, CONTACT, EngineStatus::UNAVAILABLE, Some(1_686_719_326));
    assert_eq!(desk.get_all(), compact(include_str!("../fixtures/get_all.json")));
}

#[test]
fn get_chat_answers_the_documented_body() {
    let desk = Desk::new();
    desk.tell(CONTACT, CONTACT, EngineStatus::AVAILABLE, None);
    let documented = compact(include_str!("../fixtures/get_chat.json"));
    assert_eq!(desk.get_chat("2132132130@c.us"), documented);
}

#[test]
fn without_chats_the_list_is_an_empty_array() {
    assert_eq!(Desk::new().get_all(), "[]");
}

#[test]
fn a_subscribed_chat_without_updates_is_listed_empty() {
    let desk = Desk::new();
    desk.subscribe("777").unwrap();
    insta::assert_snapshot!(desk.get_all(), @r#"[{"id":"777@c.us","presences":[]}]"#);
}

#[test]
fn responses_have_the_content_type_of_json() {
    let desk = Desk::new();
    let response = desk.try_call(chat_request(GET_CHAT, "777")).unwrap();
    let headers: Vec<_> = response.headers().filter(|(name, _)| *name != "etag").collect();
    assert_eq!(headers, [("content-type", "application/json; charset=utf-8")]);
}

#[test]
fn all_forms_of_a_contact_are_one_chat() {
    let desk = Desk::new();
    desk.tell("777:4@s.whatsapp.net", "777:9@s.whatsapp.net", EngineStatus::COMPOSING, None);
    let expected = r#"{"id":"777@c.us","presences":[{"participant":"777@c.us","lastKnownPresence":"typing","lastSeen":null}]}"#;
    for form in ["777", "777@c.us", "777@s.whatsapp.net", "777:4@s.whatsapp.net"] {
        assert_eq!(desk.get_chat(form), expected, "{form}");
    }
    assert_eq!(desk.subscribed(), ["777@s.whatsapp.net"]);
}

#[test]
fn a_lid_is_a_different_chat_from_the_contact_of_that_number() {
    let desk = Desk::new();
    desk.tell("777@lid", "777:2@lid", EngineStatus::RECORDING, None);
    insta::assert_snapshot!(
        desk.get_chat("777@lid"),
        @r#"{"id":"777@lid","presences":[{"participant":"777@lid","lastKnownPresence":"recording","lastSeen":null}]}"#
    );
    assert_eq!(desk.get_chat("777@c.us"), r#"{"id":"777@c.us","presences":[]}"#);
}

#[test]
fn subscribe_answers_201_without_a_body_whatever_it_is_sent() {
    let desk = Desk::new();
    for body in ["", "{}", "garbage"] {
        let request = chat_request(SUBSCRIBE, "777").with_body(body);
        let response = desk.try_call(request).unwrap();
        assert_eq!((response.status(), text(&response).as_str()), (201, ""));
    }
}

#[test]
fn an_invalid_chat_id_is_400_and_the_engine_is_not_asked() {
    let desk = Desk::new();
    for route in [GET_CHAT, SUBSCRIBE] {
        for garbage in ["garbage", "", "status@broadcast", "777@example.com"] {
            let error = desk.try_call(chat_request(route, garbage)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::INVALID);
            assert!(error.message().contains("777@c.us"), "{}", error.message());
        }
    }
    assert!(desk.fake.engine_calls().is_empty());
    assert_eq!(desk.get_all(), "[]");
}

#[test]
fn sessions_are_separate() {
    let desk = Desk::new();
    desk.tell(CONTACT, CONTACT, EngineStatus::AVAILABLE, None);
    assert_eq!(desk.get(Request::new(crate::desk::GET_ALL, "other")), "[]");
    assert_ne!(desk.get(Request::new(crate::desk::GET_ALL, SESSION)), "[]");
}

#[test]
fn an_unknown_route_is_not_found() {
    let error = Desk::new().try_call(Request::new(9, SESSION)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
}

#[test]
fn a_chat_beyond_the_limit_is_503_and_the_engine_is_not_asked() {
    let desk = Desk::with(br#"{"maxChats":1}"#, None);
    desk.subscribe("1").unwrap();
    for route in [GET_CHAT, SUBSCRIBE] {
        let error = desk.try_call(chat_request(route, "2")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UNAVAILABLE);
    }
    assert_eq!(desk.subscribed(), ["1@s.whatsapp.net"]);
}
