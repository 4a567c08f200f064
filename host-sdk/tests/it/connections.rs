//! Connections from clients that mean no good, and what they leave to the others.

use std::{net::SocketAddr, time::Duration};

use host_sdk::{ConnectionLimits, Gateway};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use crate::engine::TestEngine;

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

async fn serve(limits: ConnectionLimits) -> Served {
    let gateway =
        Gateway::builder().engine(TestEngine::new("NOWEB")).connection_limits(limits).build();
    let gateway = gateway.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(async move {
        gateway.serve(listener, async { drop(stopped.await) }).await.unwrap();
    });
    Served { address, stop, served }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// All that comes back for these bytes, until the server closes.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut connection = self.connect().await;
        connection.write_all(bytes).await.unwrap();
        read_to_end(&mut connection).await
    }

    async fn ping(&self) -> String {
        self.exchange(b"GET /ping HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap();
    }
}

async fn read_to_end(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset has been closed too.
    let _ = connection.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads one answer without a body of its own and leaves the connection open.
async fn read_head(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        answer.push(connection.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_head_that_does_not_end_is_answered_408() {
    let head = Duration::from_millis(100);
    let server = serve(ConnectionLimits { head, ..ConnectionLimits::default() }).await;
    for begun in [&b""[..], b"GET /ping HT", b"GET /ping HTTP/1.1\r\nhost: localhost\r\n"] {
        let answer = server.exchange(begun).await;
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{begun:?}: {answer}");
        assert!(answer.ends_with(
            r#"{"statusCode":408,"message":"the head of the request took too long","error":"Request Timeout"}"#
        ));
    }
    assert!(server.ping().await.starts_with("HTTP/1.1 200 "));
    server.end().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_431() {
    let server = serve(ConnectionLimits::default()).await;
    let field = format!("GET /ping HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(400 * 1024));
    assert!(server.exchange(field.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    let fields = format!("GET /ping HTTP/1.1\r\n{}\r\n", "x: 1\r\n".repeat(200));
    assert!(server.exchange(fields.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    server.end().await;
}

#[tokio::test]
async fn a_connection_at_rest_makes_room_and_is_closed_in_time() {
    let idle = Duration::from_millis(100);
    let limits = ConnectionLimits { connections: 2, idle, ..ConnectionLimits::default() };
    let server = serve(limits).await;
    let ask = b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for connection in [&mut first, &mut second] {
        connection.write_all(ask).await.unwrap();
        assert!(read_head(connection).await.starts_with("HTTP/1.1 200 "));
    }
    assert!(server.ping().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(read_to_end(&mut first).await, "");
    assert_eq!(read_to_end(&mut second).await, "");
    server.end().await;
}

#[tokio::test]
async fn an_answer_that_is_not_read_ends_its_connection() {
    let unread = Duration::from_millis(100);
    let server = serve(ConnectionLimits { unread, ..ConnectionLimits::default() }).await;
    let mut connection = server.connect().await;
    let ask = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // The answers to these fill every buffer between the two; then nothing is read any more.
    let mut asked = 0;
    while connection.write_all(ask).await.is_ok() {
        asked += 1;
        assert!(asked < 1_000_000, "the server takes everything");
    }
    assert!(server.ping().await.starts_with("HTTP/1.1 200 "));
    server.end().await;
}

#[tokio::test]
async fn beyond_the_limit_a_connection_is_answered_503_when_none_is_at_rest() {
    let limits = ConnectionLimits { connections: 1, ..ConnectionLimits::default() };
    let server = serve(limits).await;
    let mut working = server.connect().await;
    let begun = b"POST /api/sessions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\
        expect: 100-continue\r\n\r\n";
    working.write_all(begun).await.unwrap();
    let mut goes_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    working.read_exact(&mut goes_on).await.unwrap();
    let refusal = server.exchange(b"GET /ping HTTP/1.1\r\n\r\n").await;
    assert!(refusal.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refusal}");
    assert!(refusal.contains("retry-after: 1\r\n"), "{refusal}");
    working.write_all(b"{}").await.unwrap();
    assert!(read_head(&mut working).await.starts_with("HTTP/1.1 201 "));
    server.end().await;
}

/// Such a client writes everything before it reads anything.
#[tokio::test]
async fn a_client_that_writes_a_body_over_the_limit_reads_413() {
    let server = serve(ConnectionLimits::default()).await;
    let body = vec![b'x'; 20 << 20];
    for head in ["content-length: 20971520", "transfer-encoding: chunked"] {
        let mut client = server.connect().await;
        let head = format!("POST /api/sessions HTTP/1.1\r\nhost: localhost\r\n{head}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        if head.contains("chunked") {
            client.write_all(b"1400000\r\n").await.unwrap();
        }
        client.write_all(&body).await.unwrap();
        let answer = read_head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
    server.end().await;
}

#[tokio::test]
async fn metrics_count_connections() {
    let server = serve(ConnectionLimits::default()).await;
    let metrics = server
        .exchange(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await;
    assert!(metrics.contains("\nwaha_open_connections 1\n"), "{metrics}");
    assert!(metrics.contains("\nwaha_connections_total{outcome=\"accepted\"} 1\n"), "{metrics}");
    server.end().await;
}
