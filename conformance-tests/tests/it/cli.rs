//! The command `conformance`: its output and exit codes.

use conformance_tests::{catalogue, differences, differences_table};
use serde_json::Value;

use crate::{
    command::{conformance, ended, run},
    every_check::names,
    mutants::{HAS_NO_LIST, Proxy},
    ours::{KEY, Ours},
};

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
async fn explain_shows_a_checks_requirement_and_its_source() {
    let (code, out, _) =
        ended(&["explain", "presence/get-chat/direct-chat-has-one-participant"]).await;
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("explain", out);
}

#[tokio::test]
async fn explain_coverage_lists_each_statement_with_its_checks() {
    let (code, out, _) = ended(&["explain", "--coverage"]).await;
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("coverage", out);
}

#[tokio::test]
async fn explain_lists_the_differences_from_waha_as_a_table_and_as_json() {
    let (code, table, _) = ended(&["explain", "--differences"]).await;
    assert_eq!((code, table), (Some(0), differences_table()));
    let (code, json, _) = ended(&["explain", "--differences", "--json"]).await;
    let read: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!((code, read.len()), (Some(0), differences().len()));
    let (code, check, _) = ended(&["explain", "sessions/get/hides-secrets"]).await;
    assert_eq!(code, Some(0));
    assert!(check.contains("differs  secrets\n  WAHA   GET of a session shows"), "{check}");
}

#[tokio::test]
async fn invalid_usage_exits_with_2_and_says_what_would_be_right() {
    let target = "http://127.0.0.1:1";
    let cases: [(&[&str], &str); 27] = [
        (
            &["explain", "presence/get-all/lists-direct-chat"],
            "did you mean presence/get-all/lists-direct-chats?",
        ),
        (&["run"], "--target"),
        (&["run", "--target", "localhost:3000"], "expected http://host:port"),
        (&["run", "--target", target, "presence/get-chatt"], "did you mean presence/get-chat?"),
        (&["run", "--target", target, "--report", "xml=a"], "expected junit=FILE"),
        (&["run", "--target", target, "--timeout", "5"], "expected 300ms, 5s or 2m"),
        (&["run", "--target", target, "--skip", "presence/set/x"], "unknown check"),
        (
            &["run", "--target", target, "--known-failing", "@/no/such/file"],
            "failed to read /no/such/file",
        ),
        (&["run", "--target", target, "--timeout", "0s"], "expected a duration greater than zero"),
        (&["run", "--target", target, "--advertise", "foo"], "expected http://host:port"),
        (&["run", "--target", target, "--advertise", "http://a/b"], "expected http://host:port"),
        (&["run", "--target", target, "--advertise", "http://a/?b"], "expected http://host:port"),
        (&["run", "--target", target, "--advertise", "http://0.0.0.0:1"], "invalid URL"),
        (&["run", "--target", target, "--advertise", "http://[::]:1"], "invalid URL"),
        (&["run", "--target", target, "--bind", "0.0.0.0:0"], "with --advertise"),
        (&["fuzz", "--target", target, "--bind", "[::]:0"], "with --advertise"),
        (&["list", "presence/get-chatt"], "did you mean presence/get-chat?"),
        (&["list", "nope/"], "unknown check"),
        (&["list", "presence/", "nope/"], "unknown check \"nope/\""),
        (
            &["list", "--profile", "documentation", "presence/get-all/order"],
            "the profile documentation has no check presence/get-all/order",
        ),
        (&["explain", "nope"], "unknown check"),
        (&["run", "--target", target, "--skip", "presence/get-all"], "give a full name such as"),
        (&["run", "--target", target, "--session", "a b"], "expected letters, digits"),
        (&["run", "--target", target, "--timeout", "99999999999999999999s"], "invalid duration"),
        (&["run", "--target", target, "--timeout", "3000m"], "exceeds the maximum of 10m"),
        (&["run", "--target", "http://me:hush@127.0.0.1:1"], "without a user name"),
        (&["frobnicate"], "unrecognized subcommand"),
    ];
    for (args, says) in cases {
        let (code, _, error) = ended(args).await;
        assert_eq!(code, Some(2), "{args:?}: {error}");
        assert!(error.contains(says), "{args:?}: {error}");
    }
}

#[tokio::test]
async fn an_unknown_driver_exits_with_2_and_an_unreachable_one_with_3() {
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
    assert!(error.contains("missing session"), "{error}");
    let (code, _, error) = with("exec:read line; echo nonsense").await;
    assert_eq!(code, Some(3), "{error}");
    assert!(error.contains("answered \"nonsense\""), "{error}");
    let (code, _, error) = with("manual").await;
    assert_eq!(code, Some(3), "{error}");
    assert!(error.contains("standard input has ended"), "{error}");
}

