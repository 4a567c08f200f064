//! The first GET of a chat: it subscribes once and waits briefly for the first update.

use std::{
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use futures_util::future::join_all;
use host_abi::{EngineStatus, ErrorKind, Plugin, PluginError, PresenceUpdate};

use crate::desk::{Desk, GET_CHAT, SESSION, SUBSCRIBE, chat_request, text};

const JID: &str = "777@s.whatsapp.net";
const EMPTY: &str = r#"{"id":"777@c.us","presences":[]}"#;
const ONLINE: &str = r#"{"id":"777@c.us","presences":[{"participant":"777@c.us","lastKnownPresence":"online","lastSeen":null}]}"#;

/// Sends the first update after `ms` milliseconds.
fn news_after(desk: &Desk, ms: u64) {
    let (plugin, sleep) = (desk.plugin.clone(), desk.fake.host().sleep(Duration::from_millis(ms)));
    desk.fake.host().spawn("news", async move {
        sleep.await;
        let update = PresenceUpdate::new(JID, EngineStatus::AVAILABLE, None);
        plugin.on_presence(SESSION, JID, &[update]).unwrap();
    });
}

#[test]
fn the_first_get_subscribes_and_waits_a_second_for_an_update() {
    let desk = Desk::new();
    let before = desk.now_ms();
    assert_eq!(desk.get_chat("777"), EMPTY);
    assert_eq!(desk.now_ms() - before, 1000);
    assert_eq!(desk.subscribed(), [JID]);
}

#[test]
fn the_length_of_the_wait_is_configurable() {
    for wait in [0, 250] {
        let desk = Desk::with(format!(r#"{{"firstUpdateWaitMs":{wait}}}"#).as_bytes(), None);
        let before = desk.now_ms();
        assert_eq!(desk.get_chat("777"), EMPTY);
        assert_eq!(desk.now_ms() - before, wait);
    }
}

#[test]
fn the_wait_ends_with_the_first_update() {
    let desk = Desk::new();
    news_after(&desk, 300);
    let before = desk.now_ms();
    assert_eq!(desk.get_chat("777"), ONLINE);
    assert_eq!(desk.now_ms() - before, 300);
}

#[test]
fn an_update_of_another_chat_does_not_end_the_wait() {
    let desk = Desk::new();
    let (plugin, sleep) = (desk.plugin.clone(), desk.fake.host().sleep(Duration::from_millis(300)));
    desk.fake.host().spawn("news", async move {
        sleep.await;
        let update = PresenceUpdate::new("888@lid", EngineStatus::AVAILABLE, None);
        plugin.on_presence(SESSION, "888@lid", &[update]).unwrap();
    });
    let before = desk.now_ms();
    assert_eq!(desk.get_chat("777"), EMPTY);
    assert_eq!(desk.now_ms() - before, 1000);
}

#[test]
fn an_update_before_the_engines_answer_ends_the_wait() {
    let desk = Desk::new();
    desk.fake.delay_engine(Duration::from_millis(200));
    news_after(&desk, 100);
    let before = desk.now_ms();
    assert_eq!(desk.get_chat("777"), ONLINE);
    assert_eq!(desk.now_ms() - before, 200);
}

#[test]
fn concurrent_first_gets_share_one_subscription_and_its_first_update() {
    let desk = Desk::new();
    news_after(&desk, 300);
    let gets = (0..50).map(|_| desk.ask(chat_request(GET_CHAT, "777")));
    for response in desk.fake.run(join_all(gets)) {
        assert_eq!(text(&response.unwrap()), ONLINE);
    }
    assert_eq!(desk.subscribed(), [JID]);
}

#[test]
fn a_get_during_the_wait_of_the_first_joins_it() {
    let desk = Desk::new();
    news_after(&desk, 600);
    let first = desk.ask(chat_request(GET_CHAT, "777"));
    let second = desk.ask(chat_request(GET_CHAT, "777"));
    let sleep = desk.fake.host().sleep(Duration::from_millis(300));
    let late = async move {
        sleep.await;
        second.await
    };
    let (first, second) = desk.fake.run(futures_util::future::join(first, late));
    assert_eq!(text(&first.unwrap()), ONLINE);
    assert_eq!(text(&second.unwrap()), ONLINE);
    assert_eq!(desk.subscribed(), [JID]);
}

#[test]
fn joined_requests_are_answered_when_the_first_one_is_dropped() {
    let desk = Desk::new();
    desk.fake.delay_engine(Duration::from_millis(100));
    news_after(&desk, 300);
    let follower = {
        let mut leader = Box::pin(desk.ask(chat_request(GET_CHAT, "777")));
        let mut follower = Box::pin(desk.ask(chat_request(GET_CHAT, "777")));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(leader.as_mut().poll(&mut cx).is_pending());
        assert!(follower.as_mut().poll(&mut cx).is_pending());
        follower
    };
    assert_eq!(text(&desk.fake.run(follower).unwrap()), ONLINE);
    assert_eq!(desk.subscribed(), [JID]);
}

#[test]
fn a_dropped_first_request_still_subscribes() {
    let desk = Desk::new();
    {
        let leader = pin!(desk.ask(chat_request(GET_CHAT, "777")));
        assert!(leader.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    desk.fake.advance(Duration::from_secs(2));
    assert_eq!(desk.get_all(), format!("[{EMPTY}]"));
    let before = desk.now_ms();
    assert_eq!(desk.get_chat("777"), EMPTY);
    assert_eq!(desk.now_ms(), before);
}

#[test]
fn a_subscribed_chat_without_updates_is_answered_immediately() {
    let desk = Desk::new();
    desk.subscribe("777").unwrap();
    let before = desk.now_ms();
    assert_eq!(desk.get_chat("777"), EMPTY);
    assert_eq!(desk.now_ms(), before);
    assert_eq!(desk.subscribed(), [JID]);
}

#[test]
fn a_chat_known_from_events_only_is_subscribed_and_answered_immediately() {
    let desk = Desk::new();
    desk.tell(JID, JID, EngineStatus::AVAILABLE, None);
    let before = desk.now_ms();
    assert_eq!(desk.get_chat("777"), ONLINE);
    assert_eq!(desk.now_ms(), before);
    assert_eq!(desk.subscribed(), [JID]);
    assert_eq!(desk.get_chat("777"), ONLINE);
    assert!(desk.subscribed().is_empty());
}

#[test]
fn a_subscribe_request_does_not_wait_for_an_update_and_always_asks_the_engine() {
    let desk = Desk::new();
    let before = desk.now_ms();
    desk.subscribe("777").unwrap();
    desk.subscribe("777").unwrap();
    assert_eq!(desk.now_ms(), before);
    assert_eq!(desk.subscribed(), [JID, JID]);
}

#[test]
fn a_get_that_joins_a_subscribe_request_waits_for_an_update_on_its_own() {
    let desk = Desk::new();
    desk.fake.delay_engine(Duration::from_millis(100));
    let subscribe = desk.ask(chat_request(SUBSCRIBE, "777"));
    let get = desk.ask(chat_request(GET_CHAT, "777"));
    let host = desk.fake.host();
    let timed = async move {
        let status = subscribe.await.unwrap().status();
        (status, host.now_ms())
    };
    let before = desk.now_ms();
    let ((status, subscribed_at), got) = desk.fake.run(futures_util::future::join(timed, get));
    assert_eq!((status, subscribed_at - before), (201, 100));
    assert_eq!(text(&got.unwrap()), EMPTY);
    assert_eq!(desk.now_ms() - before, 1100);
    assert_eq!(desk.subscribed(), [JID]);
}

#[test]
fn a_refusal_is_passed_on_and_the_next_request_tries_again() {
    for (kind, route) in [
        (ErrorKind::ENGINE, GET_CHAT),
        (ErrorKind::TIMEOUT, GET_CHAT),
        (ErrorKind::ENGINE, SUBSCRIBE),
        (ErrorKind::TIMEOUT, SUBSCRIBE),
    ] {
        let desk = Desk::new();
        desk.fake.on_engine(move |_, _, _| Err(PluginError::new(kind, "not today")));
        let error = desk.try_call(chat_request(route, "777")).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.message(), "failed to subscribe to 777@c.us: not today");
        assert_eq!(desk.get_all(), "[]", "it is not marked as subscribed to");
        desk.engine_agrees();
        desk.try_call(chat_request(route, "777")).unwrap();
        assert_eq!(desk.subscribed(), [JID, JID]);
    }
}

#[test]
fn all_joined_requests_get_the_refusal() {
    let desk = Desk::new();
    desk.engine_refuses();
    desk.fake.delay_engine(Duration::from_millis(100));
    let gets = (0..5).map(|_| desk.ask(chat_request(GET_CHAT, "777")));
    for response in desk.fake.run(join_all(gets)) {
        assert_eq!(response.unwrap_err().kind(), ErrorKind::ENGINE);
    }
    assert_eq!(desk.subscribed(), [JID]);
}

#[test]
fn a_refused_subscription_is_an_error_even_if_the_chat_is_known() {
    let desk = Desk::new();
    desk.tell(JID, JID, EngineStatus::AVAILABLE, None);
    desk.engine_refuses();
    let error = desk.try_call(chat_request(GET_CHAT, "777")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ENGINE);
}

#[test]
fn a_recreated_session_joins_no_subscription_of_its_predecessor() {
    let desk = Desk::new();
    desk.fake.delay_engine(Duration::from_secs(60));
    let mut before = Box::pin(desk.ask(chat_request(SUBSCRIBE, "777")));
    assert!(before.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    desk.fake.advance(Duration::from_secs(1));
    desk.event("session.forgotten", "{}").unwrap();
    desk.fake.delay_engine(Duration::ZERO);
    let started = desk.now_ms();
    desk.subscribe("777").unwrap();
    assert_eq!(desk.now_ms(), started, "it does not wait for the answer to the other");
    assert_eq!(desk.subscribed(), [JID, JID]);
}
