//! A webhook receiver that does as little as one can, and the ledger in which it writes.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::Instant,
};

/// The last seen of the first event, in Unix seconds; each next one is a second later.
pub(super) const FIRST: u64 = 1_000_000_000;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What was sent when, and what arrived where after how long.
pub(super) struct Ledger {
    events: u32,
    chats: u32,
    receivers: usize,
    started: Instant,
    /// When each event was sent, in nanoseconds after the start.
    sent: Vec<AtomicU64>,
    /// How long each took to each receiver, in microseconds and one; 0 when it did not arrive.
    took: Vec<AtomicU32>,
    /// The newest event that each receiver knows of each chat, and one.
    newest: Vec<AtomicU32>,
    arrived: Vec<AtomicU64>,
    conflated: AtomicU64,
    doubled: AtomicU64,
    backwards: AtomicU64,
    foreign: AtomicU64,
    last_ns: AtomicU64,
    progress: Notify,
}

impl Ledger {
    pub(super) fn new(events: u32, chats: u32, receivers: usize) -> Self {
        let times = |count: usize| (0..count).map(|_| AtomicU32::new(0)).collect();
        Self {
            events,
            chats,
            receivers,
            started: Instant::now(),
            sent: (0..events).map(|_| AtomicU64::new(0)).collect(),
            took: times(events as usize * receivers),
            newest: times(chats as usize * receivers),
            arrived: (0..receivers).map(|_| AtomicU64::new(0)).collect(),
            conflated: AtomicU64::new(0),
            doubled: AtomicU64::new(0),
            backwards: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
            last_ns: AtomicU64::new(0),
            progress: Notify::new(),
        }
    }

    pub(super) fn events(&self) -> u32 {
        self.events
    }

    pub(super) fn chats(&self) -> u32 {
        self.chats
    }

    pub(super) fn receivers(&self) -> usize {
        self.receivers
    }

    pub(super) fn send(&self, event: u32) {
        self.sent[event as usize].store(self.now_ns(), Ordering::Relaxed);
    }

    /// How many events the slowest receiver has.
    pub(super) fn arrived(&self) -> u64 {
        let arrived = self.arrived.iter().map(|it| it.load(Ordering::Relaxed));
        let folded = self.conflated() / self.receivers as u64;
        arrived.min().unwrap_or_default() + folded
    }

    /// How many events have arrived or were folded, over all receivers.
    pub(super) fn accounted(&self) -> u64 {
        let arrived: u64 = self.arrived.iter().map(|it| it.load(Ordering::Relaxed)).sum();
        arrived + self.conflated()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.accounted() >= u64::from(self.events) * self.receivers as u64
    }

    pub(super) async fn progress(&self) {
        // Told at every arrival; one that is missed is followed by others, or by this.
        let _ = tokio::time::timeout(Duration::from_millis(1), self.progress.notified()).await;
    }

    pub(super) fn conflated(&self) -> u64 {
        self.conflated.load(Ordering::Relaxed)
    }

    pub(super) fn doubled(&self) -> u64 {
        self.doubled.load(Ordering::Relaxed)
    }

    pub(super) fn backwards(&self) -> u64 {
        self.backwards.load(Ordering::Relaxed)
    }

    pub(super) fn foreign(&self) -> u64 {
        self.foreign.load(Ordering::Relaxed)
    }

    /// How long it took until the last arrival, from the first event on.
    pub(super) fn finished(&self) -> Duration {
        let first = self.sent.first().map_or(0, |sent| sent.load(Ordering::Relaxed));
        Duration::from_nanos(self.last_ns.load(Ordering::Relaxed).saturating_sub(first))
    }

