//! Foreign servers: clear failures, no panic, no hang beyond the time-out.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    process::Command,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::command::ended;

/// Runs the command against a server that handles each connection with `treat`.
async fn against<F, Fut>(treat: F) -> Output
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    against_with(treat, &[]).await
}

/// The same with further arguments.
async fn against_with<F, Fut>(treat: F, more: &[&str]) -> Output
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
        .args(more)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), command).await;
    server.abort();
    output.expect("the command exits").unwrap()
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
    assert!(text.contains("no answer within 500 ms"), "{text}");
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
    assert!(text.contains("no answer within 500 ms"), "{text}");
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
async fn a_closed_port_is_not_reached() {
    // Bound, so that the port stays reserved, but not listening.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let free = closed.local_addr().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .args(["run", "--target", &format!("http://{free}")])
        .output()
        .await
        .unwrap();
    let text = text(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn control_characters_from_a_target_do_not_reach_the_terminal() {
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n\x1b[2J\x1b[31mhey";
    let traced = ["--trace", "presence/get-all/answers-200-with-an-array"];
    for more in [&[][..], &["--report", "tap=-"], &traced] {
        let output = against_with(move |stream| answer(stream, page), more).await;
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{more:?}");
        assert!(text(&output).contains("\\u{1b}[2J"), "{}", text(&output));
    }
}

/// A target that does not answer 404 for a missing session, and whose sessions have odd names.
#[tokio::test]
async fn a_session_missing_on_a_foreign_server_is_reported_at_once() {
    let stranger = MockServer::start().await;
    let answers = |of: &str, status, body: Value| {
        let answer = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(path(of)).respond_with(answer).mount(&stranger)
    };
    answers("/api/default/presence/", 422, json!({})).await;
    answers("/api/sessions/default", 404, json!({})).await;
    answers("/api/sessions", 200, json!([{ "name": "a" }, { "name": "\x1b[2J" }])).await;
    let (code, out, error) = ended(&["run", "--target", &stranger.uri()]).await;
    assert_eq!((code, out.as_str()), (Some(3), ""), "{error}");
    let says = "there is no session \"default\"; there are a, \\u{1b}[2J\n";
    assert!(error.ends_with(says), "{error}");
}
