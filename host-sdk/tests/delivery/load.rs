//! How much goes through, from the bus to a receiver on the same machine; run by hand:
//! `cargo test -p host-sdk --release --test delivery load -- --ignored --nocapture`

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use host_sdk::{
    SystemClock,
    event_bus::{DeliverySettings, EventBus},
    webhook::WebhookConfig,
};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, time::Instant};

use crate::receiver::envelope;

/// Latencies in microseconds, and how many there are.
struct Fast {
    latencies: Vec<AtomicU64>,
    received: AtomicU64,
    started: Instant,
}

impl Fast {
    async fn start(events: usize) -> (Arc<Self>, String) {
        let latencies = (0..events).map(|_| AtomicU64::new(0)).collect();
        let fast =
            Arc::new(Self { latencies, received: AtomicU64::new(0), started: Instant::now() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let own = fast.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let fast = own.clone();
                let service = service_fn(move |request| receive(fast.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        (fast, url)
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap()
    }
}

async fn receive(
    fast: Arc<Fast>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let text = std::str::from_utf8(&body).unwrap();
    let after = |marker: &str| {
        let at = text.find(marker).unwrap() + marker.len();
        text[at..].split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<u64>().unwrap()
    };
    let (number, sent) = (after("\"number\":"), after("\"sent\":"));
    let latency = fast.micros().saturating_sub(sent).max(1);
    fast.latencies[usize::try_from(number).unwrap()].store(latency, Ordering::Relaxed);
    fast.received.fetch_add(1, Ordering::Relaxed);
    Ok(Response::new(Empty::new()))
}

async fn load(events: usize, rate: Option<u64>, key: Option<&str>) {
    let (fast, url) = Fast::start(events).await;
    let bus = EventBus::new(Arc::new(SystemClock::new()), DeliverySettings::default());
    let mut webhook = WebhookConfig::new(&url).unwrap();
    if let Some(key) = key {
        webhook = webhook.hmac_key(key);
    }
    bus.set_webhooks("default", vec![webhook]);
    let envelope = envelope("default");
    let start = Instant::now();
    for number in 0..events {
        // Emits what is due; without a rate, so much that the lanes never fold.
        if let Some(rate) = rate {
            let due = u64::try_from(number).unwrap() * 1_000_000 / rate;
            while u64::try_from(start.elapsed().as_micros()).unwrap() < due {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        } else {
            while number as u64 > fast.received.load(Ordering::Relaxed) + 2_000 {
                tokio::task::yield_now().await;
            }
        }
        let (chat, sent) = (number % 1_000, fast.micros());
        let id = format!("5511999{chat:06}@c.us");
        let payload = format!(
            r#"{{"id":"{id}","presences":[{{"participant":"{id}","lastKnownPresence":"online","lastSeen":null}}],"number":{number},"sent":{sent}}}"#
        );
        bus.emit(&envelope, "presence.update", &id, &[&id], payload.as_bytes());
    }
    let leftovers = bus.drain(Duration::from_secs(30)).await;
    let elapsed = start.elapsed();
    assert!(leftovers.is_empty(), "{leftovers:?}");
    let mut latencies: Vec<u64> =
        fast.latencies.iter().map(|latency| latency.load(Ordering::Relaxed)).collect();
    let missing = latencies.iter().filter(|latency| **latency == 0).count();
    latencies.sort_unstable();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize] as f64 / 1000.0;
    println!(
        "{:?}/s, hmac {}: {:.0} events/s, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms, not delivered {missing}",
        rate,
        key.is_some(),
        events as f64 / elapsed.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(0.999_999),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures this machine"]
async fn load_of_one_receiver() {
    load(50_000, None, None).await;
    load(400_000, None, None).await;
    load(400_000, None, Some("my-secret-key")).await;
    load(50_000, Some(10_000), Some("my-secret-key")).await;
    load(100_000, Some(20_000), Some("my-secret-key")).await;
}
