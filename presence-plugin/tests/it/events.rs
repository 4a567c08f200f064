//! Engine events: their effect on the state, and the emissions.

use host_abi::{EngineStatus, ErrorKind, Plugin, PresenceUpdate, testing::Emitted};
use presence_plugin::Counts;
use serde_json::Value;

use crate::desk::{CONTACT, Desk, GROUP, SESSION};

const JID: &str = "777@s.whatsapp.net";

fn presence(word: &str, last_seen: &str) -> String {
    format!(
        r#"[{{"id":"777@c.us","presences":[{{"participant":"777@c.us","lastKnownPresence":"{word}","lastSeen":{last_seen}}}]}}]"#
    )
}

fn json_event(said: &str) -> String {
    format!(r#"{{"id":"{JID}","presences":{{"{JID}":{said}}}}}"#)
}

/// Sends one status in both forms, to one plugin each; both must end up with the same state and emissions.
fn listed_after(status: EngineStatus, word: &str, last_seen: Option<u64>) -> String {
    let (typed, json) = (Desk::new(), Desk::new());
    typed.tell(JID, JID, status, last_seen);
    let last_seen = serde_json::to_string(&last_seen).unwrap();
    let said = format!(r#"{{"lastKnownPresence":"{word}","lastSeen":{last_seen}}}"#);
    json.event("presence.update", &json_event(&said)).unwrap();
    assert_eq!(typed.get_all(), json.get_all());
    let emitted = typed.fake.emissions();
    assert_eq!(emitted, json.fake.emissions());
    assert_eq!(format!("[{}]", emitted[0].payload), typed.get_all());
    typed.get_all()
}

#[test]
fn each_status_of_the_engine_is_listed_by_its_documented_word() {
    let last = Some(1_686_719_326);
    assert_eq!(
        listed_after(EngineStatus::AVAILABLE, "available", None),
        presence("online", "null")
    );
    assert_eq!(
        listed_after(EngineStatus::UNAVAILABLE, "unavailable", last),
        presence("offline", "1686719326")
    );
    assert_eq!(
        listed_after(EngineStatus::UNAVAILABLE, "unavailable", None),
        presence("offline", "null")
    );
    assert_eq!(
        listed_after(EngineStatus::UNAVAILABLE, "unavailable", Some(0)),
        presence("offline", "null")
    );
    assert_eq!(
        listed_after(EngineStatus::COMPOSING, "composing", None),
        presence("typing", "null")
    );
    assert_eq!(
        listed_after(EngineStatus::RECORDING, "recording", None),
        presence("recording", "null")
    );
    assert_eq!(listed_after(EngineStatus::PAUSED, "paused", None), presence("paused", "null"));
}

#[test]
fn deny_is_no_last_seen() {
    let desk = Desk::new();
    let said = r#"{"lastKnownPresence":"unavailable","lastSeen":"deny"}"#;
    desk.event("presence.update", &json_event(said)).unwrap();
    assert_eq!(desk.get_all(), presence("offline", "null"));
}

#[test]
fn typing_after_offline_has_no_last_seen() {
    let desk = Desk::new();
    desk.tell(JID, JID, EngineStatus::UNAVAILABLE, Some(5));
    desk.tell(JID, JID, EngineStatus::COMPOSING, None);
    assert_eq!(desk.get_all(), presence("typing", "null"));
}

#[test]
fn the_webhooks_payload_is_the_documented_one() {
    let desk = Desk::new();
    let group = "111111111111111111@g.us";
    desk.tell(group, "11111111111@s.whatsapp.net", EngineStatus::COMPOSING, None);
    let documented: Value =
        serde_json::from_str(include_str!("../fixtures/webhook_payload.json")).unwrap();
    assert_eq!(desk.emitted(), [documented.to_string()]);
}

#[test]
fn an_emission_is_in_the_chats_lane_under_its_participants_keys() {
    let desk = Desk::new();
    let updates = [
        PresenceUpdate::new(GROUP, EngineStatus::AVAILABLE, None),
        PresenceUpdate::new("777:4@s.whatsapp.net", EngineStatus::PAUSED, None),
        PresenceUpdate::new("5:1@lid", EngineStatus::RECORDING, None),
    ];
    desk.plugin.on_presence(SESSION, GROUP, &updates).unwrap();
    let payload = desk.get_all();
    let expected = Emitted {
        session: SESSION.to_owned(),
        event: "presence.update".to_owned(),
        lane: GROUP.to_owned(),
        keys: vec![GROUP.to_owned(), "777@c.us".to_owned(), "5@lid".to_owned()],
        payload: payload[1..payload.len() - 1].to_owned(),
    };
    assert_eq!(desk.fake.emissions(), [expected]);
}

#[test]
fn a_payload_has_the_participants_of_its_event_only() {
    let desk = Desk::new();
    desk.tell(GROUP, CONTACT, EngineStatus::AVAILABLE, None);
    desk.tell(GROUP, JID, EngineStatus::AVAILABLE, None);
    let last = desk.emitted().pop().unwrap();
    assert!(last.contains("777@c.us") && !last.contains("2132132130@c.us"), "{last}");
}

#[test]
fn a_repeated_state_is_sent_again() {
    let desk = Desk::new();
    desk.tell(JID, JID, EngineStatus::AVAILABLE, None);
    desk.tell(JID, JID, EngineStatus::AVAILABLE, None);
    let emitted = desk.emitted();
    assert_eq!(emitted.len(), 2);
    assert_eq!(emitted[0], emitted[1]);
}

#[test]
fn of_two_devices_of_one_participant_the_later_update_counts() {
    let desk = Desk::new();
    let updates = [
        PresenceUpdate::new("777:1@s.whatsapp.net", EngineStatus::AVAILABLE, None),
        PresenceUpdate::new("777:2@s.whatsapp.net", EngineStatus::COMPOSING, None),
    ];
    desk.plugin.on_presence(SESSION, JID, &updates).unwrap();
    assert_eq!(desk.get_all(), presence("typing", "null"));
    assert_eq!(format!("[{}]", desk.emitted().remove(0)), desk.get_all());
}

#[test]
fn chats_are_listed_in_the_order_in_which_they_were_first_seen() {
    let desk = Desk::new();
    for chat in ["3@lid", "1@lid", "2@lid", "1@lid"] {
        desk.tell(chat, chat, EngineStatus::AVAILABLE, None);
    }
    let all: Value = serde_json::from_str(&desk.get_all()).unwrap();
    let ids: Vec<_> = all.as_array().unwrap().iter().map(|chat| chat["id"].as_str()).collect();
    assert_eq!(ids, [Some("3@lid"), Some("1@lid"), Some("2@lid")]);
}

#[test]
fn an_unknown_status_changes_nothing_and_is_counted() {
    let desk = Desk::new();
    desk.tell(JID, JID, EngineStatus::AVAILABLE, None);
    let _ = desk.emitted();
    desk.event("presence.update", &json_event(r#"{"lastKnownPresence":"dancing"}"#)).unwrap();
    desk.tell(JID, JID, EngineStatus(99), None);
    desk.tell("888@lid", "888@lid", EngineStatus::UNKNOWN, None);
    assert_eq!(desk.get_all(), presence("online", "null"));
    assert!(desk.emitted().is_empty());
    assert_eq!(desk.plugin.counts(), Counts { unknown_words: 3, ..Counts::default() });
}

#[test]
fn the_readable_part_of_an_event_is_used() {
    let desk = Desk::new();
    let event = format!(
        r#"{{"id":"{JID}","presences":{{"garbage":{{"lastKnownPresence":"available"}},"1@c.us":7,
            "2@c.us":{{"lastKnownPresence":"dancing"}},"{JID}":{{"lastKnownPresence":"available"}}}}}}"#
    );
    desk.event("presence.update", &event).unwrap();
    assert_eq!(desk.get_all(), presence("online", "null"));
    let expected = Counts { malformed: 2, unknown_words: 1, ..Counts::default() };
    assert_eq!(desk.plugin.counts(), expected);
}

