//! For any sequence of stanzas, requests, reconnects and receiver failures, GET all, GET one and
//! the webhooks match a simple model.

use std::time::Duration;

use conformance_tests::{
    driver::Becomes,
    fuzz::{Act, Change, Effort, Found, fuzz},
};
use mock_engine::MockWaha;
use tokio::{runtime::Handle, sync::watch};

use crate::{
    mutants::{FORGETS_RECORDINGS, Proxy},
    ours::Ours,
    suite::{With, environment},
};

/// A signal that is never sent.
fn never() -> watch::Receiver<bool> {
    watch::channel(false).1
}

/// The result of fuzzing our own server with this effort.
async fn found(seed: u64, effort: Effort) -> Found {
    let ours = Ours::start().await;
    let environment = environment(&ours.url, With { seed, ..With::default() }).await;
    let handle = Handle::current();
    let found = tokio::task::spawn_blocking({
        let environment = environment.clone();
        move || fuzz(&environment, effort, &handle, &never(), |_| {})
    });
    let found = found.await.unwrap();
    environment.restore().await;
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_sequence_matches_the_model() {
    let found = found(7, Effort { cases: 24, length: 20, strict: true }).await;
    assert!(matches!(found, Found::Nothing), "{found:#?}");
}

/// Most of these sequences include a failing receiver, so that the latest webhook arrives late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_sequence_matches_the_model_when_judged_loosely() {
    let found = found(1, Effort { cases: 8, length: 24, strict: false }).await;
    assert!(matches!(found, Found::Nothing), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_ignores_recordings_is_found_and_shrunk_to_a_scenario() {
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
    environment.restore().await;
    let change = |act: &Act| match act {
        Act::Presence { change, .. } => Some(*change),
        _ => None,
    };
    let shrunk: Vec<Option<Change>> = found.acts.iter().map(change).collect();
    assert_eq!(shrunk, [Some(Change::Becomes(Becomes::Recording))], "{found:#?}");
    let again = "conformance fuzz --seed 3 --cases 64 --length 12 --target 'http://127.0.0.1:";
    assert!(found.again.starts_with(again), "{}", found.again);
    assert!(found.again.ends_with(" --timeout 5000ms --settle 20ms"), "{}", found.again);
    assert!(found.scenario.contains(&found.again) && !found.needs_a_failing_receiver());
    // The mock plays the scenario, and its expectations hold there.
    let waha = MockWaha::start(&found.scenario).await.expect(&found.scenario);
    waha.advance("1m".parse().unwrap()).await;
    assert!(waha.unmet().is_empty(), "{:?}\n{}", waha.unmet(), found.scenario);
}
