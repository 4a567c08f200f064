//! Events over a WebSocket: `/ws?session=default&events=presence.update,session.status`.
//!
//! `session` is a name, or `*` for all; `events` is a list with commas or repeated, and `*` is all. Both are
//! `*` where they are absent or empty, as in WAHA. Messages are the same bodies that webhooks get. What waits
//! for a socket stands in lanes as for a webhook, so a slow socket is folded and delays no other. Invalid
//! parameters are accepted and closed with 4001 and a reason, because a browser shows a script nothing of a
//! refused upgrade.
//!
//! The gateway sends a ping every 10 s of real time and drops the connection if nothing has arrived since the
//! previous one, or if it could not even be sent for half a minute. It closes as RFC 6455 says: it answers
//! the client's close frame with the same code, and closes with 1001 when it ends, with 1002, 1007 or 1009
//! when the client breaks the protocol, sends text that is not UTF-8, or too much. Then it waits up to 2 s
//! for the client's part of the closing handshake.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{
        RawQuery,
        ws::{
            CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code,
            rejection::WebSocketUpgradeRejection,
        },
    },
    http::{HeaderMap, header::SEC_WEBSOCKET_PROTOCOL},
    routing::{MethodRouter, get},
};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use host_delivery::{
    clock::Clock,
    event_bus::EventBus,
    event_names::EventNames,
    socket::{Filter, Socket},
};
use percent_encoding::percent_decode_str;
use tokio::sync::Notify;

use super::error::HttpError;

/// How often a socket is pinged.
const PING: Duration = Duration::from_secs(10);

/// The number of pings that may wait behind events that a client does not read.
const STUCK: u32 = 3;

/// How long the client's part of the closing handshake is waited for.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// The close code for invalid parameters.
const INVALID_PARAMETERS: u16 = 4001;

/// The number of messages that are written before they are flushed.
const BATCH: usize = 64;

/// How much a client may send in a message, in bytes; it has nothing to say.
const MESSAGE_LIMIT: usize = 64 * 1024;

/// How much may wait to be written, in bytes: events that were taken from the lanes, and pongs. A larger
/// event ends the socket.
const WRITE_LIMIT: usize = 4 << 20;

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// What a socket may ask for, and the clock that its pings go by.
#[derive(Clone)]
pub struct Offer<K> {
    /// Whether there is a session of this name.
    pub is_session: K,
    /// The events that there are.
    pub events: EventNames,
    /// Real time, whatever clock the gateway runs on.
    pub clock: Arc<dyn Clock>,
}

impl<K> std::fmt::Debug for Offer<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offer").field("events", &self.events).finish_non_exhaustive()
    }
}

/// The route for WebSockets, to be mounted behind the API key.
pub fn route<S, K>(bus: EventBus, offer: Offer<K>) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    K: Fn(&str) -> bool + Clone + Send + Sync + 'static,
{
    get(move |RawQuery(query): RawQuery, headers: HeaderMap, upgrade: Upgrade| async move {
        let upgrade = upgrade.map_err(|error| HttpError::new(error.status(), error.body_text()))?;
        // Before the answer, so that a client whose socket is open misses nothing from then on.
        let query = query.as_deref().unwrap_or_default();
        let events = parse(query, &offer).map(|filter| bus.open(filter));
        let clock = offer.clock;
        let upgrade = upgrade
            .max_message_size(MESSAGE_LIMIT)
            .max_frame_size(MESSAGE_LIMIT)
            .max_write_buffer_size(WRITE_LIMIT)
            .protocols(first_protocol(&headers));
        Ok::<_, HttpError>(upgrade.on_upgrade(move |socket| async move {
            let (mut sink, mut stream) = socket.split();
            let farewell = match events {
                Ok(events) => talk(&events, &*clock, &mut sink, &mut stream).await,
                Err(reason) => Farewell::Say(INVALID_PARAMETERS, reason),
            };
            close(farewell, &mut sink, &mut stream).await;
        }))
    })
}