#[test]
fn a_malformed_event_is_refused_and_changes_nothing() {
    let desk = Desk::new();
    let garbage =
        ["", "{", "null", "[]", r#"{"id":7,"presences":{}}"#, r#"{"id":"x","presences":{}}"#];
    for event in garbage {
        let error = desk.event("presence.update", event).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::INVALID, "{event}");
        assert!(error.message().starts_with("presence.update: "), "{}", error.message());
    }
    for kind in ["messages.upsert", "connection.update"] {
        assert_eq!(desk.event(kind, "{").unwrap_err().kind(), ErrorKind::INVALID);
    }
    assert!(desk.plugin.on_presence(SESSION, "garbage", &[]).is_err());
    assert_eq!(desk.get_all(), "[]");
    assert_eq!(desk.plugin.counts().malformed, 9);
}

#[test]
fn an_event_without_participants_changes_nothing() {
    let desk = Desk::new();
    desk.event("presence.update", &format!(r#"{{"id":"{JID}","presences":{{}}}}"#)).unwrap();
    desk.plugin.on_presence(SESSION, JID, &[]).unwrap();
    assert_eq!(desk.get_all(), "[]");
    assert!(desk.emitted().is_empty());
}

#[test]
fn broadcasts_and_newsletters_are_ignored_quietly() {
    let desk = Desk::new();
    for chat in ["status@broadcast", "120363@newsletter"] {
        desk.tell(chat, JID, EngineStatus::AVAILABLE, None);
    }
    desk.event("messages.upsert", &message("status@broadcast", JID, "")).unwrap();
    assert_eq!(desk.get_all(), "[]");
    assert_eq!(desk.plugin.counts(), Counts { elsewhere: 3, ..Counts::default() });
}

#[test]
fn events_of_other_kinds_are_ignored() {
    let desk = Desk::new();
    desk.event("chats.upsert", "garbage").unwrap();
    assert_eq!(desk.plugin.counts(), Counts::default());
}

#[test]
fn an_update_beyond_a_limit_is_neither_kept_nor_emitted() {
    let desk = Desk::with(br#"{"maxChats":1,"maxParticipants":1}"#, None);
    desk.tell(GROUP, CONTACT, EngineStatus::AVAILABLE, None);
    let (known, _) = (desk.get_all(), desk.emitted());
    desk.tell(GROUP, JID, EngineStatus::AVAILABLE, None);
    desk.tell(JID, JID, EngineStatus::AVAILABLE, None);
    assert_eq!(desk.get_all(), known);
    assert!(desk.emitted().is_empty());
    assert_eq!(desk.plugin.counts().over_limit, 2);
}

fn message(chat: &str, participant: &str, more: &str) -> String {
    format!(
        r#"{{"type":"notify","messages":[{{"key":{{"remoteJid":"{chat}","participant":"{participant}","fromMe":false,"id":"A"{more}}},"message":{{"conversation":"hi"}}}}]}}"#
    )
}

#[test]
fn a_message_sets_a_typing_or_recording_participant_online() {
    for status in [EngineStatus::COMPOSING, EngineStatus::RECORDING] {
        let desk = Desk::new();
        desk.tell(JID, JID, status, None);
        let _ = desk.emitted();
        desk.event("messages.upsert", &message("777:3@s.whatsapp.net", "", "")).unwrap();
        assert_eq!(desk.get_all(), presence("online", "null"));
        assert_eq!(format!("[{}]", desk.emitted().remove(0)), desk.get_all());
    }
}

#[test]
fn in_a_group_a_message_sets_its_author_online() {
    let desk = Desk::new();
    desk.tell(GROUP, CONTACT, EngineStatus::COMPOSING, None);
    desk.tell(GROUP, JID, EngineStatus::COMPOSING, None);
    let _ = desk.emitted();
    desk.event("messages.upsert", &message(GROUP, "777:3@s.whatsapp.net", "")).unwrap();
    insta::assert_snapshot!(
        desk.emitted().join("\n"),
        @r#"{"id":"11111111111111111111111@g.us","presences":[{"participant":"777@c.us","lastKnownPresence":"online","lastSeen":null}]}"#
    );
}

#[test]
fn a_message_of_any_other_participant_changes_nothing() {
    let desk = Desk::new();
    desk.event("messages.upsert", &message(JID, "", "")).unwrap();
    for status in [EngineStatus::UNAVAILABLE, EngineStatus::AVAILABLE, EngineStatus::PAUSED] {
        desk.tell(JID, JID, status, Some(5));
        let (known, _) = (desk.get_all(), desk.emitted());
        desk.event("messages.upsert", &message(JID, "", "")).unwrap();
        assert_eq!(desk.get_all(), known);
        assert!(desk.emitted().is_empty());
    }
}

#[test]
fn own_messages_and_history_change_nothing() {
    let desk = Desk::new();
    desk.tell(JID, JID, EngineStatus::COMPOSING, None);
    let _ = desk.emitted();
    let own = message(JID, "", "").replace(r#""fromMe":false"#, r#""fromMe":true"#);
    let history = message(JID, "", "").replace("notify", "append");
    desk.event("messages.upsert", &own).unwrap();
    desk.event("messages.upsert", &history).unwrap();
    assert_eq!(desk.get_all(), presence("typing", "null"));
    assert!(desk.emitted().is_empty());
}

#[test]
fn a_malformed_message_does_not_hold_up_the_others() {
    let desk = Desk::new();
    desk.tell(JID, JID, EngineStatus::COMPOSING, None);
    let event = format!(
        r#"{{"type":"notify","messages":[null,{{}},{{"key":{{"remoteJid":7}}}},{{"key":{{"remoteJid":"x"}}}},{{"key":{{"remoteJid":"{JID}"}}}}]}}"#
    );
    desk.event("messages.upsert", &event).unwrap();
    assert_eq!(desk.get_all(), presence("online", "null"));
    assert_eq!(desk.plugin.counts().malformed, 4);
}

#[test]
fn a_forgotten_session_has_no_chats() {
    let desk = Desk::new();
    desk.subscribe(CONTACT).unwrap();
    desk.tell(CONTACT, CONTACT, EngineStatus::AVAILABLE, None);
    desk.event("session.forgotten", "{}").unwrap();
    assert_eq!(desk.get_all(), "[]");
    let _ = desk.subscribed();
    desk.connection("open");
    desk.fake.settle();
    assert!(desk.subscribed().is_empty(), "a forgotten subscription is not renewed");
}