    /// How long each arrival took, in microseconds, in no order.
    pub(super) fn latencies(&self) -> Vec<u32> {
        let took = self.took.iter().map(|took| took.load(Ordering::Relaxed));
        took.filter_map(|took| took.checked_sub(1)).collect()
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn arrive(&self, receiver: usize, body: &[u8], conflated: u64) {
        let now = self.now_ns();
        self.conflated.fetch_add(conflated, Ordering::Relaxed);
        let event = last_seen(body)
            .and_then(|last_seen| u32::try_from(last_seen.checked_sub(FIRST)?).ok())
            .filter(|event| *event < self.events);
        let Some(event) = event else {
            self.foreign.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let sent = self.sent[event as usize].load(Ordering::Relaxed);
        let micros = u32::try_from(now.saturating_sub(sent) / 1_000).unwrap_or(u32::MAX - 1);
        let took = &self.took[event as usize * self.receivers + receiver];
        if took.swap(micros.saturating_add(1), Ordering::Relaxed) == 0 {
            self.arrived[receiver].fetch_add(1, Ordering::Relaxed);
        } else {
            self.doubled.fetch_add(1, Ordering::Relaxed);
        }
        let newest = &self.newest[(event % self.chats) as usize * self.receivers + receiver];
        if newest.fetch_max(event + 1, Ordering::Relaxed) > event + 1 {
            self.backwards.fetch_add(1, Ordering::Relaxed);
        }
        self.last_ns.fetch_max(now, Ordering::Relaxed);
        self.progress.notify_one();
    }
}

/// The number after `"lastSeen":` in a body.
fn last_seen(body: &[u8]) -> Option<u64> {
    let name = b"\"lastSeen\":";
    let at = body.windows(name.len()).position(|window| window == name)? + name.len();
    let digits = body[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |number, digit| Some(number.unwrap_or(0) * 10 + u64::from(digit - b'0')))
}

/// Takes connections until the program ends.
pub(super) async fn receive(listener: TcpListener, index: usize, slow: u64, ledger: Arc<Ledger>) {
    while let Ok((stream, _)) = listener.accept().await {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            // A connection that ends is the sender's business.
            let _ = converse(stream, index, slow, &ledger).await;
        });
    }
}

async fn converse(
    mut stream: TcpStream,
    index: usize,
    slow: u64,
    ledger: &Ledger,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        while let Some((request, length)) = request(&buffer) {
            if slow > 0 {
                tokio::time::sleep(Duration::from_millis(slow)).await;
            }
            let body = &buffer[request.body..length];
            ledger.arrive(index, body, request.conflated);
            buffer.drain(..length);
            stream.write_all(ANSWER).await?;
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

struct Request {
    /// Where the body begins.
    body: usize,
    conflated: u64,
}

/// The request at the beginning of the buffer, once it is all there, and its length.
fn request(buffer: &[u8]) -> Option<(Request, usize)> {
    let body = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let (mut length, mut conflated) = (0, 0);
    for line in buffer[..body].split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let number = || std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok();
        if name.eq_ignore_ascii_case(b"content-length") {
            length = number().unwrap_or_default();
        } else if name.eq_ignore_ascii_case(b"x-webhook-conflated") {
            conflated = number().unwrap_or_default() as u64;
        }
    }
    let end = body + length;
    (buffer.len() >= end).then_some((Request { body, conflated }, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_once_it_is_all_there() {
        let text =
            b"POST / HTTP/1.1\r\nX-Webhook-Conflated: 3\r\ncontent-length: 4\r\n\r\nbodyPOST";
        let (request, length) = request(text).unwrap();
        assert_eq!(&text[request.body..length], b"body");
        assert_eq!(request.conflated, 3);
        assert!(super::request(&text[..text.len() - 5]).is_none());
    }

    #[test]
    fn what_arrives_is_counted_once_and_in_order() {
        let ledger = Ledger::new(4, 2, 1);
        let body = |event: u64| format!("{{\"lastSeen\":{}}}", FIRST + event);
        for event in [0, 2, 2, 3, 1] {
            ledger.arrive(0, body(event).as_bytes(), 0);
        }
        ledger.arrive(0, b"{}", 0);
        assert!(ledger.is_complete());
        assert_eq!((ledger.doubled(), ledger.backwards(), ledger.foreign()), (1, 1, 1));
    }
}
