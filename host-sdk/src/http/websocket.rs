//! Events over a WebSocket: `/ws?session=default&events=presence.update&events=session.status`.
//!
//! `session` is a name, or `*` for all; `events` is repeated, or a list with commas, and `*` is all.
//! Messages are the same bodies that webhooks get. What waits for a socket stands in lanes as for a
//! webhook, so a slow socket is folded and delays no other receiver. Wrong parameters are accepted and closed
//! with 4001 and a reason, because a browser shows a script nothing of a refused upgrade.
//!
//! The gateway sends a ping every 10 s and closes the socket if nothing has come since the one
//! before, or if it could not even be sent for half a minute.

use std::{
    sync::atomic::{AtomicBool, Ordering},
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
    routing::{MethodRouter, get},
};
use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use host_delivery::{
    event_bus::EventBus,
    socket::{Filter, Socket},
};
use percent_encoding::percent_decode_str;
use tokio::sync::Notify;

use super::error::HttpError;

/// How often a socket is pinged.
const PING: Duration = Duration::from_secs(10);

/// For how many beats a ping may wait behind events that a client does not read.
const STUCK: u32 = 3;

/// The close code for wrong parameters.
const WRONG_PARAMETERS: u16 = 4001;

/// How many messages are written before they are flushed.
const BATCH: usize = 64;

/// The largest message that a client may send, in bytes; clients have no need to send any.
const MESSAGE_LIMIT: usize = 64 * 1024;

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// The route for WebSockets, to be mounted behind the API key. `known` decides whether a
/// session exists.
pub fn route<S>(
    bus: EventBus,
    known: impl Fn(&str) -> bool + Clone + Send + Sync + 'static,
) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    get(move |RawQuery(query): RawQuery, upgrade: Upgrade| async move {
        let upgrade = upgrade.map_err(|error| HttpError::new(error.status(), error.body_text()))?;
        // Before the answer, so that a client whose socket is open misses nothing from then on.
        let events =
            parse(query.as_deref().unwrap_or_default(), &known).map(|filter| bus.open(filter));
        Ok::<_, HttpError>(upgrade.max_message_size(MESSAGE_LIMIT).on_upgrade(
            move |socket| async move {
                match events {
                    Ok(events) => serve(events, socket).await,
                    Err(reason) => refuse(socket, reason).await,
                }
            },
        ))
    })
}

fn parse(query: &str, known: &dyn Fn(&str) -> bool) -> Result<Filter, String> {
    let (mut session, mut events) = (None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value)
            .decode_utf8()
            .map_err(|_| format!("{name}: expected UTF-8"))?;
        match name {
            "session" => session = Some(value.into_owned()),
            "events" => {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                events.extend(names.map(str::to_owned));
            }
            _ => {}
        }
    }
    let session = session.unwrap_or_else(|| "*".to_owned());
    if session != "*" && !known(&session) {
        return Err(format!("session: there is no session {session:?}; * is all"));
    }
    if events.is_empty() {
        return Err("events: missing; expected event names, or * for all".to_owned());
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*');
    if let Some(name) = events.iter().find(|name| !name.chars().all(fits)) {
        return Err(format!("events: {name:?} is not a valid event name"));
    }
    let all = events.iter().any(|name| name == "*");
    Ok(Filter {
        session: Some(session).filter(|session| session != "*"),
        events: Some(events).filter(|_| !all),
    })
}

async fn refuse(mut socket: WebSocket, reason: String) {
    let frame = CloseFrame { code: WRONG_PARAMETERS, reason: shortened(reason).into() };
    if socket.send(Message::Close(Some(frame))).await.is_ok() {
        // The handshake ends when the client closes too.
        while let Some(Ok(_)) = socket.recv().await {}
    }
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

async fn serve(events: Socket, socket: WebSocket) {
    let close = talk(&events, socket).await;
    drop(events);
    if let Some((mut sink, code)) = close {
        let frame = CloseFrame { code, reason: Utf8Bytes::default() };
        // A client that is gone is closed already.
        let _ = sink.send(Message::Close(Some(frame))).await;
    }
}

type Sink = SplitSink<WebSocket, Message>;

/// Sends and listens until one side has had enough; the sink and the code to close with, if the
/// client is still there.
async fn talk(events: &Socket, socket: WebSocket) -> Option<(Sink, u16)> {
    let (mut sink, mut stream) = socket.split();
    let pulse = Pulse::default();
    let listen = async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Close(_))) | None => return close_code::NORMAL,
                Some(Ok(_)) => pulse.unanswered.store(false, Ordering::Relaxed),
                // Too large, or no WebSocket's frame.
                Some(Err(_)) => return close_code::POLICY,
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
                    return false;
                }
            }
            events.take(&mut batch, BATCH);
            if batch.is_empty() {
                if events.is_closing() {
                    return true;
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
                    return false;
                }
            }
            if sink.flush().await.is_err() {
                return false;
            }
            events.sent(&mut batch);
            if events.is_closing() && events.pending() > 0 {
                return true;
            }
        }
    };
    let code = tokio::select! {
        code = listen => code,
        () = pulse.stops(events.bus()) => return None,
        alive = send => if alive { close_code::AWAY } else { return None },
    };
    Some((sink, code))
}

/// Whether the client is still connected.
#[derive(Debug, Default)]
struct Pulse {
    /// A ping is to be sent.
    due: AtomicBool,
    /// A ping was sent and nothing has come since.
    unanswered: AtomicBool,
    /// Notified when a ping is due.
    beat: Notify,
}

impl Pulse {
    /// Has pings sent until one is not answered, or cannot be sent for [`STUCK`] beats.
    async fn stops(&self, bus: &EventBus) {
        let mut stuck = 0;
        while stuck < STUCK {
            bus.clock().sleep(PING).await;
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
    use super::Filter;

    fn parse(query: &str) -> Result<Filter, String> {
        super::parse(query, &|session| session == "default")
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
        assert_eq!(parse("session=*&events=*"), Ok(Filter { session: None, events: None }));
        assert_eq!(parse("events=%2A"), Ok(Filter { session: None, events: None }));
    }

    #[test]
    fn an_error_names_its_parameter() {
        let errors = ["session=nobody&events=*", "session=default", "events=a%20b", "events=%ff"];
        let errors: Vec<String> = errors.iter().map(|query| parse(query).unwrap_err()).collect();
        insta::assert_snapshot!(errors.join("\n"), @r#"
        session: there is no session "nobody"; * is all
        events: missing; expected event names, or * for all
        events: "a b" is not a valid event name
        events: expected UTF-8
        "#);
    }
}
