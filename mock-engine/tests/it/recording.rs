//! A real WAHA's events: recorded over its WebSocket, scrubbed, and played again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufReader,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    extract::{
        RawQuery, State,
        ws::{Message, WebSocketUpgrade},
    },
    response::Response,
    routing::any,
};
use mock_engine::{MockWaha, Recording, Scenario, noweb::Event, scenario::Session};
use serde_json::{Value, json};

/// How many events a morning has.
const EVENTS: u64 = 100_000;

/// A morning's events as a WAHA sends them, people and all.
fn morning() -> Vec<Value> {
    let mut state = 0x9e37_79b9_u64;
    let mut draw = move |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..EVENTS)
        .map(|index| {
            let who = format!("5511{:09}@s.whatsapp.net", 900_000_000 + draw(400) * 7);
            let group = format!("12036304{:010}@g.us", draw(20) * 13);
            let chat = if draw(3) == 0 { group } else { who.clone() };
            let payload = if draw(10) == 0 {
                json!({ "event": "messages.upsert", "data": { "type": "notify", "messages": [{
                    "key": { "remoteJid": chat, "fromMe": false, "id": format!("3A{index:018X}"), "participant": who },
                    "pushName": format!("Name {who}"),
                    "messageTimestamp": 1_686_719_326 + index,
                    "message": { "conversation": format!("my number is {}", who.split('@').next().unwrap()) },
                }] } })
            } else {
                let status = ["available", "unavailable", "composing", "recording"][draw(4) as usize];
                let mut presence = json!({ "lastKnownPresence": status });
                if status == "unavailable" {
                    presence["lastSeen"] = json!(1_686_719_326 + index);
                }
                json!({ "event": "presence.update", "data": { "id": chat, "presences": { who: presence } } })
            };
            json!({
                "id": format!("evt_{index}"), "event": "engine.event", "session": "default", "engine": "NOWEB",
                "timestamp": 1_686_719_326_000_u64 + index * 700, "payload": payload,
            })
        })
        .collect()
}

async fn speak(
    upgrade: WebSocketUpgrade,
    RawQuery(query): RawQuery,
    State(morning): State<Arc<Morning>>,
) -> Response {
    let query = query.unwrap_or_default();
    assert!(query.contains("session=default") && query.contains("events=engine.event"), "{query}");
    upgrade.on_upgrade(async move |mut socket| {
        let next = || morning.sent.fetch_add(1, Ordering::SeqCst);
        while let Some(event) = morning.events.get(next()) {
            if socket.send(Message::Text(event.to_string().into())).await.is_err() {
                return;
            }
            if morning.sent.load(Ordering::SeqCst) == morning.events.len() / 2 {
                // As when WAHA is started again: the rest comes with the next connection.
                return;
            }
        }
        // The recorder ends when it has them all.
        while let Some(Ok(_)) = socket.recv().await {}
    })
}

struct Morning {
    events: Vec<Value>,
    sent: AtomicUsize,
}

/// What a gateway shows, with ids by the order in which they appear.
fn renamed(all: &Value) -> Value {
    let mut names = BTreeMap::new();
    let mut text = all.clone();
    for chat in text.as_array_mut().unwrap() {
        let mut rename = |id: &mut Value| {
            let next = names.len();
            let old = id.as_str().unwrap().to_owned();
            let server = old.split('@').next_back().unwrap().to_owned();
            *id = json!(format!("{}@{server}", names.entry(old).or_insert(next)));
        };
        rename(&mut chat["id"]);
        for presence in chat["presences"].as_array_mut().unwrap() {
            rename(&mut presence["participant"]);
        }
    }
    text
}

async fn shown_after(scenario: Scenario) -> Value {
    let ends = scenario.ends().unwrap();
    let waha = MockWaha::builder().scenario(scenario).build().unwrap();
    waha.begin().await;
    waha.advance(ends).await;
    waha.get("/api/default/presence").await.body
}

async fn shown_live(events: &[Value]) -> Value {
    let scenario = Scenario { sessions: vec![Session::new("default")], ..Scenario::default() };
    let waha = MockWaha::builder().scenario(scenario).build().unwrap();
    waha.begin().await;
    let events = events.iter().map(|envelope| {
        let payload = &envelope["payload"];
        Event::of(payload["event"].as_str().unwrap(), payload["data"].clone())
    });
    waha.engine().hand("default", events.collect()).await.unwrap();
    waha.get("/api/default/presence").await.body
}

