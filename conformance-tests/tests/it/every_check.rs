//! Our own server passes every check of all profiles.

use conformance_tests::{Outcome, catalogue, report::terminal};
use serde_json::{Value, json};

use crate::{
    ours::Ours,
    suite::{With, all, environment, try_all},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_check_passes_and_none_is_skipped() {
    let ours = Ours::start_with(json!({})).await;
    let before = names(&ours).await;
    let environment = environment(&ours.url, With::default()).await;
    let report = try_all(&environment, all()).await;
    let text = terminal::render(&report, false);
    assert_eq!(report.count(Outcome::Pass), catalogue().len(), "{text}");
    assert_eq!(names(&ours).await, before, "the target is restored");
}

/// The sessions' names and configurations.
pub(crate) async fn names(ours: &Ours) -> Vec<(Value, Value)> {
    let (_, sessions) = ours.call("GET", "/api/sessions", None).await;
    let sessions: Vec<Value> = serde_json::from_str(&sessions).unwrap();
    sessions.iter().map(|it| (it["name"].clone(), it["config"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_driver_the_report_names_what_was_not_checked() {
    let ours = Ours::start().await;
    let environment = environment(&ours.url, With { driver: false, ..With::default() }).await;
    let report = try_all(&environment, all()).await;
    let text = terminal::render(&report, false);
    assert!(report.holds(), "{text}");
    let mut skipped: Vec<&str> =
        report.not_checked().into_iter().flat_map(|(_, checks)| checks).collect();
    let mut driven: Vec<&str> =
        catalogue().iter().filter(|check| check.needs_driver()).map(|check| check.id).collect();
    skipped.sort_unstable();
    driven.sort_unstable();
    assert_eq!(skipped, driven);
    assert_eq!(report.count(Outcome::Pass), catalogue().len() - driven.len(), "{text}");
    assert!(text.contains("Not checked"));
    for id in driven {
        assert!(text.contains(id), "{id}");
    }
}
