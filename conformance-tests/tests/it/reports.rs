//! The reports of a run, and reports that cannot be written.

use std::{fs::OpenOptions, process::Stdio};

use serde_json::{Value, json};

use crate::{
    command::{conformance, ended, run},
    ours::{KEY, Ours},
};

const CHECK: &str = "presence/get-all/answers-200-with-an-array";

#[tokio::test]
async fn all_reports_of_a_run_can_be_parsed() {
    let ours = Ours::start_with(json!({})).await;
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
    let json: Value = serde_json::from_str(&out).expect("only JSON on standard output");
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
    assert!(!html.contains(KEY) && !out.contains(KEY), "a report shows the key");
    assert!(html.contains("$WAHA_API_KEY"));
}

#[tokio::test]
async fn an_unwritable_report_is_refused_before_any_request() {
    let target = "http://127.0.0.1:1";
    for (reports, says) in [
        ("junit=/no/such/file", "failed to create /no/such/file"),
        ("json=/", "failed to create /"),
        ("tap=-,junit=-", "only one report can go to standard output"),
        ("json=/dev/null,tap=/dev/null", "only one report can go to /dev/null"),
    ] {
        let (code, out, error) = ended(&["run", "--target", target, "--report", reports]).await;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{reports}: {error}");
        assert!(error.contains(says), "{reports}: {error}");
    }
}

/// A disk that fills up during the run costs neither the verdict nor the other reports.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn unwritable_reports_are_named_after_the_verdict() {
    let ours = Ours::start().await;
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("full.tap");
    std::os::unix::fs::symlink("/dev/full", &link).unwrap();
    let (link, kept) = (link.display(), folder.path().join("kept.json"));
    let reports = format!("junit=/dev/full,json={},tap={link}", kept.display());
    let (code, out, error) = run(&ours, &[CHECK, "--report", &reports]).await;
    assert_eq!(code, Some(1), "{error}");
    assert!(out.ends_with("conforms: all 1 checks passed\n"), "{out}");
    assert!(error.contains("failed to write /dev/full"), "{error}");
    assert!(error.contains(&format!("failed to write {link}")), "{error}");
    let kept: Value = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    assert_eq!(kept["conforms"], true);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_unwritable_standard_output_is_a_failure() {
    let ours = Ours::start().await;
    let base = ["run", "--target", &ours.url, "--api-key", KEY, CHECK];
    let text = &base[..];
    let json = [&base[..], &["--report", "json=-"]].concat();
    for (args, says) in [
        (&["list"][..], ""),
        (&["explain", "--coverage"][..], ""),
        (text, "conforms: all 1 checks passed"),
        (&json, "conforms: all 1 checks passed"),
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let suite = conformance(args).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let ended = suite.wait_with_output().await.unwrap();
        let error = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{args:?}: {error}");
        assert!(error.contains("failed to write to standard output"), "{args:?}: {error}");
        assert!(error.contains(says), "{args:?}: {error}");
    }
}
