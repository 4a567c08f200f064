//! A new connection: all subscriptions are renewed.

use std::time::Duration;

use host_abi::{EngineStatus, ErrorKind, Plugin, PluginError};

use crate::desk::{Desk, GET_CHAT, chat_request};

const SECOND: Duration = Duration::from_secs(1);

fn subscribed_to(chats: &[&str]) -> Desk {
    let desk = Desk::new();
    for chat in chats {
        desk.subscribe(chat).unwrap();
    }
    let _ = desk.fake.engine_calls();
    desk
}

fn jids(chats: &[&str]) -> Vec<String> {
    chats.iter().map(|chat| format!("{chat}@s.whatsapp.net")).collect()
}

#[test]
fn each_subscription_is_renewed_in_order_with_pauses() {
    let desk = subscribed_to(&["3", "1", "2"]);
    desk.tell("9@lid", "9@lid", EngineStatus::AVAILABLE, None);
    desk.connection("open");
    desk.fake.settle();
    assert_eq!(desk.subscribed(), jids(&["3"]));
    desk.fake.advance(Duration::from_millis(50));
    assert_eq!(desk.subscribed(), jids(&["1"]));
    desk.fake.advance(SECOND);
    assert_eq!(desk.subscribed(), jids(&["2"]));
}

#[test]
fn every_connection_renews_all_subscriptions() {
    let desk = subscribed_to(&["1", "2"]);
    for _ in 0..3 {
        desk.connection("close");
        desk.connection("open");
        desk.fake.advance(SECOND);
        assert_eq!(desk.subscribed(), jids(&["1", "2"]));
    }
}

#[test]
fn other_changes_of_the_connection_renew_nothing() {
    let desk = subscribed_to(&["1"]);
    desk.connection("connecting");
    desk.connection("close");
    desk.event("connection.update", r#"{"qr":"x"}"#).unwrap();
    desk.fake.advance(SECOND);
    assert!(desk.subscribed().is_empty());
}

#[test]
fn a_newer_connection_takes_over_from_a_running_renewal() {
    let desk = subscribed_to(&["1", "2", "3"]);
    desk.connection("open");
    desk.fake.advance(Duration::from_millis(60));
    assert_eq!(desk.subscribed(), jids(&["1", "2"]));
    desk.connection("open");
    desk.fake.advance(SECOND);
    assert_eq!(desk.subscribed(), jids(&["1", "2", "3"]));
}

#[test]
fn a_lost_connection_ends_the_renewal() {
    let desk = subscribed_to(&["1", "2"]);
    desk.connection("open");
    desk.fake.settle();
    desk.connection("close");
    desk.fake.advance(SECOND);
    assert_eq!(desk.subscribed(), jids(&["1"]));
}

#[test]
fn a_refused_chat_is_retried_by_the_next_connection_or_request() {
    let desk = subscribed_to(&["1", "2"]);
    desk.fake.on_engine(|_, _, args| match args {
        br#"{"jid":"1@s.whatsapp.net"}"# => Err(PluginError::new(ErrorKind::ENGINE, "not today")),
        _ => Ok(b"null".to_vec()),
    });
    desk.connection("open");
    desk.fake.advance(SECOND * 100);
    assert_eq!(desk.subscribed(), jids(&["1", "2"]));

    desk.engine_agrees();
    desk.get_chat("2");
    assert!(desk.subscribed().is_empty());
    desk.get_chat("1");
    assert_eq!(desk.subscribed(), jids(&["1"]));

    desk.connection("open");
    desk.fake.advance(SECOND);
    assert_eq!(desk.subscribed(), jids(&["1", "2"]));
}

#[test]
fn a_chat_that_a_request_has_subscribed_meanwhile_is_skipped() {
    let desk = subscribed_to(&["1", "2"]);
    desk.connection("open");
    desk.fake.settle();
    desk.tell("2@s.whatsapp.net", "2@s.whatsapp.net", EngineStatus::AVAILABLE, None);
    desk.get_chat("2");
    desk.fake.advance(SECOND);
    assert_eq!(desk.subscribed(), jids(&["1", "2"]));
}

#[test]
fn an_answer_for_an_earlier_connection_does_not_count_for_the_current_one() {
    let desk = subscribed_to(&["1"]);
    desk.fake.delay_engine(SECOND);
    let get = desk.ask(chat_request(GET_CHAT, "2"));
    desk.fake.host().spawn("get", async move {
        get.await.unwrap();
    });
    desk.fake.settle();
    desk.connection("open");
    desk.fake.advance(SECOND * 5);
    let _ = desk.subscribed();
    desk.get_chat("2");
    assert_eq!(desk.subscribed(), jids(&["2"]));
}

#[test]
fn nothing_is_renewed_after_the_stop() {
    let desk = subscribed_to(&["1", "2"]);
    desk.connection("open");
    desk.fake.settle();
    desk.fake.run(desk.plugin.clone().stop(SECOND)).unwrap();
    desk.fake.advance(SECOND);
    assert_eq!(desk.subscribed(), jids(&["1"]));
}
