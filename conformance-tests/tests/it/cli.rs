//! The command `conformance`: its words, its reports, its exit codes, and how it ends.

use std::process::{Output, Stdio};

use conformance_tests::{catalogue, find};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    every_check::names,
    ours::{KEY, Ours},
};

fn conformance(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    for variable in ["WAHA_URL", "WAHA_API_KEY", "WAHA_PEER_API_KEY"] {
        command.env_remove(variable);
    }
    command
}

async fn ended(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = conformance(args).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A run against our server with the mock driver.
async fn run(ours: &Ours, more: &[&str]) -> (Option<i32>, String, String) {
    let driver = format!("mock:{}", ours.url);
    let mut args = vec!["run", "--target", &ours.url, "--api-key", KEY, "--driver", &driver];
    args.extend(["--settle", "100ms", "--seed", "5"]);
    args.extend(more);
    ended(&args).await
}

#[tokio::test]
async fn list_names_every_check_with_its_level() {
    let (code, out, _) = ended(&["list"]).await;
    assert_eq!(code, Some(0));
    for check in catalogue() {
        let listed = |line: &str| line.ends_with(check.id) && line.contains(check.level.as_str());
        assert!(out.lines().any(listed), "{}", check.id);
    }
    let (_, documented, _) =
        ended(&["list", "--profile", "documentation", "presence/get-all"]).await;
    assert!(documented.contains("presence/get-all/lists-groups"));
    assert!(!documented.contains("presence/get-all/order-is-first-seen"));
}

#[tokio::test]
async fn explain_says_what_a_check_asks_for_and_why() {
    let (code, out, _) =
        ended(&["explain", "presence/get-chat/direct-chat-has-one-participant"]).await;
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("explain", out);
}

#[tokio::test]
async fn explain_coverage_has_each_statement_with_its_checks() {
    let (code, out, _) = ended(&["explain", "--coverage"]).await;
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("coverage", out);
}

#[tokio::test]
async fn wrong_usage_is_2_and_says_what_would_be_right() {
    let target = "http://127.0.0.1:1";
    let cases: [(&[&str], &str); 18] = [
        (
            &["explain", "presence/get-all/lists-direct-chat"],
            "did you mean presence/get-all/lists-direct-chats?",
        ),
        (&["run"], "--target"),
        (&["run", "--target", "localhost:3000"], "expected http://host:port"),
        (&["run", "--target", target, "presence/get-chatt"], "did you mean presence/get-chat?"),
        (&["run", "--target", target, "--report", "xml=a"], "expected junit=FILE"),
        (&["run", "--target", target, "--timeout", "5"], "expected 300ms, 5s or 2m"),
        (&["run", "--target", target, "--skip", "presence/set/x"], "there is no check"),
        (
            &["run", "--target", target, "--known-failing", "@/no/such/file"],
            "failed to read /no/such/file",
        ),
        (&["run", "--target", target, "--timeout", "0s"], "expected more than no time"),
        (&["run", "--target", target, "--report", "junit=/no/such/file"], "failed to create"),
        (&["run", "--target", target, "--report", "tap=-,junit=-"], "only one report"),
        (&["run", "--target", target, "--advertise", "foo"], "expected http://host:port"),
        (&["run", "--target", target, "--advertise", "http://a/b"], "expected http://host:port"),
        (&["run", "--target", target, "--bind", "0.0.0.0:0"], "say with --advertise"),
        (&["list", "presence/get-chatt"], "did you mean presence/get-chat?"),
        (&["list", "nope/"], "there is no check"),
        (&["explain", "nope"], "there is no check"),
        (&["frobnicate"], "unrecognized subcommand"),
    ];
    for (args, says) in cases {
        let (code, _, error) = ended(args).await;
        assert_eq!(code, Some(2), "{args:?}: {error}");
        assert!(error.contains(says), "{args:?}: {error}");
    }
}

#[tokio::test]
async fn a_driver_that_is_none_is_wrong_usage_and_one_that_is_away_is_not_reached() {
    let ours = Ours::start().await;
    let with = |driver: &'static str| {
        let url = ours.url.clone();
        async move { ended(&["run", "--target", &url, "--api-key", KEY, "--driver", driver]).await }
    };
    let (code, _, error) = with("robot:x").await;
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("expected mock:URL, exec:COMMAND"), "{error}");
    let (code, _, error) = with("mock:http://127.0.0.1:1").await;
    assert_eq!(code, Some(3), "{error}");
    assert!(error.contains("no control API at http://127.0.0.1:1"), "{error}");
    let (code, _, error) = with("mock:nonsense").await;
    assert_eq!(code, Some(2), "{error}");
    let (code, _, error) = with("peer:http://127.0.0.1:1").await;
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("it names no session"), "{error}");
    let (code, _, error) = with("exec:read line; echo nonsense").await;
    assert_eq!(code, Some(3), "{error}");
    assert!(error.contains("answered \"nonsense\""), "{error}");
    let (code, _, error) = with("manual").await;
    assert_eq!(code, Some(3), "{error}");
    assert!(error.contains("standard input has ended"), "{error}");
}

