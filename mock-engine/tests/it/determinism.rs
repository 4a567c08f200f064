//! The same seed and scenario give the same output, byte for byte.

use std::process::Command;

use proptest::{prelude::*, sample::select};

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

fn act() -> impl Strategy<Value = String> {
    let in_group = prop_oneof![Just(""), Just(", in = \"team\"")];
    let chatting = (select(vec!["typing", "recording", "paused", "message"]), in_group);
    let does = prop_oneof![
        select(vec!["online", "offline"]).prop_map(|does| format!("does = \"{does}\"")),
        chatting.prop_map(|(does, chat)| format!("does = \"{does}\"{chat}")),
    ];
    (select(vec!["alice", "bob"]), does).prop_map(|(who, does)| format!("who = \"{who}\", {does}"))
}

fn fault() -> impl Strategy<Value = String> {
    let send =
        select(vec!["", "send = \"error\",", "send = \"hang\",", "send = { late = \"3s\" },"]);
    let chance = || select(vec!["0", "0.5", "1"]);
    let delay = select(vec!["", "delay = { probability = 0.5, by = \"2s\" },"]);
    let lost = select(vec!["", "disconnect = { every = \"5s\", away = \"1s\" },"]);
    (send, chance(), chance(), chance(), delay, lost).prop_map(
        |(send, duplicate, reorder, malformed, delay, lost)| {
            format!(
                "fault = {{ {send} {delay} {lost} duplicate = {duplicate}, reorder = {reorder}, \
                 malformed = {malformed} }}"
            )
        },
    )
}

/// A play of three sessions in which much happens at the same time.
fn play() -> impl Strategy<Value = String> {
    let other = select(vec![
        "connection = \"open\"",
        "connection = \"close\"",
        "connection = \"close\", code = 401",
        "subscribe = [\"alice\", \"team\", \"bob\"]",
        "stanza = { tag = \"presence\", attrs = { from = \"777@s.whatsapp.net\" } }",
        "expect = { presence = { chat = \"team\", participant = \"alice\", is = \"typing\" } }",
    ]);
    let action = prop_oneof![3 => act(), 1 => fault(), 3 => other.prop_map(str::to_owned)];
    let session = select(vec!["", "session = \"one\",", "session = \"two\","]);
    let repeat = select(vec!["", "repeat = { every = \"1s\", times = 3 },"]);
    let step = (select(vec![0, 0, 1, 2, 5, 5, 8, 20]), session, repeat, action).prop_map(
        |(at, session, repeat, action)| {
            format!("{{ at = \"{at}s\", {session} {repeat} {action} }},\n")
        },
    );
    prop::collection::vec(step, 10..40).prop_map(|steps| {
        format!(
            "duration = \"40s\"\ntimeline = [\n{}]\n[sessions.one]\n[sessions.two]\n[sessions.three]\n{}",
            steps.concat(),
            super::PEOPLE
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_at_the_same_time_happens_in_one_order(text in play()) {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let replay = |workers: Option<&str>| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mock-engine"));
            command.arg("replay").arg(file.path()).arg("--json");
            if let Some(workers) = workers {
                command.args(["--workers", workers]);
            }
            let output = command.output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            // Expectations need not hold here.
            assert!(matches!(output.status.code(), Some(0 | 1)), "{stderr}");
            assert!(!output.stdout.is_empty() && !stderr.contains("panicked"), "{stderr}");
            output.stdout
        };
        let first = replay(None);
        for workers in ["1", "2", "4", "8"] {
            prop_assert!(replay(Some(workers)) == first, "{workers} workers");
        }
    }
}
