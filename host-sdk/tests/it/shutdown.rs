//! A shutdown ends within its grace, whatever hangs. Time is paused: it moves on when all tasks wait.

use std::time::Duration;

use host_sdk::{Gateway, SHUTDOWN_GRACE, SessionConfig, SessionSpec};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::Instant,
};

use crate::engine::TestEngine;

#[tokio::test(start_paused = true)]
async fn a_shutdown_takes_at_most_its_grace_when_session_receiver_and_client_hang() {
    // Connections wait in its backlog: it accepts none, and answers nothing.
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", receiver.local_addr().unwrap());
    let config = json!({ "webhooks": [{ "url": url, "events": ["*"] }] });
    let config = SessionConfig::from_json(&config).unwrap();
    let engine = TestEngine::new("NOWEB");
    let gateway = Gateway::builder()
        .engine(engine.clone())
        .session(SessionSpec::new("default").config(config))
        .build()
        .unwrap();
    gateway.start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = gateway.clone();
    let served =
        tokio::spawn(async move { serving.serve(listener, async { drop(stopped.await) }).await });
    let mut client = TcpStream::connect(address).await.unwrap();
    let begun = b"POST /api/sessions HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
        content-length: 9\r\n\r\n";
    client.write_all(begun).await.unwrap();
    let mut continued = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    client.read_exact(&mut continued).await.unwrap();

    let _session_hangs = engine.stopping.lock().await;
    let start = Instant::now();
    stop.send(()).unwrap();
    let leftovers = served.await.unwrap().unwrap();
    let took = start.elapsed();
    assert!(took <= SHUTDOWN_GRACE + Duration::from_millis(5), "{took:?}");
    assert!(leftovers.webhook_events > 0, "{leftovers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_hangs_leaves_half_of_the_grace_to_delivery() {
    let engine = TestEngine::new("NOWEB");
    let gateway = Gateway::builder()
        .engine(engine.clone())
        .session(SessionSpec::new("default"))
        .build()
        .unwrap();
    gateway.start().await;
    let _session_hangs = engine.stopping.lock().await;
    let start = Instant::now();
    let leftovers = gateway.shutdown(Duration::from_secs(8)).await;
    assert!(leftovers.is_empty());
    assert_eq!(start.elapsed().as_secs(), 4);
}
