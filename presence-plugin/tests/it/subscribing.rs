//! The first GET of a chat: it subscribes once, and waits a little.

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

/// Lets the first update come after a while.
fn news_after(desk: &Desk, ms: u64) {
    let (plugin, sleep) = (desk.plugin.clone(), desk.fake.host().sleep(Duration::from_millis(ms)));
    desk.fake.host().spawn("news", async move {
        sleep.await;
        let update = PresenceUpdate::new(JID, EngineStatus::AVAILABLE, None);
        plugin.on_presence(SESSION, JID, &[update]).unwrap();
    });
}

#[test]
fn the_first_get_subscribes_and_waits_a_second_for_news() {
    let desk = Desk::new();
    let before = desk.now_ms();
    assert_eq!(desk.get_chat("777"), EMPTY);
    assert_eq!(desk.now_ms() - before, 1000);
    assert_eq!(desk.subscribed(), [JID]);
}

#[test]
fn the_wait_is_as_long_as_it_is_configured() {
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
fn news_of_another_chat_does_not_end_the_wait() {
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
fn news_that_comes_before_the_engines_answer_is_enough() {
    let desk = Desk::new();
    desk.fake.delay_engine(Duration::from_millis(200));
    news_after(&desk, 100);
    let before = desk.now_ms();
    assert_eq!(desk.get_chat("777"), ONLINE);
    assert_eq!(desk.now_ms() - before, 200);
}

#[test]
fn concurrent_first_gets_share_one_subscription_and_its_news() {
    let desk = Desk::new();
    news_after(&desk, 300);
    let gets = (0..50).map(|_| desk.ask(chat_request(GET_CHAT, "777")));
    for response in desk.fake.run(join_all(gets)) {
        assert_eq!(text(&response.unwrap()), ONLINE);
    }
    assert_eq!(desk.subscribed(), [JID]);
}

#[test]
fn a_get_that_comes_while_the_first_waits_waits_with_it() {
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
fn the_others_get_their_answer_when_the_first_request_is_dropped() {
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
fn a_subscribed_chat_without_news_is_answered_at_once() {
    let desk = Desk::new();
    desk.subscribe("777").unwrap();
    let before = desk.now_ms();
    assert_eq!(desk.get_chat("777"), EMPTY);
    assert_eq!(desk.now_ms(), before);
    assert_eq!(desk.subscribed(), [JID]);
}

#[test]
fn a_chat_known_by_events_alone_is_subscribed_to_and_answered_at_once() {
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
fn subscribing_does_not_wait_for_news_and_asks_the_engine_each_time() {
    let desk = Desk::new();
    let before = desk.now_ms();
    desk.subscribe("777").unwrap();
    desk.subscribe("777").unwrap();
    assert_eq!(desk.now_ms(), before);
    assert_eq!(desk.subscribed(), [JID, JID]);
}

#[test]
fn a_get_that_joins_a_subscribe_request_waits_for_news_and_the_other_does_not() {
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
fn a_refusal_is_everybodys_who_waits_for_it() {
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
fn a_chat_with_news_whose_subscription_is_refused_is_refused() {
    let desk = Desk::new();
    desk.tell(JID, JID, EngineStatus::AVAILABLE, None);
    desk.engine_refuses();
    let error = desk.try_call(chat_request(GET_CHAT, "777")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ENGINE);
}

#[test]
fn a_session_that_comes_again_joins_no_subscription_of_the_one_before() {
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