/// The runs of digits that are long enough for a phone number.
fn digits(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() >= 11)
}

/// Whether one of `numbers` is a part of the run.
fn has_any_of(run: &str, numbers: &BTreeSet<&str>) -> bool {
    let ends = |start| (start + 11)..=run.len();
    (0..run.len()).any(|start| ends(start).any(|end| numbers.contains(&run[start..end])))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_morning_is_recorded_scrubbed_and_shown_again() {
    let morning = Arc::new(Morning { events: morning(), sent: AtomicUsize::new(0) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/ws", any(speak)).with_state(morning.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let folder = tempfile::tempdir().unwrap();
    let (raw, scrubbed) = (folder.path().join("raw.jsonl"), folder.path().join("scrubbed.jsonl"));
    let run = |arguments: Vec<String>| async move {
        let command = tokio::task::spawn_blocking(move || {
            Command::new(env!("CARGO_BIN_EXE_mock-engine")).args(arguments).output().unwrap()
        });
        let output = command.await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let url = format!("ws://{address}/ws");
    let record = ["record", "--waha", &url, "--session", "default", "--no-scrub", "--events"];
    let mut record: Vec<String> = record.map(str::to_owned).to_vec();
    record.extend([EVENTS.to_string(), "-o".to_owned(), path(&raw)]);
    run(record).await;
    run(vec!["scrub".to_owned(), path(&raw), "-o".to_owned(), path(&scrubbed)]).await;

    let text = std::fs::read_to_string(&scrubbed).unwrap();
    let raw = std::fs::read_to_string(&raw).unwrap();
    // The first line has the time at which the recording began, and no phone number.
    let (_, lines) = raw.split_once('\n').unwrap();
    let numbers: BTreeSet<&str> =
        digits(lines).filter(|digits| !digits.starts_with("16867")).collect();
    assert!(numbers.len() > 400, "{} numbers went in", numbers.len());
    let through: Vec<_> = digits(&text).filter(|run| has_any_of(run, &numbers)).collect();
    assert!(through.is_empty(), "{through:?}");

    let recording = Recording::read(BufReader::new(text.as_bytes())).unwrap();
    assert_eq!(recording.events.len() as u64, EVENTS);
    let (live, again) =
        (shown_live(&morning.events).await, shown_after(recording.scenario("r")).await);
    assert!(live.as_array().unwrap().len() > 400);
    let (live, again) = (renamed(&live), renamed(&again));
    for (live, again) in live.as_array().unwrap().iter().zip(again.as_array().unwrap()) {
        assert_eq!(live, again);
    }
    assert_eq!(live, again);
}

/// The program, recording; it is ended by a signal.
#[cfg(unix)]
#[tokio::test]
async fn a_waha_behind_tls_is_recorded_until_a_signal_comes() {
    use futures_util::{SinkExt, StreamExt};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    use tokio_tungstenite::tungstenite::Message;

    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../host-sdk/delivery/tests/it/certificates");
    let chain = vec![CertificateDer::from_pem_file(format!("{folder}/localhost.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(format!("{folder}/localhost.key")).unwrap();
    let config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/ws", listener.local_addr().unwrap().port());

    let file = tempfile::tempdir().unwrap();
    let file = file.path().join("r.jsonl");
    let mut recorder = Command::new(env!("CARGO_BIN_EXE_mock-engine"))
        .args(["record", "--waha", &url, "--ca", &format!("{folder}/ca.pem"), "-o"])
        .arg(&file)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let stream = acceptor.accept(stream).await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    socket.send(Message::text(morning()[0].to_string())).await.unwrap();
    // Who answers a ping has heard what came before it.
    socket.send(Message::Ping(Vec::new().into())).await.unwrap();
    assert!(socket.next().await.unwrap().unwrap().is_pong());
    let process = recorder.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
    let output = tokio::task::spawn_blocking(move || {
        let code = recorder.wait().unwrap().code();
        (code, std::io::read_to_string(recorder.stderr.take().unwrap()).unwrap())
    });
    let (code, said) = output.await.unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("1 events recorded in "), "{said}");
    let recording = Recording::read(BufReader::new(std::fs::File::open(&file).unwrap())).unwrap();
    assert_eq!(recording.events.len(), 1);
}
