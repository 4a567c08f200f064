//! For any sequence of stanzas, requests, reconnects and failures of the receiver, GET all, GET one
//! and the webhooks agree with a plain model.

use std::time::Duration;

use conformance_tests::{
    driver::Becomes,
    fuzz::{Act, Effort, Found, Told, fuzz},
};
use mock_engine::MockWaha;
use tokio::{runtime::Handle, sync::watch};

use crate::{
    mutants::{FORGETS_RECORDINGS, Proxy},
    ours::Ours,
    suite::{With, environment},
};

/// Nobody stops it.
fn never() -> watch::Receiver<bool> {
    watch::channel(false).1
}

/// What is found in so much effort, on our own server.
async fn found(seed: u64, effort: Effort) -> Found {
    let ours = Ours::start().await;
    let environment = environment(&ours.url, With { seed, ..With::default() }).await;
    let handle = Handle::current();
    let found = tokio::task::spawn_blocking({
        let environment = environment.clone();
        move || fuzz(&environment, effort, &handle, &never(), |_| {})
    });
    let found = found.await.unwrap();
    environment.put_all_back().await;
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_sequence_ends_as_the_model_says() {
    let found = found(7, Effort { cases: 24, length: 20, strict: true }).await;
    assert!(matches!(found, Found::Nothing), "{found:#?}");
}

/// Most of these have receivers that fail, so that the latest webhook comes late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_sequence_ends_so_too_when_it_is_judged_loosely() {
    let found = found(1, Effort { cases: 8, length: 24, strict: false }).await;
    assert!(matches!(found, Found::Nothing), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_forgets_recordings_is_found_and_shrunk_to_a_scenario() {
    let ours = Ours::start().await;
    let proxy = Proxy::start(&ours.url, &FORGETS_RECORDINGS).await;
    let with = With { seed: 3, settle: Duration::from_millis(20), ..With::default() };
    let environment = environment(&proxy.url, with).await;
    let (handle, effort) = (Handle::current(), Effort { cases: 64, length: 12, strict: false });
    let found = tokio::task::spawn_blocking({
        let environment = environment.clone();
        move || fuzz(&environment, effort, &handle, &never(), |_| {})
    });
    let Found::Counterexample(found) = found.await.unwrap() else { panic!("nothing found") };
    environment.put_all_back().await;
    let told = |act: &Act| match act {
        Act::Tells { told, .. } => Some(*told),
        _ => None,
    };
    let shrunk: Vec<Option<Told>> = found.acts.iter().map(told).collect();
    assert_eq!(shrunk, [Some(Told::Becomes(Becomes::Recording))], "{found:#?}");
    let again = "conformance fuzz --seed 3 --cases 64 --length 12 --target 'http://127.0.0.1:";
    assert!(found.again.starts_with(again), "{}", found.again);
    assert!(found.again.ends_with(" --timeout 5000ms --settle 20ms"), "{}", found.again);
    assert!(found.scenario.contains(&found.again) && !found.needs_a_failing_receiver());
    // The scenario is one that the mock plays, and what it expects holds there.
    let waha = MockWaha::start(&found.scenario).await.expect(&found.scenario);
    waha.advance("1m".parse().unwrap()).await;
    assert!(waha.unmet().is_empty(), "{:?}\n{}", waha.unmet(), found.scenario);
}
