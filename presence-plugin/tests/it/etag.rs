//! Entity tags: an unchanged body is answered by 304.

use std::collections::BTreeMap;

use host_abi::{EngineStatus, Request, Response};
use proptest::{collection, prelude::*};

use crate::desk::{CONTACT, Desk, GET_ALL, GET_CHAT, GROUP, SESSION, chat_request, text};

fn all() -> Request {
    Request::new(GET_ALL, SESSION)
}

fn tag_of(response: &Response) -> String {
    let tags: Vec<_> = response.headers().filter(|(name, _)| *name == "etag").collect();
    assert_eq!(tags.len(), 1, "one tag: {tags:?}");
    tags[0].1.to_owned()
}

fn ask(desk: &Desk, request: Request) -> Response {
    desk.try_call(request).unwrap()
}

fn status_for(desk: &Desk, if_none_match: &str) -> u16 {
    ask(desk, all().with_header("If-None-Match", if_none_match)).status()
}

#[test]
fn a_body_that_the_client_has_is_answered_by_304_without_it() {
    let desk = Desk::new();
    desk.tell(GROUP, CONTACT, EngineStatus::AVAILABLE, None);
    for request in [all(), chat_request(GET_CHAT, GROUP)] {
        let tag = tag_of(&ask(&desk, request.clone()));
        let again = ask(&desk, request.with_header("if-none-match", tag.clone()));
        assert_eq!((again.status(), text(&again).as_str()), (304, ""));
        assert_eq!(again.headers().collect::<Vec<_>>(), [("etag", tag.as_str())]);
    }
}

