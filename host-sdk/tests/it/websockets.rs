//! Events over a WebSocket: the same bodies, pings on the clock, and a slow socket.

use std::{future::IntoFuture, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use futures_util::{FutureExt, SinkExt, StreamExt, poll};
use host_sdk::{
    envelope::Envelope,
    event_bus::{DeliverySettings, EventBus},
    event_names::EventNames,
    lane::Limits,
    websocket::{self, Offer},
};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use tower::ServiceExt;

use crate::clock::TestClock;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A bus on a clock that stands still.
struct Stage {
    clock: TestClock,
    bus: EventBus,
    envelope: Envelope,
}

impl Stage {
    fn new(limits: Limits) -> Self {
        let clock = TestClock::at(1_686_719_326_000);
        let settings = DeliverySettings { limits, ..DeliverySettings::default() };
        let bus = EventBus::new(Arc::new(clock.clone()), settings);
        let envelope = Envelope::new("default", "NOWEB", None, None, &Value::Null);
        Self { clock, bus, envelope }
    }

    fn offer(&self) -> Offer<fn(&str) -> bool> {
        let events = ["presence.update", "other"].map(str::to_owned);
        Offer {
            is_session: |session| session == "default",
            events: EventNames::new(events),
            clock: Arc::new(self.clock.clone()),
        }
    }

    fn emit(&self, payload: &(impl ToString + ?Sized)) {
        let payload = payload.to_string();
        self.bus.emit(&self.envelope, "presence.update", "chat", &["key"], payload.as_bytes());
    }

    /// Waits for the next timer and lets the time come: how long it was.
    async fn wait_out(&self) -> Duration {
        let wait = self.clock.next_timer().await;
        self.clock.advance(wait);
        wait
    }
}

async fn serve(stage: &Stage) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let route = websocket::route(stage.bus.clone(), stage.offer());
    tokio::spawn(axum::serve(listener, Router::new().route("/ws", route)).into_future());
    address
}

/// A socket that is open for the client, and so for events too.
async fn connect(address: SocketAddr, query: &str) -> Client {
    connect_async(format!("ws://{address}/ws?{query}")).await.unwrap().0
}

fn open_sockets(stage: &Stage) -> u64 {
    let metrics = stage.bus.metrics().render();
    let value = metrics.lines().find_map(|line| line.strip_prefix("waha_open_sockets "));
    value.unwrap().parse().unwrap()
}

async fn next(client: &mut Client) -> Message {
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, client.next()).await.expect("nothing came").unwrap().unwrap()
}

async fn payload(client: &mut Client) -> Value {
    let message = next(client).await.into_text().unwrap();
    let body: Value = serde_json::from_str(&message).unwrap();
    body["payload"].clone()
}

#[tokio::test]
async fn a_socket_gets_the_events_it_asked_for() {
    let stage = Stage::new(Limits::default());
    let address = serve(&stage).await;
    let query = "session=default&events=presence.update&events=other&x-api-key=1";
    let mut client = connect(address, query).await;
    stage.bus.emit(&stage.envelope, "session.status", "status", &[], b"1");
    stage.emit(&2);
    stage.emit(&3);
    assert_eq!((payload(&mut client).await, payload(&mut client).await), (2.into(), 3.into()));
    client.close(None).await.unwrap();
    while open_sockets(&stage) > 0 {
        tokio::task::yield_now().await;
    }
}

