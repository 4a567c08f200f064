//! Receivers that are down, silent, killed and started again.

use std::time::Duration;

use futures_util::FutureExt;
use host_delivery::{event_bus::DeliverySettings, lane::Limits, webhook::RetryPolicy};
use serde_json::Value;

use crate::receiver::{Port, Receiver, Stage, pass, retries};

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<Value> {
    range.map(Value::from).collect()
}

#[tokio::test]
async fn a_dead_endpoint_does_not_delay_a_live_one() {
    let mut live = Receiver::start().await;
    let nobody = Port::new();
    let stage = Stage::with(vec![nobody.webhook(), live.webhook()]);
    for payload in 1..=60 {
        stage.emit("chat", "key", payload);
    }
    assert_eq!(live.take(60).await, numbers(1..=60));
    // The last answer is on its way back.
    while stage.bus.health()[1].waiting > 0 {
        tokio::task::yield_now().await;
    }
    let leftovers = stage.bus.drain(Duration::ZERO).await;
    assert_eq!((leftovers.webhook_events, leftovers.endpoints.len()), (60, 1));
}

#[tokio::test]
async fn an_endpoint_that_is_down_uses_up_no_attempts_and_then_gets_all_in_order() {
    let first = Receiver::start().await;
    let webhook = first.webhook().retries(retries(RetryPolicy::Constant, 2, 2));
    let port = first.kill().await;
    let stage = Stage::with(vec![webhook]);
    stage.emit_fifo(1);
    let mut waits = Vec::new();
    for _ in 0..12 {
        waits.push(stage.wait_out().await.as_secs());
    }
    assert_eq!(waits, [2, 2, 2, 2, 1, 2, 4, 8, 16, 30, 30, 30], "four retries, then probes");
    let health = stage.bus.health();
    assert!(!health[0].up && health[0].waiting == 1, "{health:?}");
    assert!(health[0].last_error.as_ref().unwrap().contains("failed to connect"), "{health:?}");
    for payload in 2..=40 {
        stage.emit_fifo(payload);
        stage.emit("chat", "key", payload);
    }
    stage.clock.next_timer().await;
    let mut second = Receiver::start_at(port);
    stage.wait_out().await;
    let probe = second.next().await;
    assert!(second.at_hand().is_none(), "one probe and nothing beside it");
    let mut got = vec![probe.json()];
    probe.answer(200);
    for _ in 0..78 {
        let request = second.next().await;
        got.push(request.json());
        request.answer(200);
    }
    let of = |event: &str| -> Vec<Value> {
        let own = got.iter().filter(|body| body["event"] == *event);
        own.map(|body| body["payload"].clone()).collect()
    };
    assert_eq!(of("session.status"), numbers(1..=40));
    assert_eq!(of("presence.update"), numbers(2..=40));
    stage.drain().await;
    assert!(stage.bus.health()[0].up);
    assert_eq!(stage.count("failed_total"), 0);
}

#[tokio::test]
async fn a_receiver_killed_and_started_again_under_load_ends_with_the_truth() {
    let mut receiver = Receiver::start().await;
    let limits = Limits { lane_depth: 4, ..Limits::default() };
    let stage = Stage::new(DeliverySettings { limits, ..DeliverySettings::default() });
    stage.bus.set_webhooks("default", vec![receiver.webhook()]);
    let mut view = std::collections::BTreeMap::new();
    let mut payload = 0;
    for _ in 0..3 {
        for _ in 0..500 {
            payload += 1;
            stage.emit(&(payload % 7).to_string(), &(payload % 35).to_string(), payload);
        }
        for _ in 0..20 {
            let request = loop {
                tokio::select! {
                    biased;
                    request = receiver.next() => break request,
                    _ = stage.wait_out() => {}
                }
            };
            let seen = request.payload().as_u64().unwrap();
            let last = view.insert(seen % 35, seen).unwrap_or(0);
            assert!(seen >= last, "went back from {last} to {seen}");
            request.answer(200);
        }
        let port = receiver.kill().await;
        while stage.bus.health()[0].up {
            // Failures come until the breaker opens; their retries wait for the clock.
            stage.wait_out().await;
        }
        receiver = Receiver::start_at(port);
    }
    let mut draining = Box::pin(stage.bus.drain(Duration::from_secs(30)));
    let leftovers = loop {
        tokio::select! {
            leftovers = &mut draining => break leftovers,
            request = receiver.next() => {
                let seen = request.payload().as_u64().unwrap();
                let last = view.insert(seen % 35, seen).unwrap_or(0);
                assert!(seen >= last, "went back from {last} to {seen}");
                request.answer(200);
            }
        }
    };
    assert!(leftovers.is_empty(), "{leftovers:?}");
    let truth: Vec<u64> = (payload - 34..=payload).collect();
    let mut seen: Vec<u64> = view.into_values().collect();
    seen.sort_unstable();
    assert_eq!(seen, truth);
}

