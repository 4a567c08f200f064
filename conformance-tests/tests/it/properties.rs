//! For any sequence of stanzas, requests, reconnects and failures of the receiver, GET all, GET one
//! and the webhooks agree with a plain model.

use conformance_tests::fuzz::{Effort, Found, fuzz};
use tokio::runtime::Handle;

use crate::{
    ours::Ours,
    suite::{With, environment},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_sequence_ends_as_the_model_says() {
    let ours = Ours::start().await;
    let environment = environment(&ours.url, With { seed: 7, ..With::default() }).await;
    let (handle, effort) = (Handle::current(), Effort { cases: 24, length: 20, strict: true });
    let found = tokio::task::spawn_blocking({
        let environment = environment.clone();
        move || fuzz(&environment, effort, &handle, |_| {})
    });
    let found = found.await.unwrap();
    environment.put_all_back().await;
    assert!(matches!(found, Found::Nothing), "{found:#?}");
}