/// The connection is polled by hand, so no other task has run yet when the client's answer is there.
#[tokio::test]
async fn a_socket_counts_as_open_before_its_client_knows() {
    let stage = Stage::new(Limits::default());
    let route = websocket::route(stage.bus.clone(), stage.offer());
    let router: Router = Router::new().route("/ws", route);
    let service = service_fn(move |request: Request<Incoming>| router.clone().oneshot(request));
    let (mut client, server) = tokio::io::duplex(4096);
    let server = http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let mut server = pin!(server.with_upgrades());
    let request = "GET /ws?events=* HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let length = loop {
        let _ = poll!(server.as_mut());
        if let Some(length) = client.read(&mut answer).now_or_never() {
            break length.unwrap();
        }
    };
    assert!(answer[..length].starts_with(b"HTTP/1.1 101 "));
    assert_eq!(open_sockets(&stage), 1);
    drop(client);
    while open_sockets(&stage) > 0 {
        let _ = poll!(server.as_mut());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn invalid_parameters_are_accepted_and_closed_with_a_reason() {
    let stage = Stage::new(Limits::default());
    let address = serve(&stage).await;
    for (query, expected) in [
        ("session=nowhere", "session: unknown session `nowhere`; * is all"),
        ("events=othr", "events: unknown event `othr`; did you mean `other`?"),
    ] {
        let mut client = connect(address, query).await;
        let Message::Close(Some(frame)) = next(&mut client).await else { panic!("not closed") };
        assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::from(4001), expected));
        assert!(client.next().await.is_none());
    }
}

