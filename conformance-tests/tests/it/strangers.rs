//! Servers that are not ours: clear failures, no panic, no hang past the time-out.

use std::{
    collections::BTreeSet,
    process::{Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{self, get},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    process::Command,
    sync::{Notify, mpsc},
};

/// Runs the command against a server that treats each connection so.
async fn against<F, Fut>(treat: F) -> Output
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    let command = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .args(["run", "--profile", "extensions", "--timeout", "500ms", "--settle", "10ms"])
        .args(["--target", &url])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), command).await;
    server.abort();
    output.expect("an end").unwrap()
}

/// Answers every request on a connection with the same bytes.
async fn answer(mut stream: TcpStream, answer: &'static str) {
    let mut buffer = [0; 16 * 1024];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn text(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[tokio::test]
async fn a_static_file_server_fails_clearly() {
    let page =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<h1>Hello</h1";
    let output = against(move |stream| answer(stream, page)).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("expected: a JSON body"), "{text}");
    assert!(text.contains("does not conform"), "{text}");
}

#[tokio::test]
async fn a_server_without_the_api_fails_clearly() {
    let page = "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found";
    let output = against(move |stream| answer(stream, page)).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("actual:   404 not found"), "{text}");
}

#[tokio::test]
async fn a_server_that_answers_500_with_html_fails_clearly() {
    let page =
        "HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 11\r\n\r\n<h1>500</h1";
    let output = against(move |stream| answer(stream, page)).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("actual:   500 <h1>500</h1"), "{text}");
    assert!(text.contains("curl -i"), "{text}");
}

#[tokio::test]
async fn a_server_that_hangs_is_not_reached() {
    let output = against(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let output = output.await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("nothing within 500 ms"), "{text}");
}

#[tokio::test]
async fn a_server_that_hangs_in_the_body_is_not_reached() {
    let output = against(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[";
        let _ = stream.write_all(head).await;
        std::future::pending::<()>().await;
    });
    let output = output.await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("nothing within 500 ms"), "{text}");
}

#[tokio::test]
async fn a_server_that_resets_is_not_reached() {
    let output = against(|stream| async move { drop(stream) }).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("failed to reach http://127.0.0.1:"), "{text}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_http_is_not_reached() {
    let output = against(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await;
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let output = output.await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
}

#[tokio::test]
async fn nobody_there_is_not_reached() {
    // Bound, so that nobody else is given the port, and not listened on.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let free = nobody.local_addr().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .args(["run", "--target", &format!("http://{free}")])
        .output()
        .await
        .unwrap();
    let text = text(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("refused"), "{text}");
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

#[cfg(unix)]
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

#[tokio::test]
async fn what_a_target_sends_does_not_reach_the_terminal_as_it_is() {
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n\x1b[2J\x1b[31mhey";
    let output = against(move |stream| answer(stream, page)).await;
    assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
    assert!(text(&output).contains("\\u{1b}[2J"), "{}", text(&output));
}
