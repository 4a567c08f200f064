//! An interrupted run restores the target.

use std::{
    collections::BTreeSet,
    process::Stdio,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{self, MethodRouter, post},
};
use conformance_tests::find;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStderr, Command},
    sync::{Notify, mpsc},
};

use crate::{
    command::{conformance, ended},
    mutants::{LOSES_WEBHOOKS, Proxy},
    ours::{KEY, Ours},
};

#[tokio::test]
async fn an_interrupted_run_restores_the_target() {
    let ours = Ours::start().await;
    let ids = ["webhook/retries", "errors/session-not-working-is-422"];
    assert!(find(ids[1]).is_some());
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let driver = format!("mock:{}", ours.url);
        let mut child = conformance(&["run", "--target", &ours.url, "--api-key", KEY])
            .args(["--driver", &driver, ids[0], ids[1]])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Each iteration is a request, which paces the loop; the checks take seconds.
        while !ours.call("GET", "/api/sessions", None).await.1.contains("conformance-") {
            assert_eq!(child.try_wait().unwrap(), None, "the run has ended by itself");
        }
        let pid = child.id().unwrap().to_string();
        Command::new("kill").args([signal, &pid]).status().await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("restoring the target"), "{said}");
        let (_, sessions) = ours.call("GET", "/api/sessions", None).await;
        assert!(!sessions.contains("conformance-"), "{sessions}");
    }
}

/// A target that is slow to create sessions.
///
/// `making` receives a message per request; a notification of `may` lets one request finish.
struct Slow {
    url: String,
    sessions: Sessions,
    /// Receives a message when a session is requested.
    making: mpsc::UnboundedReceiver<()>,
    /// Lets a requested session be created.
    may: Arc<Notify>,
}

/// The names of a target's sessions.
type Sessions = Arc<Mutex<BTreeSet<String>>>;

impl Slow {
    async fn start() -> Self {
        let sessions = Sessions::default();
        sessions.lock().unwrap().insert("default".to_owned());
        let (made, making) = mpsc::unbounded_channel();
        let may = Arc::new(Notify::new());
        let (created, waits) = (sessions.clone(), may.clone());
        let create = async move |Json(body): Json<Value>| {
            made.send(()).unwrap();
            waits.notified().await;
            created.lock().unwrap().insert(body["name"].as_str().unwrap().to_owned());
            (StatusCode::CREATED, Json(body))
        };
        let deleted = sessions.clone();
        let delete = async move |Path(name): Path<String>| {
            deleted.lock().unwrap().remove(&name);
            Json(json!({}))
        };
        let url = serve(sessions.clone(), post(create), routing::delete(delete)).await;
        Self { url, sessions, making, may }
    }

    /// Starts the suite and waits until it requests a session.
    async fn asked_by(&mut self, args: &[&str]) -> Suite {
        let mut process = conformance(args)
            .args(["--target", &self.url, "--timeout", "60s"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stderr.take().unwrap()).lines();
        self.making.recv().await.unwrap();
        Suite { process, said }
    }
}

/// Serves a target with these handlers to create and delete a session; returns its address.
async fn serve(sessions: Sessions, create: MethodRouter, delete: MethodRouter) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let list = async move || {
        let names = sessions.lock().unwrap().clone();
        Json(names.into_iter().map(|name| json!({ "name": name })).collect::<Vec<_>>())
    };
    let target = Router::new()
        .route("/api/sessions", create.get(list))
        .route("/api/sessions/{name}", delete)
        .fallback(async || Json(json!([])));
    tokio::spawn(async move { axum::serve(listener, target).await.unwrap() });
    url
}

/// The running command.
struct Suite {
    process: Child,
    said: Lines<BufReader<ChildStderr>>,
}

impl Suite {
    async fn interrupt(&self) {
        let pid = self.process.id().unwrap().to_string();
        Command::new("kill").args(["-INT", &pid]).status().await.unwrap();
    }

    async fn says(&mut self, words: &str) {
        while !self.said.next_line().await.unwrap().expect(words).contains(words) {}
    }
}

