//! The same seed and scenario give the same output, byte for byte.

use std::process::Command;

fn replay(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_mock-engine"))
        .arg("replay")
        .args(arguments)
        .arg("--json")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!output.stdout.is_empty());
    output.stdout
}

const AFTERNOON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/an-afternoon.toml");

const TWO_SESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/two-sessions.toml");

#[test]
fn a_replay_does_not_depend_on_threads_or_speed() {
    for scenario in [AFTERNOON, TWO_SESSIONS, "large-group-storm", "reconnect"] {
        let first = replay(&[scenario]);
        for workers in ["1", "2", "3", "4", "5", "8"] {
            assert!(replay(&[scenario, "--workers", workers]) == first, "{scenario} {workers}");
        }
    }
    let first = replay(&[AFTERNOON]);
    assert!(replay(&[AFTERNOON, "--speed", "100000"]) == first);
}

#[test]
fn another_seed_is_another_afternoon() {
    assert!(replay(&[AFTERNOON, "--seed", "1"]) != replay(&[AFTERNOON, "--seed", "2"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_runs_in_one_process_are_alike() {
    let run = || async {
        let scenario = mock_engine::Scenario::embedded("large-group-storm").unwrap();
        let waha = mock_engine::MockWaha::builder().scenario(scenario).build().unwrap();
        waha.begin().await;
        waha.advance("2m".parse().unwrap()).await;
        (waha.engine().events("default"), waha.get("/api/default/presence").await)
    };
    assert!(run().await == run().await);
}
