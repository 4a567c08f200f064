//! An instance that takes over from another.

use host_abi::{EngineStatus, ErrorKind, Plugin, Snapshot, testing::FakeHost};
use presence_plugin::PresencePlugin;

use crate::desk::{CONTACT, Desk, GROUP};

#[test]
fn the_next_instance_restores_chats_and_subscriptions() {
    let desk = Desk::new();
    desk.tell(GROUP, CONTACT, EngineStatus::UNAVAILABLE, Some(5));
    desk.subscribe("777").unwrap();
    let next = Desk::with(b"", Some(desk.save()));
    assert_eq!(next.get_all(), desk.get_all());
    next.get_chat("777");
    assert!(next.subscribed().is_empty(), "the connection, and its subscriptions, are the same");
}

#[test]
fn an_invalid_state_is_refused_with_the_reason() {
    let refusal = |schema, bytes: &str| {
        let saved = Snapshot::new(schema, bytes);
        let error = PresencePlugin::create(FakeHost::new().host(), b"", Some(saved)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::INVALID);
        error.message().to_owned()
    };
    insta::assert_snapshot!(
        refusal(9, ""),
        @"failed to read a state of schema 9: this version reads schema 1"
    );
    insta::assert_snapshot!(
        refusal(1, r#"[{"session":"#),
        @"failed to read the state of schema 1: EOF while parsing a value at line 1 column 12"
    );
}

#[test]
fn an_invalid_configuration_is_refused_with_the_reason() {
    let error = PresencePlugin::create(FakeHost::new().host(), br#"{"wait":1}"#, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::INVALID);
    insta::assert_snapshot!(
        error,
        @"failed to read the configuration: unknown field `wait`, expected one of `firstUpdateWaitMs`, `resubscribePauseMs`, `maxChats`, `maxParticipants` at line 1 column 7"
    );
}