#[tokio::test]
async fn a_driver_that_says_nothing_is_named_and_not_waited_for() {
    let ours = Ours::start().await;
    let with = |driver: &'static str| {
        let url = ours.url.clone();
        let more = ["--timeout", "200ms", "presence/get-chat/direct-chat-has-one-participant"];
        async move {
            let mut args = vec!["run", "--target", &url, "--api-key", KEY, "--driver", driver];
            args.extend(more);
            ended(&args).await
        }
    };
    let (code, _, error) = with("exec:exec sleep 1000").await;
    assert_eq!(code, Some(3), "{error}");
    assert!(error.contains("exec:exec sleep 1000: the command gave no answer within"), "{error}");
    let hello =
        r#"exec:read l; echo '{"ok":true,"abilities":["presence","people"]}'; exec sleep 1000"#;
    let (code, out, error) = with(hello).await;
    assert_eq!(code, Some(3), "{out}{error}");
    assert!(out.contains("the driver failed: the command gave no answer within"), "{out}");
}

#[tokio::test]
async fn a_session_that_is_not_there_is_said_once() {
    let ours = Ours::start().await;
    let args = ["run", "--target", &ours.url, "--api-key", KEY, "--session", "nope"];
    let (code, out, error) = ended(&args).await;
    assert_eq!((code, out.as_str()), (Some(3), ""));
    assert!(error.contains("it has no session \"nope\"; it has default, web"), "{error}");
}

/// Standard output or a report that takes nothing: the verdict is not lost with it.
#[tokio::test]
async fn what_cannot_be_written_is_a_failure_that_is_said() {
    let ours = Ours::start().await;
    let check = "presence/get-all/answers-200-with-an-array";
    let (code, out, error) = run(&ours, &[check, "--report", "junit=/dev/full"]).await;
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("failed to write /dev/full"), "{error}");
    assert!(out.contains("all 1 checks held") || out.contains("1 pass"), "{out}");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = conformance(&["list"]).stdout(full).status().await.unwrap();
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn a_missing_key_is_said() {
    let ours = Ours::start().await;
    let (code, _, error) = ended(&["run", "--target", &ours.url]).await;
    assert_eq!(code, Some(3));
    assert!(error.contains("it asks for an API key (401); give it as --api-key"), "{error}");
}

#[tokio::test]
async fn all_reports_of_a_run_can_be_read() {
    let ours = Ours::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (junit, html, tap) = (file("r.xml"), file("r.html"), file("r.tap"));
    let reports = [
        format!("junit={junit}"),
        format!("html={html}"),
        format!("tap={tap}"),
        "json=-".to_owned(),
    ];
    let mut more = vec!["--profile", "extensions", "--strict"];
    let reports = reports.join(",");
    more.extend(["--report", &reports]);
    more.extend(["presence", "engines"]);
    let (code, out, error) = run(&ours, &more).await;
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    let json: Value = serde_json::from_str(&out).expect("nothing but JSON on the pipe");
    assert_eq!(json["conforms"], true);
    assert_eq!(json["seed"], 5);
    let checks = json["checks"].as_array().unwrap().len();
    assert_eq!(json["counts"]["pass"], checks);

    let read = std::fs::read_to_string(junit).unwrap();
    let junit = quick_junit::Report::deserialize_from_str(&read).unwrap();
    assert_eq!((junit.tests, junit.failures, junit.errors), (checks, 0, 0));

    let tap = std::fs::read_to_string(tap).unwrap();
    assert!(tap.starts_with(&format!("TAP version 14\n1..{checks}\nok 1 - presence/get-all/")));
    assert!(!tap.contains("not ok"));

    let html = std::fs::read_to_string(html).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    assert!(html.contains("direct-chat-has-one-participant"));
    assert!(!html.contains(KEY) && !out.contains(KEY), "no report shows the key");
    assert!(html.contains("$WAHA_API_KEY"));
}