#[tokio::test]
async fn a_session_that_is_being_created_is_deleted_too() {
    let mut slow = Slow::start().await;
    let mut suite = slow.asked_by(&["run", "sessions/"]).await;
    suite.interrupt().await;
    suite.says("restoring the target").await;
    // Release the pending requests and each new one.
    let may = slow.may.clone();
    let releasing = tokio::spawn(async move {
        loop {
            may.notify_waiters();
            may.notify_one();
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(suite.process.wait().await.unwrap().code(), Some(130));
    releasing.abort();
    assert_eq!(*slow.sessions.lock().unwrap(), BTreeSet::from(["default".to_owned()]));
}

#[tokio::test]
async fn a_second_interrupt_does_not_wait_for_a_slow_target() {
    let hello = r#"{"ok":true,"abilities":["presence","people","groups","raw","newSessions"]}"#;
    let driver = format!("exec:read line; echo '{hello}'; exec cat");
    for args in [&["run", "sessions/"][..], &["fuzz", "--driver", &driver]] {
        let mut slow = Slow::start().await;
        let mut suite = slow.asked_by(args).await;
        suite.interrupt().await;
        suite.says("restoring the target").await;
        suite.interrupt().await;
        suite.says("not restored").await;
        assert_eq!(suite.process.wait().await.unwrap().code(), Some(130));
    }
}

/// A target that creates a session only after the suite has given up and deletes it.
#[tokio::test]
async fn a_session_that_is_created_too_late_is_deleted_at_the_end() {
    let (late, sessions) = (Sessions::default(), Sessions::default());
    let asked = late.clone();
    let create = async move |Json(body): Json<Value>| {
        asked.lock().unwrap().insert(body["name"].as_str().unwrap().to_owned());
        std::future::pending::<()>().await;
    };
    let made = sessions.clone();
    let delete = async move |Path(name): Path<String>| {
        if late.lock().unwrap().remove(&name) {
            made.lock().unwrap().insert(name);
        } else {
            made.lock().unwrap().remove(&name);
        }
    };
    let url = serve(Sessions::default(), post(create), routing::delete(delete)).await;
    let args = ["run", "--target", &url, "--timeout", "1s", "sessions/create"];
    let (code, out, error) = ended(&args).await;
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.contains("no answer within 1000 ms"), "{out}");
    assert_eq!(*sessions.lock().unwrap(), BTreeSet::new());
}

#[tokio::test]
async fn a_change_that_cannot_be_undone_is_named_and_fails_the_run() {
    let sessions = Sessions::default();
    let made = sessions.clone();
    let create = async move |Json(body): Json<Value>| {
        made.lock().unwrap().insert(body["name"].as_str().unwrap().to_owned());
        (StatusCode::CREATED, Json(body))
    };
    let refuse = async || StatusCode::INTERNAL_SERVER_ERROR;
    let url = serve(Sessions::default(), post(create), routing::delete(refuse)).await;
    let args = ["run", "--target", &url, "sessions/create/answers-201"];
    let (code, out, error) = ended(&args).await;
    assert_eq!(code, Some(1), "{out}{error}");
    let left = sessions.lock().unwrap().clone();
    assert!(!left.is_empty());
    for name in left {
        let says = format!("the session {name} still exists: DELETE answered 500");
        assert!(out.contains(&says) && error.contains(&says), "{out}{error}");
    }
}

/// A target that deletes a session only while the client waits for the answer.
#[tokio::test]
async fn an_undo_that_is_interrupted_is_repeated() {
    let sessions = Sessions::default();
    let (made, deleted) = (sessions.clone(), sessions.clone());
    let create = async move |Json(body): Json<Value>| {
        made.lock().unwrap().insert(body["name"].as_str().unwrap().to_owned());
        (StatusCode::CREATED, Json(body))
    };
    let (asked, mut asking) = mpsc::unbounded_channel();
    let may = Arc::new(Notify::new());
    let waits = may.clone();
    let delete = async move |Path(name): Path<String>| {
        asked.send(()).unwrap();
        waits.notified().await;
        deleted.lock().unwrap().remove(&name);
    };
    let url = serve(Sessions::default(), post(create), routing::delete(delete)).await;
    let args = ["run", "--target", &url, "--timeout", "60s", "sessions/create/answers-201"];
    let mut process =
        conformance(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(process.stderr.take().unwrap()).lines();
    asking.recv().await.unwrap();
    let mut suite = Suite { process, said };
    suite.interrupt().await;
    suite.says("restoring the target").await;
    asking.recv().await.unwrap();
    // One waiter belongs to the cancelled request.
    may.notify_waiters();
    while suite.process.try_wait().unwrap().is_none() {
        may.notify_one();
        tokio::task::yield_now().await;
    }
    assert_eq!(*sessions.lock().unwrap(), BTreeSet::new());
}

#[tokio::test]
async fn a_target_limited_to_one_session_does_not_fail() {
    let create = async || StatusCode::UNPROCESSABLE_ENTITY;
    let url = serve(Sessions::default(), post(create), routing::delete(create)).await;
    let args = ["run", "--target", &url, "sessions/create"];
    let (code, out, error) = ended(&args).await;
    assert_eq!(code, Some(2), "nothing was checked: {out}{error}");
    assert!(out.contains("the target does not create other sessions"), "{out}");
    assert!(out.contains("nothing was checked"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_fuzz_run_reports_what_it_has_found() {
    let ours = Ours::start().await;
    let proxy = Proxy::start(&ours.url, &LOSES_WEBHOOKS).await;
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("found.toml");
    let mut process = conformance(&["fuzz", "--target", &proxy.url, "--api-key", KEY])
        .args(["--driver", &format!("mock:{}", proxy.url), "--timeout", "1s", "--seed", "1"])
        .args(["--scenario", scenario.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut suite = Suite { process, said };
    suite.says("shrinking it").await;
    suite.interrupt().await;
    suite.says("restoring the target").await;
    let output = suite.process.wait_with_output().await.unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{out}");
    assert!(out.contains("a sequence fails; seed 1"), "{out}");
    assert!(std::fs::read_to_string(scenario).unwrap().contains("[[timeline]]"));
    let (_, sessions) = ours.call("GET", "/api/sessions", None).await;
    assert!(!sessions.contains("conformance-"), "{sessions}");
}
