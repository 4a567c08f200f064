//! Who gets which events, and what is made of them.

use std::sync::{Arc, Mutex};

use host_delivery::event_bus::{DeliverySettings, EventBus};

use crate::clock::TestClock;
use crate::receiver::{Receiver, Stage, envelope};

#[tokio::test]
async fn an_endpoint_gets_the_events_it_asked_for_and_a_global_one_those_of_all_sessions() {
    let (mut own, mut global) = (Receiver::start().await, Receiver::start().await);
    let global_webhooks = vec![global.webhook()];
    let stage = Stage::new(DeliverySettings { global_webhooks, ..DeliverySettings::default() });
    stage.bus.set_webhooks("default", vec![own.webhook().events(["session.status"])]);
    stage.emit("chat", "key", 1);
    stage.emit_fifo(2);
    stage.bus.emit(&envelope("other"), "session.status", "status", &[], b"3");
    let sessions = |bodies: Vec<(String, u64)>| {
        let mut bodies = bodies;
        bodies.sort();
        bodies
    };
    let mut all = Vec::new();
    for _ in 0..3 {
        let request = global.next().await;
        let body = request.json();
        all.push((body["session"].as_str().unwrap().to_owned(), body["payload"].as_u64().unwrap()));
        request.answer(200);
    }
    let expected = [("default", 1), ("default", 2), ("other", 3)];
    assert_eq!(sessions(all), expected.map(|(session, n)| (session.to_owned(), n)));
    assert_eq!(own.take(1).await, [2]);
    stage.drain().await;
    assert!(own.at_hand().is_none());
}

#[tokio::test]
async fn nothing_is_rendered_when_nobody_listens() {
    let stage = Stage::with(Vec::new());
    stage.emit("chat", "key", 1);
    assert!(stage.bus.metrics().render().contains("waha_events_emitted_total 0\n"));
}

#[tokio::test]
async fn an_observer_sees_every_event_with_the_same_ids_for_the_same_seed() {
    let run = |seed| {
        let clock = Arc::new(TestClock::at(1_686_719_326_000));
        let bus = EventBus::new(clock, DeliverySettings { seed, ..DeliverySettings::default() });
        let seen = Arc::new(Mutex::new(Vec::new()));
        let observed = seen.clone();
        bus.observe(move |event| {
            assert_eq!(event.payload(), b"{\"a\":1}");
            assert_eq!((event.lane(), event.keys.as_slice().len()), ("chat", 2));
            observed.lock().unwrap().push(event.id.to_string());
        });
        for _ in 0..3 {
            let envelope = envelope("default");
            bus.emit(&envelope, "presence.update", "chat", &["a", "b"], b"{\"a\":1}");
        }
        let seen = seen.lock().unwrap();
        seen.clone()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
    assert!(run(7).is_sorted());
}

#[tokio::test]
async fn an_observer_may_set_webhooks_emit_and_observe() {
    let stage = Stage::with(Vec::new());
    let (bus, seen) = (stage.bus, Arc::new(Mutex::new(Vec::new())));
    let (observed, (done, is_done)) = (seen.clone(), std::sync::mpsc::channel());
    bus.observe({
        let bus = bus.clone();
        move |event| {
            bus.set_webhooks("default", Vec::new());
            bus.remove_session("other");
            observed.lock().unwrap().push(event.event.to_string());
            if &*event.event == "first" {
                bus.observe(|_| {});
                bus.emit(&envelope("default"), "second", "chat", &["a"], b"2");
            }
        }
    });
    // A deadlock must fail the test, not hang it.
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let _inside = runtime.enter();
        bus.emit(&envelope("default"), "first", "chat", &["a"], b"1");
        done.send(()).unwrap();
    });
    is_done.recv_timeout(std::time::Duration::from_secs(10)).expect("no deadlock");
    assert_eq!(*seen.lock().unwrap(), ["first", "second"]);
}
