//! The commands other than `serve`: their output and their exit codes.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mock-engine")).args(arguments).output().unwrap()
}

/// Runs an example, which `cargo test` builds beside the program.
fn example(name: &str, arguments: &[&str]) -> Output {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_mock-engine"));
    let example = program.with_file_name("examples").join(name);
    Command::new(example).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn wrong_usage_is_exit_code_2_and_a_failure_is_1() {
    for (arguments, code) in [
        (&["serve", "--listen", "0.0.0.0:0"][..], 2),
        (&["serve", "--speed", "0"][..], 2),
        (&["serve", "--listen", "nowhere"][..], 2),
        (&["serve", "--session", "a/b"][..], 2),
        (&["serve", "--session", "a", "--session", "a"][..], 2),
        (&["serve", "--api-key", "sha512:12"][..], 2),
        (&["serve", "--listen", "127.0.0.1:0", "--webhook-ca", "/nobody.pem"][..], 2),
        (&["serve", "--listen", "127.0.0.1:0", "--webhook-events", "*"][..], 2),
        (&["replay", "lively", "--speed", "-1"][..], 2),
        (&["frobnicate"][..], 2),
        (&["serve", "--scenario", "nobody.toml"][..], 1),
        (&["serve", "--plugin", "/nobody.so", "--listen", "127.0.0.1:0"][..], 1),
        (&["replay", "nothing-like-it"][..], 1),
        (&["check", "/nobody.toml"][..], 1),
        (&["scenario", "list"][..], 0),
        (&["--help"][..], 0),
    ] {
        let output = run(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(code == 0 || !stderr.is_empty(), "{arguments:?} says why");
    }
}

#[test]
fn a_wrong_option_is_reported_before_the_port_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let wrong: [(&[&str], &str); 2] = [
        (&["--webhook-ca", "/nobody.pem"], "--webhook-ca:"),
        (&["--webhook-events", "*"], "--webhook-events:"),
    ];
    for (option, reported) in wrong {
        let output = run(&[&["serve", "--listen", &address], option].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(reported), "{stderr}");
    }
}

#[test]
fn listening_for_everybody_needs_a_key_and_says_so() {
    let stderr = text(&run(&["serve", "--listen", "0.0.0.0:0"]).stderr);
    assert!(stderr.contains("needs --api-key KEY (or WAHA_API_KEY)"), "{stderr}");
}

#[test]
fn record_touches_no_file_before_there_is_something_to_record() {
    let folder = tempfile::tempdir().unwrap();
    let [kept, new] = ["kept.jsonl", "new.jsonl"].map(|name| folder.path().join(name));
    std::fs::write(&kept, "important").unwrap();
    let record = |waha: &str, file: &std::path::Path| {
        let output = run(&["record", "--waha", waha, "-o", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let said = record("ws://127.0.0.1:1/ws", &kept);
    assert!(said.contains("kept.jsonl already exists") && said.contains("--force"), "{said}");
    let said = record("ws://127.0.0.1:1/ws", &new);
    assert!(said.contains("nothing was recorded") && said.contains("refused"), "{said}");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "important");
    assert!(!new.exists());
}

#[test]
fn check_takes_files_and_folders_and_points_at_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    std::fs::write(&path, "[contacts.alice]\nphone = \"1001\"\n").unwrap();
    let ok = run(&["check", folder.path().to_str().unwrap()]);
    assert_eq!(ok.status.code(), Some(0), "{}", text(&ok.stderr));
    assert!(text(&ok.stdout).contains("a.toml: 1 contacts, 0 steps"));
    std::fs::write(
        folder.path().join("b.toml"),
        "[[timeline]]\nat = \"1s\"\nwho = \"alcie\"\ndoes = \"online\"",
    )
    .unwrap();
    let wrong = run(&["check", folder.path().to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(1));
    let stderr = text(&wrong.stderr);
    assert!(stderr.contains("b.toml:3:7: there is no contact \"alcie\""), "{stderr}");
    std::fs::write(folder.path().join("b.toml"), [0xff]).unwrap();
    let stderr = text(&run(&["check", folder.path().to_str().unwrap()]).stderr);
    assert!(stderr.contains("b.toml: stream did not contain valid UTF-8"), "{stderr}");
    let empty = tempfile::tempdir().unwrap();
    let stderr = text(&run(&["check", empty.path().to_str().unwrap()]).stderr);
    assert!(stderr.contains("no scenario (*.toml) found in"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn check_follows_links_to_folders_once() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("a.toml"), "[contacts.alice]\nphone = \"1001\"\n").unwrap();
    std::os::unix::fs::symlink(folder.path(), inner.join("again")).unwrap();
    let output = run(&["check", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 1, "{}", text(&output.stdout));
}

#[test]
fn scrub_writes_over_nothing_unless_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let [raw, kept] = ["raw.jsonl", "kept.jsonl"].map(|name| folder.path().join(name));
    std::fs::write(&raw, "{\"recording\":1,\"started\":5}\n").unwrap();
    std::fs::write(&kept, "important").unwrap();
    let (raw, to) = (raw.to_str().unwrap(), kept.to_str().unwrap());
    let output = run(&["scrub", raw, "-o", to]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("already exists"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "important");
    let output = run(&["scrub", raw, "-o", to, "--force"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(std::fs::read_to_string(&kept).unwrap().starts_with("{\"recording\":1"));
}

#[test]
fn a_broken_expectation_is_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    let scenario = "[contacts.alice]\nphone = \"1001\"\n[[timeline]]\nat = \"1s\"\nexpect = { presence = { chat = \"alice\", is = \"typing\" } }\n";
    std::fs::write(&path, scenario).unwrap();
    let output = run(&["replay", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("a.toml:3 (at 1s): expected alice in alice to be typing, found offline"),
        "{stderr}"
    );
}

#[test]
fn a_scenario_that_never_ends_needs_to_be_told_when() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    let scenario = "[contacts.a]\nphone = \"1001\"\n[[timeline]]\nat = \"1s\"\nrepeat = { every = \"1s\" }\nwho = \"a\"\ndoes = \"typing\"\n";
    std::fs::write(&path, scenario).unwrap();
    let path = path.to_str().unwrap();
    let output = run(&["replay", path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("limit it, for example with --for 10m"));
    let output = run(&["replay", path, "--for", "5s", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let typing = text(&output.stdout).matches("composing").count();
    assert_eq!(typing, 5, "{}", text(&output.stdout));
}

#[test]
fn the_wire_stands_a_short_fuzz() {
    let output = example("fuzz", &["--cases", "20000", "--seed", "3"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_load_run_loses_nothing() {
    let output =
        example("load", &["--events", "2000", "--chats", "50", "--receivers", "2", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["lost"], 0, "{report}");
    assert_eq!(report["backwards"], 0, "{report}");
}