#[test]
fn if_none_match_is_a_star_or_a_list_of_strong_or_weak_tags() {
    let desk = Desk::new();
    let tag = tag_of(&ask(&desk, all()));
    let bare = tag.trim_matches('"');
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!(r#""other", {tag}"#),
        format!(r#""a,b",W/"c" ,	W/{tag},"d""#),
        "*".to_owned(),
        " * ".to_owned(),
    ] {
        assert_eq!(status_for(&desk, &known), 304, "{known}");
    }
    for other in [
        String::new(),
        bare.to_owned(),
        format!("w/{tag}"),
        format!(r#""{bare}0""#),
        r#""*""#.to_owned(),
        r#""a,*,b""#.replace('*', bare),
        ",".to_owned(),
    ] {
        assert_eq!(status_for(&desk, &other), 200, "{other}");
    }
}

#[test]
fn each_line_of_if_none_match_counts() {
    let desk = Desk::new();
    let tag = tag_of(&ask(&desk, all()));
    let request = all().with_header("if-none-match", r#""x""#).with_header("If-None-Match", tag);
    assert_eq!(ask(&desk, request).status(), 304);
}

#[test]
fn a_repeated_state_and_a_new_connection_change_no_tag() {
    let desk = Desk::new();
    desk.tell(GROUP, CONTACT, EngineStatus::UNAVAILABLE, Some(5));
    desk.get_chat(GROUP);
    let tags = || [all(), chat_request(GET_CHAT, GROUP)].map(|it| tag_of(&ask(&desk, it)));
    let before = tags();
    desk.tell(GROUP, CONTACT, EngineStatus::UNAVAILABLE, Some(5));
    desk.connection("close");
    desk.connection("open");
    assert_eq!(tags(), before);
    desk.tell(GROUP, CONTACT, EngineStatus::UNAVAILABLE, Some(6));
    assert!(tags().iter().zip(&before).all(|(now, then)| now != then));
}

#[test]
fn an_update_of_another_chat_changes_the_tag_of_the_list_only() {
    let desk = Desk::new();
    desk.tell(GROUP, CONTACT, EngineStatus::AVAILABLE, None);
    let tags = || [all(), chat_request(GET_CHAT, GROUP)].map(|it| tag_of(&ask(&desk, it)));
    let before = tags();
    desk.tell(CONTACT, CONTACT, EngineStatus::AVAILABLE, None);
    let now = tags();
    assert_ne!(now[0], before[0]);
    assert_eq!(now[1], before[1]);
}

#[test]
fn a_refused_update_changes_no_tag() {
    let desk = Desk::with(br#"{"maxChats":2,"maxParticipants":1}"#, None);
    desk.tell(GROUP, CONTACT, EngineStatus::AVAILABLE, None);
    let before = tag_of(&ask(&desk, all()));
    desk.tell(GROUP, GROUP, EngineStatus::AVAILABLE, None);
    desk.tell("8@lid", "8@lid", EngineStatus::UNKNOWN, None);
    assert_eq!(tag_of(&ask(&desk, all())), before);
}

#[test]
fn a_recreated_session_and_a_new_instance_have_tags_of_their_own() {
    let desk = Desk::new();
    let first = tag_of(&ask(&desk, all()));
    let taken_over = Desk::with(b"", Some(desk.save()));
    assert_ne!(tag_of(&ask(&taken_over, all())), first);
    assert_ne!(tag_of(&ask(&desk, Request::new(GET_ALL, "other"))), first);
    desk.event("session.forgotten", "{}").unwrap();
    assert_ne!(tag_of(&ask(&desk, all())), first);
}

const IDS: [&str; 4] = ["1@lid", "2@lid", "1-2@g.us", "1203630@g.us"];

#[derive(Debug, Clone)]
enum Step {
    Told { chat: usize, participant: usize, status: u8, last_seen: Option<u64> },
    Get(usize),
    Forgotten,
    TakenOver,
}

fn step() -> impl Strategy<Value = Step> {
    let last_seen = prop_oneof![Just(None), (0..3u64).prop_map(Some)];
    let told = (0..IDS.len(), 0..IDS.len(), 0..6u8, last_seen).prop_map(
        |(chat, participant, status, last_seen)| Step::Told {
            chat,
            participant,
            status,
            last_seen,
        },
    );
    prop_oneof![
        12 => told,
        3 => (0..IDS.len()).prop_map(Step::Get),
        1 => Just(Step::Forgotten),
        1 => Just(Step::TakenOver),
    ]
}

proptest! {
    #[test]
    fn equal_tags_mean_equal_bytes_and_304_means_unchanged(
        steps in collection::vec(step(), 0..40),
    ) {
        let mut desk = Desk::with(br#"{"maxChats":3,"maxParticipants":2}"#, None);
        let mut bodies = BTreeMap::new();
        let mut last = [None, None];
        for step in steps {
            match step {
                Step::Told { chat, participant, status, last_seen } => {
                    desk.tell(IDS[chat], IDS[participant], EngineStatus(status), last_seen);
                }
                Step::Get(chat) => drop(desk.try_call(chat_request(GET_CHAT, IDS[chat]))),
                Step::Forgotten => desk.event("session.forgotten", "{}").unwrap(),
                Step::TakenOver => {
                    let config = br#"{"maxChats":3,"maxParticipants":2}"#;
                    desk = Desk::with(config, Some(desk.save()));
                }
            }
            for (request, last) in [all(), chat_request(GET_CHAT, IDS[0])].iter().zip(&mut last) {
                // A chat beyond the limit is refused, and has no body.
                let Ok(whole) = desk.try_call(request.clone()) else { continue };
                let (tag, body) = (tag_of(&whole), text(&whole));
                let first = bodies.entry(tag.clone()).or_insert_with(|| body.clone());
                prop_assert_eq!(&body, first);
                if let Some((known, seen)) = last.replace((tag, body.clone())) {
                    let again = request.clone().with_header("if-none-match", known);
                    let again = ask(&desk, again);
                    prop_assert!(again.status() == 200 || seen == body);
                    prop_assert!(again.status() == 304 || text(&again) == body);
                }
            }
        }
    }
}