/// The first subprotocol that the client offers, which Node's `ws` takes as well.
fn first_protocol(headers: &HeaderMap) -> Option<String> {
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let first = offered.split(',').next()?.trim();
    Some(first.to_owned()).filter(|first| !first.is_empty())
}

fn parse<K: Fn(&str) -> bool>(query: &str, offer: &Offer<K>) -> Result<Filter, String> {
    let (mut session, mut events) = (None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value)
            .decode_utf8()
            .map_err(|_| format!("{name}: is not valid UTF-8 after percent-decoding"))?;
        match name {
            "session" => session = Some(value.trim().to_owned()),
            "events" => {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                events.extend(names.map(str::to_owned));
            }
            _ => {}
        }
    }
    let session = session.filter(|session| !session.is_empty() && session != "*");
    if let Some(name) = session.as_ref().filter(|name| !(offer.is_session)(name)) {
        return Err(format!("session: unknown session `{}`; * is all", name.escape_debug()));
    }
    for name in &events {
        offer.events.check(name).map_err(|problem| format!("events: {problem}"))?;
    }
    let all = events.is_empty() || events.iter().any(|name| name == "*");
    Ok(Filter { session, events: Some(events).filter(|_| !all) })
}

type Sink = SplitSink<WebSocket, Message>;
type Stream = SplitStream<WebSocket>;

/// How a socket ends.
enum Farewell {
    /// The gateway closes, with this code and reason.
    Say(u16, String),
    /// The client closes; the answer to its close frame is to be sent.
    Answer,
    /// The connection is broken, or the client does not react.
    Drop,
}

async fn close(farewell: Farewell, sink: &mut Sink, stream: &mut Stream) {
    let handshake = async {
        match farewell {
            Farewell::Drop => {}
            // The answer is written already; this sends it.
            Farewell::Answer => drop(sink.close().await),
            Farewell::Say(code, reason) => {
                let frame = CloseFrame { code, reason: shortened(reason).into() };
                if sink.send(Message::Close(Some(frame))).await.is_ok() {
                    // Until the client closes as well, or is lost.
                    while let Some(Ok(_)) = stream.next().await {}
                }
            }
        }
    };
    let _ = tokio::time::timeout(HANDSHAKE, handshake).await;
}

/// A close frame has room for 123 bytes.
fn shortened(mut reason: String) -> String {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.truncate(end);
    reason
}

/// Sends and listens until one side ends the socket.
async fn talk(
    events: &Socket,
    clock: &dyn Clock,
    sink: &mut Sink,
    stream: &mut Stream,
) -> Farewell {
    let pulse = Pulse::default();
    let listen = async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Close(_))) => return Farewell::Answer,
                Some(Ok(_)) => pulse.unanswered.store(false, Ordering::Relaxed),
                Some(Err(error)) => return farewell_for(error),
                None => return Farewell::Drop,
            }
        }
    };
    let send = async {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            // A socket that never runs out of events is pinged too.
            if pulse.due.swap(false, Ordering::Relaxed) {
                pulse.unanswered.store(true, Ordering::Relaxed);
                if sink.send(Message::Ping(bytes::Bytes::new())).await.is_err() {
                    return Farewell::Drop;
                }
            }
            events.take(&mut batch, BATCH);
            if batch.is_empty() {
                if events.is_closing() {
                    return Farewell::Say(close_code::AWAY, String::new());
                }
                tokio::select! {
                    () = events.news() => {}
                    () = pulse.beat.notified() => {}
                }
                continue;
            }
            for taken in &batch {
                let Ok(text) = Utf8Bytes::try_from(taken.update.body.clone()) else { continue };
                if sink.feed(Message::Text(text)).await.is_err() {
                    return Farewell::Drop;
                }
            }
            if sink.flush().await.is_err() {
                return Farewell::Drop;
            }
            events.sent(&mut batch);
            if events.is_closing() && events.pending() > 0 {
                return Farewell::Say(close_code::AWAY, String::new());
            }
        }
    };
    tokio::select! {
        farewell = listen => farewell,
        farewell = send => farewell,
        () = pulse.stops(clock) => Farewell::Drop,
        () = events.closed() => Farewell::Say(close_code::AWAY, String::new()),
    }
}

