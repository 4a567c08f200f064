use proptest::{collection, prelude::*};

use super::*;

fn said(lasts: &str) -> Vec<Said<'static>> {
    let event = format!(r#"{{"id":"777@s.whatsapp.net","presences":{lasts}}}"#);
    let event = PresenceEvent::read(event.as_bytes()).unwrap();
    let owned = event.participants().map(|(_, said)| match said {
        Said::UnknownWord(word) => Said::UnknownWord(word.into_owned().into()),
        Said::News(record) => Said::News(record),
        Said::Junk => Said::Junk,
    });
    owned.collect()
}

fn one(participant: &str) -> Said<'static> {
    said(&format!(r#"{{"777@s.whatsapp.net":{participant}}}"#)).remove(0)
}

#[test]
fn each_word_of_the_engine_has_a_documented_word() {
    let rows = [
        ("available", EngineStatus::AVAILABLE, Presence::Online),
        ("unavailable", EngineStatus::UNAVAILABLE, Presence::Offline),
        ("composing", EngineStatus::COMPOSING, Presence::Typing),
        ("recording", EngineStatus::RECORDING, Presence::Recording),
        ("paused", EngineStatus::PAUSED, Presence::Paused),
    ];
    for (word, number, presence) in rows {
        let news = Said::News(Record::of(presence));
        assert_eq!(one(&format!(r#"{{"lastKnownPresence":"{word}"}}"#)), news);
        assert_eq!(status(number, None), news);
        assert_eq!(word_of(presence), word);
    }
}

#[test]
fn an_unknown_word_is_reported_as_it_is() {
    assert_eq!(one(r#"{"lastKnownPresence":"dancing"}"#), Said::UnknownWord("dancing".into()));
    assert_eq!(one(r#"{"lastKnownPresence":"online"}"#), Said::UnknownWord("online".into()));
    assert_eq!(status(EngineStatus(9), None), Said::UnknownWord("status 9".into()));
    assert_eq!(status(EngineStatus::UNKNOWN, None), Said::UnknownWord("status 0".into()));
}

#[test]
fn a_missing_word_is_junk() {
    for junk in ["{}", "null", "7", "[]", r#"{"lastKnownPresence":7}"#, r#""available""#] {
        assert_eq!(one(junk), Said::Junk, "{junk}");
    }
}

#[test]
fn a_last_seen_is_a_whole_number_of_seconds_from_one_on() {
    let rows = [
        ("1686719326", Some(1_686_719_326)),
        (r#""1686719326""#, Some(1_686_719_326)),
        ("1", Some(1)),
        ("5.0", Some(5)),
        ("1.686719326e9", Some(1_686_719_326)),
        ("4294967295", Some(u32::MAX)),
        ("4294967296", None),
        ("4294967295.0", Some(u32::MAX)),
        ("4294967296.0", None),
        ("1686719326000", None),
        (r#""1686719326000""#, None),
        ("1.686719326e12", None),
        ("18446744073709551617", None),
        (r#""18446744073709551617""#, None),
        ("0", None),
        ("-1", None),
        ("5.5", None),
        ("-5.0", None),
        ("1e300", None),
        ("null", None),
        ("true", None),
        ("[5]", None),
        (r#""deny""#, None),
        (r#""""#, None),
        (r#""+5""#, None),
        (r#""-5""#, None),
        (r#"" 5""#, None),
        (r#""5.0""#, None),
        (r#""0""#, None),
    ];
    for (text, expected) in rows {
        let Said::News(record) =
            one(&format!(r#"{{"lastKnownPresence":"unavailable","lastSeen":{text}}}"#))
        else {
            panic!("{text} should not matter to the status");
        };
        assert_eq!(record.last_seen.map(u32::from), expected, "{text}");
    }
}

#[test]
fn an_event_that_cannot_be_read_says_which_field() {
    let refusal = |event: &str| PresenceEvent::read(event.as_bytes()).unwrap_err().to_string();
    assert_eq!(refusal("{}"), "failed to read the event: id should be a string");
    assert_eq!(refusal("[]"), "failed to read the event: id should be a string");
    assert_eq!(
        refusal(r#"{"id":"1@c.us","presences":[]}"#),
        "failed to read the event: presences should be an object"
    );
    assert!(refusal("{").starts_with("failed to read the event as JSON: EOF"));
}

#[test]
fn the_author_is_the_contact_or_in_a_group_the_participant() {
    let event = br#"{"type":"notify","messages":[
        {"key":{"remoteJid":"777@s.whatsapp.net","fromMe":false,"id":"A"}},
        {"key":{"remoteJid":"1-2@g.us","participant":"888:3@s.whatsapp.net"}},
        {"key":{"remoteJid":"777@s.whatsapp.net","fromMe":true}},
        {"key":{"remoteJid":"1-2@g.us"}},
        {"key":null}, {}, 7
    ]}"#;
    let event = MessagesEvent::read(event).unwrap();
    let direct = Author { chat: "777@s.whatsapp.net", participant: "777@s.whatsapp.net" };
    let group = Author { chat: "1-2@g.us", participant: "888:3@s.whatsapp.net" };
    let expected = [Some(direct), Some(group), None, None, None, None];
    assert_eq!(event.authors().collect::<Vec<_>>(), expected);
}

#[test]
fn history_has_no_authors() {
    let event = br#"{"type":"append","messages":[{"key":{"remoteJid":"777@s.whatsapp.net"}}]}"#;
    assert_eq!(MessagesEvent::read(event).unwrap().authors().count(), 0);
}

#[test]
fn only_open_and_close_are_changes_of_the_connection() {
    let read = |event: &str| ConnectionChange::read(event.as_bytes()).unwrap();
    assert_eq!(read(r#"{"connection":"open"}"#), Some(ConnectionChange::Open));
    assert_eq!(
        read(r#"{"connection":"close","lastDisconnect":{}}"#),
        Some(ConnectionChange::Closed)
    );
    assert_eq!(read(r#"{"connection":"connecting"}"#), None);
    assert_eq!(read(r#"{"qr":"1@abc"}"#), None);
}

#[test]
fn operations_are_in_the_engines_words() {
    let text = |call: Call| format!("{} {}", call.op, String::from_utf8(call.args).unwrap());
    let (contact, group) = (Jid::parse("777").unwrap(), Jid::parse("1203630@g.us").unwrap());
    insta::assert_snapshot!(
        text(Call::subscribe(&contact)),
        @r#"presenceSubscribe {"jid":"777@s.whatsapp.net"}"#
    );
    insta::assert_snapshot!(
        text(Call::set_presence(Presence::Online, None)),
        @r#"sendPresenceUpdate {"type":"available"}"#
    );
    insta::assert_snapshot!(
        text(Call::set_presence(Presence::Typing, Some(&group))),
        @r#"sendPresenceUpdate {"type":"composing","jid":"1203630@g.us"}"#
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["notify", "open", "777@s.whatsapp.net", "1@g.us", "composing"])
            .prop_map(Value::from),
    ];
    let names = vec![
        "id",
        "presences",
        "lastKnownPresence",
        "lastSeen",
        "messages",
        "type",
        "key",
        "remoteJid",
        "fromMe",
        "participant",
        "connection",
        "777@s.whatsapp.net",
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        let name = prop::sample::select(names.clone()).prop_map(str::to_owned);
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::vec((name, inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn read_all(data: &[u8]) {
    if let Ok(event) = PresenceEvent::read(data) {
        for (_, said) in event.participants() {
            if let Said::News(record) = said {
                assert_ne!(record.last_seen.map(u32::from), Some(0));
            }
        }
    }
    if let Ok(event) = MessagesEvent::read(data) {
        let _ = event.authors().count();
    }
    let _ = ConnectionChange::read(data);
}

proptest! {
    #[test]
    fn arbitrary_json_is_read_or_refused(event in any_json()) {
        read_all(event.to_string().as_bytes());
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }
}