#[tokio::test]
async fn a_known_failure_that_passes_is_a_failure() {
    let ours = Ours::start().await;
    let check = "presence/get-all/answers-200-with-an-array";
    let (code, out, _) = run(&ours, &["--known-failing", check, check]).await;
    assert_eq!(code, Some(1));
    assert!(
        out.contains("unexpected pass MUST presence/get-all/answers-200-with-an-array"),
        "{out}"
    );
    assert!(out.contains("take it off the list"), "{out}");
}

#[tokio::test]
async fn a_known_failure_that_fails_is_none_and_a_warning_is_one_when_strict() {
    let ours = Ours::start().await;
    // On a session that does not exist nothing works.
    let nobody = ["--session", "web", "--driver", "none"];
    let must = "presence/get-all/answers-200-with-an-array";
    let should = "presence/get-all/works-without-the-trailing-slash";
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), format!("# known\n{must} # since ever\n\n")).unwrap();
    let known = format!("@{}", list.path().display());
    let base = ["run", "--target", &ours.url, "--api-key", KEY, must, should];
    let with = |more: &[&'static str]| [&base[..], &nobody[..], more].concat();
    let (code, out, _) = ended(&with(&[])).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("1 warn, 1 fail"), "{out}");
    let mut args = with(&[]);
    args.extend(["--known-failing", &known]);
    let (code, out, _) = ended(&args).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("1 known failure, 1 warn"), "{out}");
    args.push("--strict");
    let (code, out, _) = ended(&args).await;
    assert_eq!(code, Some(1), "{out}");
    args.extend(["--skip", should]);
    let (code, out, _) = ended(&args).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("--skip:\n    presence/get-all/works"), "{out}");
}

#[tokio::test]
async fn a_failure_shows_requirement_request_expected_and_actual() {
    let ours = Ours::start().await;
    let args = ["--session", "web", "--trace", "presence/get-all/answers-200-with-an-array"];
    let base = ["run", "--target", &ours.url, "--api-key", KEY];
    let (code, out, _) = ended(&[&base[..], &args[..]].concat()).await;
    assert_eq!(code, Some(1));
    let out = out.replace(&ours.url, "http://target");
    let (shown, _) = out.split_once("target http://target").unwrap();
    insta::assert_snapshot!("failure", shown);
}

#[tokio::test]
async fn the_example_of_an_exec_driver_drives() {
    let ours = Ours::start().await;
    let session = ours.new_session().await;
    let before = names(&ours).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/exec_driver.py");
    let driver = format!("exec:python3 {script}");
    let output = conformance(&["run", "--target", &ours.url, "--api-key", KEY])
        .args(["--session", &session, "--driver", &driver, "presence/get-chat", "presence/fields"])
        .arg("webhook/presence-update")
        .env("MOCK", &ours.url)
        .env("WAHA_API_KEY", KEY)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("send any stanza or event:"), "{text}");
    assert!(text.contains("conforms: ") && !text.contains("warn"), "{text}");
    assert!(!text.contains("    webhook/presence-update/is-sent"), "it is checked: {text}");
    assert_eq!(names(&ours).await, before, "the session's webhooks are put back");
}

#[tokio::test]
async fn a_driver_that_breaks_down_is_3() {
    let ours = Ours::start().await;
    let hello = r#"{"ok":true,"abilities":["presence","people"]}"#;
    let driver = format!("exec:read line; echo '{hello}'");
    let args = ["run", "--target", &ours.url, "--api-key", KEY, "--driver", &driver];
    let (code, out, _) = ended(&[&args[..], &["presence/get-chat"]].concat()).await;
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("it cannot be said: the driver failed in"), "{out}");
}

#[cfg(unix)]
#[tokio::test]
async fn when_interrupted_it_leaves_the_target_as_it_found_it() {
    let ours = Ours::start().await;
    let ids = ["webhook/retries", "errors/session-not-working-is-422"];
    assert!(find(ids[1]).is_some());
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let driver = format!("mock:{}", ours.url);
        let child = conformance(&["run", "--target", &ours.url, "--api-key", KEY])
            .args(["--driver", &driver, ids[0], ids[1]])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Each look is a request, which paces it; the checks take seconds.
        while !ours.call("GET", "/api/sessions", None).await.1.contains("conformance-") {}
        let pid = child.id().unwrap().to_string();
        Command::new("kill").args([signal, &pid]).status().await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("putting the target back"), "{said}");
        let (_, sessions) = ours.call("GET", "/api/sessions", None).await;
        assert!(!sessions.contains("conformance-"), "{sessions}");
    }
}