#[tokio::test]
async fn a_client_that_closes_gets_its_own_code_back() {
    let stage = Stage::new(Limits::default());
    let address = serve(&stage).await;
    for code in [1000, 1001, 1011, 3000, 4000, 4999].map(CloseCode::from) {
        let mut client = connect(address, "").await;
        client.close(Some(CloseFrame { code, reason: "bye".into() })).await.unwrap();
        let Message::Close(Some(frame)) = next(&mut client).await else { panic!("not closed") };
        assert_eq!(frame.code, code);
        assert!(client.next().await.is_none());
    }
    let mut client = connect(address, "").await;
    client.close(None).await.unwrap();
    assert_eq!(next(&mut client).await, Message::Close(None));
    while open_sockets(&stage) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_is_closed_with_the_code_for_it() {
    let stage = Stage::new(Limits::default());
    let address = serve(&stage).await;
    let mask = [0; 4];
    let masked = |head: &[u8], payload: &[u8]| [head, &mask, payload].concat();
    for (frame, code) in [
        (b"\x81\x02hi".to_vec(), 1002),
        (masked(b"\xc1\x82", b"hi"), 1002),
        (masked(b"\x83\x82", b"hi"), 1002),
        (masked(b"\x09\x82", b"hi"), 1002),
        (masked(b"\x89\xfe\x00\x7e", &[b'x'; 126]), 1002),
        (masked(b"\x80\x82", b"hi"), 1002),
        (masked(b"\x88\x81", b"x"), 1002),
        (masked(b"\x88\x82", &999u16.to_be_bytes()), 1002),
        (masked(b"\x88\x82", &1005u16.to_be_bytes()), 1002),
        (masked(b"\x81\x82", b"\xff\xff"), 1007),
        (masked(b"\x88\x84", b"\x03\xe8\xff\xff"), 1007),
        (masked(b"\x81\xff\x00\x00\x00\x00\x40\x00\x00\x00", b""), 1009),
        (masked(b"\x82\xfe\xff\xff", &[0; 65_535]), 0),
    ] {
        let mut client = connect(address, "").await;
        let MaybeTlsStream::Plain(tcp) = client.get_mut() else { panic!("no TLS here") };
        tcp.write_all(&frame).await.unwrap();
        let answer = match code {
            // The largest message that is taken: the socket stays open.
            0 => {
                client.send(Message::Ping("open?".into())).await.unwrap();
                assert!(next(&mut client).await.is_pong());
                continue;
            }
            _ => next(&mut client).await,
        };
        let Message::Close(Some(close)) = answer else { panic!("{frame:?}: {answer:?}") };
        assert_eq!(u16::from(close.code), code, "{frame:?}: {}", close.reason);
    }
}

#[tokio::test]
async fn the_first_subprotocol_that_is_offered_is_taken() {
    let stage = Stage::new(Limits::default());
    let address = serve(&stage).await;
    for (offered, taken) in [(Some("waha, json"), Some("waha")), (None, None)] {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        if let Some(offered) = offered {
            request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
        }
        let (_, answer) = connect_async(request).await.unwrap();
        let answer = answer.headers().get("sec-websocket-protocol");
        assert_eq!(answer.map(|value| value.to_str().unwrap()), taken);
    }
}

#[tokio::test]
async fn pongs_that_a_client_does_not_read_are_not_stored() {
    const PINGS: usize = 256 << 10;
    let stage = Stage::new(Limits::default());
    let address = serve(&stage).await;
    let mut client = connect(address, "").await;
    let MaybeTlsStream::Plain(tcp) = client.get_mut() else { panic!("no TLS here") };
    let ping = [&b"\x89\xfd\0\0\0\0"[..], &[b'x'; 125]].concat().repeat(1 << 10);
    for _ in 0..PINGS >> 10 {
        tcp.write_all(&ping).await.unwrap();
    }
    tcp.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
    let mut pongs = 0;
    while next(&mut client).await.is_pong() {
        pongs += 1;
    }
    // The rest would have been 32 MiB.
    assert!(pongs < PINGS / 2, "{pongs} pongs were stored");
}

#[tokio::test]
async fn a_ping_comes_every_ten_seconds_and_silence_ends_the_socket() {
    let stage = Stage::new(Limits::default());
    let address = serve(&stage).await;
    let mut client = connect(address, "events=*").await;
    for _ in 0..3 {
        assert_eq!(stage.wait_out().await.as_secs(), 10);
        assert!(matches!(next(&mut client).await, Message::Ping(_)));
        stage.clock.next_timer().await;
        // The pong goes out before this ping, and is read before it is answered.
        client.send(Message::Ping("read?".into())).await.unwrap();
        assert!(matches!(next(&mut client).await, Message::Pong(_)));
    }
    // From here on the client reads nothing, so it answers no ping.
    stage.wait_out().await;
    stage.wait_out().await;
    while open_sockets(&stage) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_socket_with_much_to_send_is_pinged_too() {
    // More than the sockets' buffers hold, so that some of it waits until the client reads.
    const EVENTS: usize = 400;
    let stage = Stage::new(Limits { lane_depth: EVENTS, ..Limits::default() });
    let address = serve(&stage).await;
    let mut client = connect(address, "events=*").await;
    let payload = format!("\"{}\"", "x".repeat(100_000));
    for _ in 0..EVENTS {
        stage.emit(&payload);
        tokio::task::yield_now().await;
    }
    stage.wait_out().await;
    let mut events = 0;
    while !next(&mut client).await.is_ping() {
        events += 1;
    }
    assert!(events < EVENTS, "it came after everything");
}

#[tokio::test]
async fn a_slow_socket_is_folded_and_holds_nobody_up() {
    let stage = Stage::new(Limits { lane_depth: 4, ..Limits::default() });
    let address = serve(&stage).await;
    let mut client = connect(address, "session=*&events=*").await;
    // More than the sockets' buffers hold, before the client reads anything.
    const EVENTS: u64 = 200_000;
    for n in 1..=EVENTS {
        stage.emit(&n);
        if n % 1_000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let metrics = stage.bus.metrics().render();
    let folded = metrics.lines().find(|line| line.starts_with("waha_conflated_total{")).unwrap();
    assert!(!folded.ends_with(" 0"), "{folded}");
    let (mut last, mut got) = (0, 0);
    while last < EVENTS {
        let seen = payload(&mut client).await.as_u64().unwrap();
        assert!(seen > last, "went back from {last} to {seen}");
        (last, got) = (seen, got + 1);
    }
    assert!(got < EVENTS);
}

#[tokio::test]
async fn a_socket_is_closed_as_going_away_when_the_gateway_ends() {
    let stage = Stage::new(Limits::default());
    let address = serve(&stage).await;
    let mut client = connect(address, "events=*").await;
    stage.emit(&1);
    assert!(stage.bus.drain(Duration::from_secs(30)).await.is_empty());
    assert_eq!(payload(&mut client).await, 1);
    let Message::Close(Some(frame)) = next(&mut client).await else { panic!("not closed") };
    assert_eq!(frame.code, CloseCode::Away);
}
