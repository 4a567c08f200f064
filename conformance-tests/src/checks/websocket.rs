//! WebSocket: `/ws`, the same events for applications that cannot receive webhooks.

use serde_json::{Value, json};

use crate::{
    Ability::{People, Presence},
    Check, Context,
    Need::{ApiKey, Driver, SecondSession, WebSocket, Webhook},
    context::{has_status, record},
    driver::Becomes,
    requirements,
    target::websocket::{Ended, Socket},
    verdict::{Failure, Halt, Needed, Verdict, ensure, same},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::should("websocket/brings-presence-update", brings_presence)
            .requires("A socket for presence.update receives a chat's change.")
            .needs(&[Driver(Presence), WebSocket]),
        Check::should("websocket/event-is-the-webhooks", same_as_webhook)
            .requires("An event on the socket has the webhook's body.")
            .needs(&[Driver(Presence), WebSocket, Webhook]),
        Check::should("websocket/star-means-all", star)
            .requires("A socket for * receives presence.update.")
            .needs(&[Driver(Presence), WebSocket]),
        Check::should("websocket/only-events-asked-for", only_asked_for)
            .requires("A socket for session.status receives no presence.update.")
            .needs(&[Driver(People), WebSocket]),
        Check::should("websocket/only-the-session-asked-for", only_this_session)
            .requires("A socket for one session receives no events of another.")
            .needs(&[WebSocket, SecondSession]),
        Check::should("websocket/brings-session-status", brings_status)
            .requires("A socket for session.status receives the start of its session.")
            .needs(&[WebSocket, SecondSession]),
        Check::should("websocket/events-by-comma", by_comma)
            .requires("Several events can be requested in one comma-separated parameter.")
            .needs(&[Driver(Presence), WebSocket]),
        Check::should("websocket/wrong-key-is-refused", wrong_key)
            .requires("A socket with a wrong key, or without one, is refused or closed.")
            .needs(&[WebSocket, ApiKey]),
        Check::may("websocket/unknown-session-closes-with-4001", closes_with_4001)
            .requires(
                "A socket for a session that does not exist is closed with 4001 and a reason.",
            )
            .differs("websocket-session")
            .needs(&[WebSocket]),
    ]
}

/// Opens a socket for one session; for all of them if the target offers nothing else.
async fn open(cx: &Context, session: &str, events: &str) -> Verdict<Socket> {
    let session = if only_all_sessions(cx).await { "*" } else { session };
    let opened = connect(cx, session, events).await;
    opened.and_then(|opened| opened.map_err(|ended| refused(&ended))).needed(requirements::SOCKET)
}

async fn connect(cx: &Context, session: &str, events: &str) -> Verdict<Result<Socket, Ended>> {
    let parameters = format!("session={session}&{events}");
    cx.target().socket(&parameters, cx.target().api_key(), &cx.trace).await
}

fn refused(ended: &Ended) -> Halt {
    Failure::new("a WebSocket", format!("{ended:?}")).into()
}

/// Whether a socket for the session under test is closed with 4001, as by versions of WAHA that offer
/// `session=*` only.
async fn only_all_sessions(cx: &Context) -> bool {
    let probe = || async {
        let session = &cx.environment.settings.session;
        let Ok(Ok(socket)) = connect(cx, session, "events=*").await else { return false };
        matches!(socket.ended(cx.settle()).await, Ok(Ended::Closed(4001, _)))
    };
    *cx.environment.only_all_sessions.get_or_init(probe).await
}

/// Makes a contact type, and waits for the event on an open socket.
async fn typing(cx: &Context, socket: &mut Socket) -> Verdict<(String, Value)> {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    let mine =
        |event: &Value| event["event"] == "presence.update" && event["payload"]["id"] == *contact;
    let event = socket.next("presence.update on the socket", cx.timeout(), mine).await;
    Ok((contact, event.needed(requirements::SOCKET)?))
}

async fn brings_presence(cx: Context) -> Verdict {
    let mut socket = open(&cx, cx.session(), "events=presence.update").await?;
    let (contact, event) = typing(&cx, &mut socket).await?;
    Ok(has_status(record(&event["payload"], &contact)?, "typing")?)
}

async fn same_as_webhook(cx: Context) -> Verdict {
    let (cx, hook) = cx.hooked().await?;
    let mut socket = open(&cx, cx.session(), "events=presence.update").await?;
    let (contact, event) = typing(&cx, &mut socket).await?;
    let mut webhook = cx.presence_update(&hook, &contact).await?;
    // A server may give an event one id, or one per receiver.
    for field in ["id", "timestamp"] {
        webhook[field] = event[field].clone();
    }
    Ok(same(&webhook, &event)?)
}

async fn star(cx: Context) -> Verdict {
    let mut socket = open(&cx, cx.session(), "events=*").await?;
    typing(&cx, &mut socket).await?;
    Ok(())
}

async fn only_asked_for(cx: Context) -> Verdict {
    let mut socket = open(&cx, cx.session(), "events=session.status").await?;
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    nothing(&cx, &mut socket, |event| event["event"] == "presence.update").await
}

async fn only_this_session(cx: Context) -> Verdict {
    if only_all_sessions(&cx).await {
        return Err(Halt::Skipped("the target offers session=* only".to_owned()));
    }
    let other = cx.own_session(json!({}), false).await?;
    let mut socket = open(&cx, cx.session(), "events=*").await?;
    other.session_must("start").await?;
    nothing(&cx, &mut socket, |event| event["session"] == other.session()).await
}

/// Holds when no such event arrives during the quiet period.
async fn nothing(cx: &Context, socket: &mut Socket, bad: impl Fn(&Value) -> bool) -> Verdict {
    match socket.next("", cx.settle(), bad).await {
        Ok(event) => Err(Failure::new("no such event", event.to_string()).into()),
        Err(_) => Ok(()),
    }
}

async fn brings_status(cx: Context) -> Verdict {
    let own = cx.own_session(json!({}), false).await?;
    let mut socket = open(&cx, own.session(), "events=session.status").await?;
    own.session_must("start").await?;
    let status =
        |event: &Value| event["event"] == "session.status" && event["session"] == own.session();
    socket.next("session.status on the socket", cx.timeout(), status).await?;
    Ok(())
}

async fn by_comma(cx: Context) -> Verdict {
    let mut socket = open(&cx, cx.session(), "events=session.status,presence.update").await?;
    typing(&cx, &mut socket).await?;
    Ok(())
}

async fn wrong_key(cx: Context) -> Verdict {
    let parameters = format!("session={}&events=presence.update", cx.session());
    for key in [None, Some("not-the-key")] {
        if let Ok(socket) = cx.target().socket(&parameters, key, &cx.trace).await? {
            socket.ended(cx.timeout()).await?;
        }
    }
    Ok(())
}

async fn closes_with_4001(cx: Context) -> Verdict {
    let socket = connect(&cx, &cx.session_name(), "events=presence.update").await?;
    let socket = socket.map_err(|ended| refused(&ended)).needed(requirements::SOCKET)?;
    let ended = socket.ended(cx.timeout()).await?;
    let right = matches!(&ended, Ended::Closed(4001, reason) if !reason.is_empty());
    ensure(right, "closed with 4001 and a reason", || format!("{ended:?}"))?;
    Ok(())
}