#[tokio::test]
async fn a_proxy_that_has_lost_its_receiver_counts_as_down() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    stage.emit_fifo(1);
    for status in [502, 503, 504, 502, 503, 504, 502] {
        receiver.next().await.answer(status);
        stage.wait_out().await;
    }
    assert!(!stage.bus.health()[0].up);
    assert_eq!(receiver.take(1).await, [1]);
    stage.drain().await;
}

#[tokio::test]
async fn a_receiver_that_says_nothing_is_given_up_after_the_time_out_and_tried_again() {
    let mut receiver = Receiver::start().await;
    let request_timeout = Duration::from_millis(50);
    let stage = Stage::new(DeliverySettings { request_timeout, ..DeliverySettings::default() });
    stage.bus.set_webhooks("default", vec![receiver.webhook()]);
    stage.emit("chat", "key", 1);
    let silent = receiver.next().await;
    assert_eq!(stage.wait_out().await.as_secs(), 2);
    let again = receiver.next().await;
    assert_eq!(again.payload(), 1);
    again.answer(200);
    // On a busy machine even that answer may have come too late.
    let mut draining = Box::pin(stage.drain());
    loop {
        tokio::select! {
            () = &mut draining => break,
            request = receiver.next() => request.answer(200),
            _ = stage.wait_out() => {}
        }
    }
    drop(silent);
}

#[tokio::test]
async fn an_answer_after_25_seconds_counts_and_one_after_30_comes_too_late() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    stage.emit("slow", "key", 1);
    let slow = receiver.next().await;
    pass(Duration::from_secs(25)).await;
    stage.emit("quick", "key", 2);
    assert_eq!(receiver.take(1).await, [2]);
    slow.answer(200);
    while stage.bus.health()[0].waiting > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.count("retried_total"), 0);
    stage.emit("slow", "key", 3);
    let silent = receiver.next().await;
    pass(Duration::from_secs(30)).await;
    stage.wait_out().await;
    assert_eq!(receiver.take(1).await, [3]);
    assert_eq!(stage.count("retried_total"), 1);
    stage.drain().await;
    drop(silent);
}

#[tokio::test]
async fn a_removed_endpoint_that_is_down_keeps_no_timer() {
    let nobody = Port::new();
    let stage = Stage::with(vec![nobody.webhook()]);
    stage.emit_fifo(1);
    while stage.bus.health()[0].up {
        stage.wait_out().await;
    }
    stage.clock.next_timer().await;
    stage.bus.remove_session("default");
    while stage.clock.next_timer().now_or_never().is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_waits_for_its_time_is_tried_at_once_when_the_end_is_near() {
    let mut receiver = Receiver::start().await;
    let stage =
        Stage::with(vec![receiver.webhook().retries(retries(RetryPolicy::Constant, 3600, 9))]);
    stage.emit("chat", "key", 1);
    receiver.next().await.answer(500);
    stage.clock.next_timer().await;
    let drain = tokio::spawn({
        let bus = stage.bus.clone();
        async move { bus.drain(Duration::from_secs(30)).await }
    });
    assert_eq!(receiver.take(1).await, [1]);
    assert!(drain.await.unwrap().is_empty());
    stage.emit("chat", "key", 2);
    stage.clock.advance(Duration::from_secs(3600));
    assert!(receiver.at_hand().is_none(), "nothing is taken after the end");
}

#[tokio::test]
async fn a_receiver_that_comes_back_while_the_gateway_ends_gets_what_waits() {
    let port = Receiver::start().await.kill().await;
    let stage = Stage::with(vec![port.webhook()]);
    stage.emit("chat", "key", 1);
    while stage.bus.health()[0].up {
        stage.wait_out().await;
    }
    let failures = stage.count("retried_total");
    let mut draining = Box::pin(stage.bus.drain(Duration::from_secs(30)));
    // The clock stands still, and the first probe finds nobody.
    while stage.count("retried_total") == failures {
        assert!(draining.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    let mut receiver = Receiver::start_at(port);
    let (leftovers, got) = tokio::join!(draining, receiver.take(1));
    assert_eq!((leftovers.is_empty(), got), (true, numbers(1..=1)));
}

#[tokio::test]
async fn a_receiver_too_slow_for_the_end_gets_the_last_states() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    for payload in 1..=20 {
        stage.emit("chat", "key", payload);
    }
    let first = receiver.next().await;
    pass(Duration::from_secs(10)).await;
    first.answer(200);
    let second = receiver.next().await;
    // 18 times 10 s are more than there is.
    let drain = tokio::spawn({
        let bus = stage.bus.clone();
        async move { bus.drain(Duration::from_secs(30)).await }
    });
    while stage.count("conflated_total") < 17 {
        tokio::task::yield_now().await;
    }
    second.answer(200);
    assert_eq!(receiver.take(1).await, [20]);
    assert!(drain.await.unwrap().is_empty());
}