/// What RFC 6455, section 7.4.1, says to a client that made this error.
fn farewell_for(error: axum::Error) -> Farewell {
    use tungstenite::Error;
    let inner = error.into_inner();
    let (code, reason) = match inner.downcast_ref::<Error>() {
        Some(Error::Protocol(problem)) => (close_code::PROTOCOL, problem.to_string()),
        Some(Error::Utf8(_)) => (close_code::INVALID, "is not valid UTF-8".to_owned()),
        Some(Error::Capacity(_)) => {
            (close_code::SIZE, format!("messages may have up to {MESSAGE_LIMIT} bytes"))
        }
        _ => return Farewell::Drop,
    };
    Farewell::Say(code, reason)
}

/// Whether the client is still there.
#[derive(Debug, Default)]
struct Pulse {
    /// A ping is to be sent.
    due: AtomicBool,
    /// A ping was sent and nothing has arrived since.
    unanswered: AtomicBool,
    /// Notified when a ping is due.
    beat: Notify,
}

impl Pulse {
    /// Has pings sent until one is not answered, or cannot be sent for [`STUCK`] beats.
    async fn stops(&self, clock: &dyn Clock) {
        let mut stuck = 0;
        while stuck < STUCK {
            clock.sleep(PING).await;
            if self.unanswered.load(Ordering::Relaxed) {
                return;
            }
            let unsent = self.due.swap(true, Ordering::Relaxed);
            stuck = if unsent { stuck + 1 } else { 0 };
            self.beat.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use host_delivery::{clock::SystemClock, event_names::EventNames};

    use super::{Filter, Offer};

    fn parse(query: &str) -> Result<Filter, String> {
        let offer = Offer {
            is_session: |session: &str| session == "default",
            events: EventNames::new(["a.b".to_owned(), "c".to_owned()]),
            clock: Arc::new(SystemClock::new()),
        };
        super::parse(query, &offer)
    }

    #[test]
    fn events_are_repeated_or_listed_with_commas() {
        let expected = Filter {
            session: Some("default".into()),
            events: Some(vec!["a.b".into(), "c".into()]),
        };
        let same = parse("session=default&events=a.b&x-api-key=1&events=c");
        assert_eq!(
            (parse("session=default&events=a.b,%20c").as_ref(), same.as_ref()),
            (Ok(&expected), Ok(&expected))
        );
    }

    #[test]
    fn what_is_absent_or_empty_is_all() {
        let all = Filter { session: None, events: None };
        for query in ["", "x-api-key=1", "session=&events=", "session=*&events=*", "events=%2A"] {
            assert_eq!(parse(query).as_ref(), Ok(&all), "{query}");
        }
        let one = parse("session=default").unwrap();
        assert_eq!(one, Filter { session: Some("default".into()), events: None });
    }

    #[test]
    fn an_invalid_parameter_is_named() {
        let errors = ["session=nowhere&events=*", "events=a%20b", "events=a.c", "events=%ff"];
        let errors: Vec<String> = errors.iter().map(|query| parse(query).unwrap_err()).collect();
        insta::assert_snapshot!(errors.join("\n"), @"
        session: unknown session `nowhere`; * is all
        events: unknown event `a b`; expected one of `a.b`, `c`, `session.status`, or `*`
        events: unknown event `a.c`; expected one of `a.b`, `c`, `session.status`, or `*`
        events: is not valid UTF-8 after percent-decoding
        ");
    }
}
