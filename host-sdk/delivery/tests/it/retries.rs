//! When a refused request goes again, and when it is given up; on a clock that stands still.

use std::time::Duration;

use host_delivery::webhook::RetryPolicy;
use http::Response;

use crate::receiver::{Body, Receiver, Stage, retries};

/// Refuses all attempts of one event: the waits between them in milliseconds.
async fn schedule(policy: RetryPolicy) -> Vec<u128> {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook().retries(retries(policy, 2, 5))]);
    stage.emit_fifo(1);
    let mut waits = Vec::new();
    for _ in 0..4 {
        receiver.next().await.answer(500);
        waits.push(stage.wait_out().await.as_millis());
    }
    receiver.next().await.answer(500);
    stage.drain().await;
    assert_eq!(stage.count("failed_total"), 1, "five attempts in all");
    waits
}

#[tokio::test]
async fn constant_retries_wait_the_same_each_time() {
    assert_eq!(schedule(RetryPolicy::Constant).await, [2_000, 2_000, 2_000, 2_000]);
}

#[tokio::test]
async fn linear_retries_wait_longer_by_the_same() {
    assert_eq!(schedule(RetryPolicy::Linear).await, [2_000, 4_000, 6_000, 8_000]);
}

#[tokio::test]
async fn exponential_retries_double_their_wait_and_add_up_to_a_fifth() {
    let waits = schedule(RetryPolicy::Exponential).await;
    for (wait, least) in waits.iter().zip([2_000, 4_000, 8_000, 16_000]) {
        assert!((least..=least * 6 / 5).contains(wait), "{waits:?}");
    }
    assert_eq!(waits, schedule(RetryPolicy::Exponential).await, "the seed decides");
}

#[tokio::test]
async fn an_event_keeps_its_id_and_its_bytes_over_retries() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    stage.emit("chat", "key", 1);
    let first = receiver.next().await;
    let (id, body) = (first.header("x-webhook-request-id").to_owned(), first.body.clone());
    first.answer(410);
    stage.emit("chat", "key", 2);
    stage.wait_out().await;
    let again = receiver.next().await;
    assert_eq!((again.header("x-webhook-request-id"), &again.body), (id.as_str(), &body));
    again.answer(200);
    assert_eq!(receiver.take(1).await, [2]);
    stage.drain().await;
}

#[tokio::test]
async fn a_receiver_may_ask_for_a_longer_wait() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    stage.emit("chat", "key", 1);
    let mut waits = Vec::new();
    let now = Duration::from_millis(stage.now_ms() + 2_000 + 7_000 + 300_000);
    let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + now + Duration::from_secs(60));
    for asked in ["1", "7", "86400", &date] {
        let response = Response::builder().status(429).header("retry-after", asked);
        receiver.next().await.respond(response.body(Body::default()).unwrap());
        waits.push(stage.wait_out().await.as_secs());
    }
    assert_eq!(waits, [2, 7, 300, 60], "not shorter than its own wait, not longer than the limit");
    receiver.take(1).await;
    stage.drain().await;
}

#[tokio::test]
async fn without_configured_attempts_a_last_state_goes_on_at_the_breakers_pace() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook()]);
    stage.emit("chat", "a", 1);
    let mut waits = Vec::new();
    for _ in 0..21 {
        receiver.next().await.answer(400);
        waits.push(stage.wait_out().await.as_secs());
    }
    assert_eq!(waits[..14], [2; 14]);
    assert_eq!(waits[14..], [1, 2, 4, 8, 16, 30, 30]);
    receiver.next().await.answer(400);
    stage.clock.next_timer().await;
    stage.emit("chat", "b", 2);
    assert_eq!(receiver.take(1).await, [2], "another key of the chat is not held up");
    stage.emit("chat", "a", 3);
    assert_eq!(receiver.take(1).await, [3], "a newer state takes the refused one's place");
    stage.drain().await;
    assert!(receiver.at_hand().is_none());
}

#[tokio::test]
async fn configured_attempts_bound_the_requests_whatever_the_receiver_answers() {
    for (attempts, requests) in [(0, 1), (1, 1), (3, 3)] {
        for status in [400, 500, 502, 503, 504] {
            let mut receiver = Receiver::start().await;
            let webhook = receiver.webhook().retries(retries(RetryPolicy::Constant, 2, attempts));
            let stage = Stage::with(vec![webhook]);
            stage.emit("chat", "a", 1);
            let mut ids = Vec::new();
            for n in 1..=requests {
                let request = receiver.next().await;
                ids.push(request.header("x-webhook-request-id").to_owned());
                request.answer(status);
                if n < requests {
                    stage.wait_out().await;
                }
            }
            while stage.count("failed_total") == 0 {
                tokio::task::yield_now().await;
            }
            stage.clock.advance(Duration::from_secs(3600));
            tokio::task::yield_now().await;
            assert!(receiver.at_hand().is_none(), "nothing is asked again");
            let health = &stage.bus.health()[0];
            assert!(health.up && health.refusing == Some(status), "{health:?}");
            assert_eq!((health.refusals, health.given_up), (requests, 1));
            stage.emit("other", "b", 2);
            assert_eq!(receiver.take(1).await, [2]);
            let again = receiver.next().await;
            assert_eq!(again.payload(), 1, "it goes once more");
            assert!(again.header("x-webhook-request-id") > ids[0].as_str(), "as a new event");
            again.answer(200);
            stage.drain().await;
            assert_eq!(stage.bus.health()[0].refusing, None);
        }
    }
}

#[tokio::test]
async fn a_state_that_is_not_the_last_is_given_up_after_its_attempts() {
    let mut receiver = Receiver::start().await;
    let stage = Stage::with(vec![receiver.webhook().retries(retries(RetryPolicy::Constant, 2, 2))]);
    stage.emit("chat", "a", 1);
    stage.emit("chat", "a", 2);
    receiver.next().await.answer(400);
    stage.wait_out().await;
    receiver.next().await.answer(400);
    assert_eq!(receiver.take(1).await, [2]);
    stage.drain().await;
    assert_eq!((stage.count("failed_total"), stage.count("delivered_total")), (1, 1));
}