#[tokio::test]
async fn a_silent_driver_is_named_and_times_out() {
    let ours = Ours::start().await;
    let with = |driver: &'static str| {
        let url = ours.url.clone();
        let more = ["--timeout", "1s", "presence/get-chat/direct-chat-has-one-participant"];
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
async fn the_summary_says_when_no_webhook_has_arrived() {
    let ours = Ours::start().await;
    let closed = ["--advertise", "http://127.0.0.1:1", "--timeout", "1s"];
    let advice = "No webhook has arrived at http://127.0.0.1:1: the target may not be able to reach that \
                  address; see --bind and --advertise.";
    // One webhook of the session's status, and one that needs a driver.
    for check in ["webhook/session-status/is-sent", "webhook/presence-update/is-sent"] {
        let (_, out, error) = run(&ours, &[&closed[..], &[check]].concat()).await;
        assert!(out.contains(&format!("\n{advice}\n")), "{check}: {out}{error}");
    }
    let args = [&closed[..], &["webhook/session-status/is-sent", "--report", "tap=-"]].concat();
    let (_, out, _) = run(&ours, &args).await;
    assert!(out.contains(&format!("\n# {advice}\n")), "{out}");
    let (_, out, _) = run(&ours, &["webhook/session-status/is-sent"]).await;
    assert!(!out.contains("--advertise"), "{out}");
}

#[tokio::test]
async fn a_missing_session_is_reported_once() {
    let ours = Ours::start().await;
    let args = ["run", "--target", &ours.url, "--api-key", KEY, "--session", "nope"];
    let (code, out, error) = ended(&args).await;
    assert_eq!((code, out.as_str()), (Some(3), ""));
    let says = format!("{}: there is no session \"nope\"; there are default, web\n", ours.url);
    assert!(error.ends_with(&says), "{error}");
}

#[tokio::test]
async fn a_missing_key_is_reported() {
    let ours = Ours::start().await;
    let (code, _, error) = ended(&["run", "--target", &ours.url]).await;
    assert_eq!(code, Some(3));
    assert!(error.contains("an API key is required (401); pass it with --api-key"), "{error}");
}

#[tokio::test]
async fn a_session_of_another_engine_is_refused() {
    let ours = Ours::start().await;
    let args = ["run", "--target", &ours.url, "--api-key", KEY, "--session", "web"];
    let (code, out, error) = ended(&args).await;
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(error.contains(r#"session "web" runs on the engine WEBJS"#), "{error}");
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
    assert!(out.contains("remove it from the list"), "{out}");
}

#[tokio::test]
async fn a_known_failure_does_not_fail_the_run_and_a_warning_does_when_strict() {
    let ours = Ours::start().await;
    let broken = Proxy::start(&ours.url, &HAS_NO_LIST).await;
    let must = "presence/get-all/answers-200-with-an-array";
    let should = "errors/ping-answers-pong";
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), format!("# known\n{must} # always\n\n")).unwrap();
    let known = format!("@{}", list.path().display());
    let mut args = vec!["run", "--target", &broken.url, "--api-key", KEY, must, should];
    let (code, out, _) = ended(&args).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("1 warn, 1 fail"), "{out}");
    args.extend(["--known-failing", &known]);
    let (code, out, _) = ended(&args).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("1 known failure, 1 warn"), "{out}");
    assert!(out.contains("conforms except for known failures: 1 of 2 checks"), "{out}");
    args.push("--strict");
    let (code, out, _) = ended(&args).await;
    assert_eq!(code, Some(1), "{out}");
    args.extend(["--skip", should]);
    let (code, out, _) = ended(&args).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("--skip:\n    errors/ping"), "{out}");
}

#[tokio::test]
async fn one_fault_is_one_failure_and_the_others_are_not_judged() {
    let ours = Ours::start().await;
    let broken = Proxy::start(&ours.url, &HAS_NO_LIST).await;
    let must = "presence/get-all/answers-200-with-an-array";
    let other = "presence/get-all/works-without-the-trailing-slash";
    let args = ["run", "--target", &broken.url, "--api-key", KEY, must, other];
    let (code, out, _) = ended(&args).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("1 skip, 1 fail"), "{out}");
    assert!(out.contains(&format!("  not judged, because of {must}:\n    {other}\n")), "{out}");
    // Without that check in the run, it is tried all the same.
    let (code, out, _) = ended(&[&args[..5], &[other]].concat()).await;
    assert_eq!(code, Some(2), "{out}");
    assert!(out.contains("not judged, because of"), "{out}");
}

#[tokio::test]
async fn a_failure_shows_requirement_request_expected_and_actual() {
    let ours = Ours::start().await;
    let broken = Proxy::start(&ours.url, &HAS_NO_LIST).await;
    let check = "presence/get-all/answers-200-with-an-array";
    let args = ["run", "--target", &broken.url, "--api-key", KEY, "--trace", check];
    let (code, out, _) = ended(&args).await;
    assert_eq!(code, Some(1));
    let out = out.replace(&broken.url, "http://target");
    let (shown, _) = out.split_once("target http://target").unwrap();
    insta::assert_snapshot!("failure", shown);
}

#[tokio::test]
async fn the_example_of_an_exec_driver_works() {
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
    assert!(!text.contains("    webhook/presence-update/is-sent"), "not tried: {text}");
    assert_eq!(names(&ours).await, before, "the session's webhooks are restored");
}

#[tokio::test]
async fn a_failing_driver_is_not_a_counterexample() {
    let ours = Ours::start().await;
    let hello = r#"{"ok":true,"abilities":["presence","people","groups","raw","newSessions"]}"#;
    let driver = format!("exec:read line; echo '{hello}'");
    let args = ["fuzz", "--target", &ours.url, "--api-key", KEY, "--driver", &driver];
    let (code, out, error) = ended(&[&args[..], &["--scenario", "-"]].concat()).await;
    assert_eq!((code, out.as_str()), (Some(3), ""), "{error}");
    assert!(error.contains("the driver failed: the command exited"), "{error}");
}

#[tokio::test]
async fn a_failing_driver_exits_with_3() {
    let ours = Ours::start().await;
    let hello = r#"{"ok":true,"abilities":["presence","people"]}"#;
    let driver = format!("exec:read line; echo '{hello}'");
    let args = ["run", "--target", &ours.url, "--api-key", KEY, "--driver", &driver];
    let (code, out, _) = ended(&[&args[..], &["presence/get-chat"]].concat()).await;
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("inconclusive: the driver failed in"), "{out}");
}
