//! An interrupted run leaves the target as it found it.

use std::{
    collections::BTreeSet,
    process::Stdio,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{self, get},
};
use conformance_tests::find;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::Command,
    sync::{Notify, mpsc},
};

use crate::{
    command::conformance,
    ours::{KEY, Ours},
};

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

/// A target that takes its time to make a session: `made` is told when it is asked to, and it waits
/// for `may`.
fn slow_target(
    sessions: Arc<Mutex<BTreeSet<String>>>,
    made: mpsc::UnboundedSender<()>,
    may: Arc<Notify>,
) -> Router {
    let (listed, created, deleted) = (sessions.clone(), sessions.clone(), sessions);
    let create = async move |Json(body): Json<Value>| {
        made.send(()).unwrap();
        may.notified().await;
        created.lock().unwrap().insert(body["name"].as_str().unwrap().to_owned());
        (StatusCode::CREATED, Json(body))
    };
    let delete = async move |Path(name): Path<String>| {
        deleted.lock().unwrap().remove(&name);
        Json(json!({}))
    };
    let list = async move || {
        let names = listed.lock().unwrap().clone();
        Json(names.into_iter().map(|name| json!({ "name": name })).collect::<Vec<_>>())
    };
    Router::new()
        .route("/api/sessions", get(list).post(create))
        .route("/api/sessions/{name}", routing::delete(delete))
        .fallback(async || Json(json!([])))
}

#[tokio::test]
async fn a_session_that_is_on_its_way_is_deleted_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sessions = Arc::new(Mutex::new(BTreeSet::from(["default".to_owned()])));
    let (made, mut making) = mpsc::unbounded_channel();
    let may = Arc::new(Notify::new());
    let target = slow_target(sessions.clone(), made, may.clone());
    tokio::spawn(async move { axum::serve(listener, target).await.unwrap() });
    let mut suite = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .args(["run", "--target", &url, "--timeout", "60s", "sessions/"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    making.recv().await.unwrap();
    let pid = suite.id().unwrap().to_string();
    Command::new("kill").args(["-INT", &pid]).status().await.unwrap();
    let mut said = BufReader::new(suite.stderr.take().unwrap()).lines();
    while !said.next_line().await.unwrap().unwrap().contains("putting the target back") {}
    // All that are on their way, and each that comes meanwhile.
    let releasing = tokio::spawn(async move {
        loop {
            may.notify_waiters();
            may.notify_one();
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(suite.wait().await.unwrap().code(), Some(130));
    releasing.abort();
    assert_eq!(*sessions.lock().unwrap(), BTreeSet::from(["default".to_owned()]));
}
