//! WebSocket: `/ws`, the same events for those who cannot receive webhooks.

use serde_json::{Value, json};

use crate::{
    Ability::{People, Presence},
    Check, Context,
    Need::{ApiKey, Driver, SecondSession, WebSocket, Webhook},
    context::{has_status, record},
    driver::Becomes,
    target::websocket::{Ended, Socket},
    verdict::{Failure, Verdict, ensure, same},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::should(
            "websocket/brings-presence-update",
            "A socket for presence.update gets a chat's change.",
            |cx| Box::pin(brings_presence(cx)),
        )
        .needs(&[Driver(Presence), WebSocket]),
        Check::should(
            "websocket/event-is-the-webhooks",
            "An event on the socket has the body of the webhook.",
            |cx| Box::pin(same_as_webhook(cx)),
        )
        .needs(&[Driver(Presence), WebSocket, Webhook]),
        Check::should("websocket/star-means-all", "A socket for * gets presence.update.", |cx| {
            Box::pin(star(cx))
        })
        .needs(&[Driver(Presence), WebSocket]),
        Check::should(
            "websocket/only-events-asked-for",
            "A socket for session.status gets no presence.update.",
            |cx| Box::pin(only_asked_for(cx)),
        )
        .needs(&[Driver(People), WebSocket]),
        Check::should(
            "websocket/only-the-session-asked-for",
            "A socket for one session gets nothing of another.",
            |cx| Box::pin(only_this_session(cx)),
        )
        .needs(&[WebSocket, SecondSession]),
        Check::should(
            "websocket/brings-session-status",
            "A socket for session.status gets the start of its session.",
            |cx| Box::pin(brings_status(cx)),
        )
        .needs(&[WebSocket, SecondSession]),
        Check::may(
            "websocket/events-by-comma-or-repeated",
            "Several events may be asked for with commas, or with several parameters.",
            |cx| Box::pin(comma_or_repeated(cx)),
        )
        .needs(&[Driver(Presence), WebSocket]),
        Check::should(
            "websocket/wrong-key-is-refused",
            "A socket with a wrong key, or none, is refused or closed.",
            |cx| Box::pin(wrong_key(cx)),
        )
        .needs(&[WebSocket, ApiKey]),
        Check::may(
            "websocket/unknown-session-closes-with-4001",
            "A socket for a session that does not exist is closed with 4001 and a reason.",
            |cx| Box::pin(closes_with_4001(cx)),
        )
        .needs(&[WebSocket]),
    ]
}

async fn open(cx: &Context, session: &str, events: &str) -> Verdict<Socket> {
    let parameters = format!("session={session}&{events}");
    let key = cx.target().api_key();
    match cx.target().socket(&parameters, key, &cx.trace).await? {
        Ok(socket) => Ok(socket),
        Err(ended) => Err(Failure::new("a WebSocket", format!("{ended:?}")).into()),
    }
}

/// The event of a contact's typing, on a socket that is open already.
async fn typing(cx: &Context, socket: &mut Socket) -> Verdict<(String, Value)> {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    let mine =
        |event: &Value| event["event"] == "presence.update" && event["payload"]["id"] == *contact;
    let event = socket.next("presence.update on the socket", cx.timeout(), mine).await?;
    Ok((contact, event))
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
    // One event may be given one id, or one for each receiver.
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
    let other = cx.own_session(json!({}), false).await?;
    let mut socket = open(&cx, cx.session(), "events=*").await?;
    other.session_does("start").await?.succeeds()?;
    nothing(&cx, &mut socket, |event| event["session"] == other.session()).await
}

/// Holds when nothing of this comes for as long as it is watched.
async fn nothing(cx: &Context, socket: &mut Socket, bad: impl Fn(&Value) -> bool) -> Verdict {
    match socket.next("", cx.settle(), bad).await {
        Ok(event) => Err(Failure::new("nothing of the kind", event.to_string()).into()),
        Err(_) => Ok(()),
    }
}

async fn brings_status(cx: Context) -> Verdict {
    let own = cx.own_session(json!({}), false).await?;
    let mut socket = open(&cx, own.session(), "events=session.status").await?;
    own.session_does("start").await?.succeeds()?;
    let status = |event: &Value| event["event"] == "session.status";
    socket.next("session.status on the socket", cx.timeout(), status).await?;
    Ok(())
}

async fn comma_or_repeated(cx: Context) -> Verdict {
    let forms =
        ["events=session.status,presence.update", "events=session.status&events=presence.update"];
    for events in forms {
        let mut socket = open(&cx, cx.session(), events).await?;
        typing(&cx, &mut socket).await?;
    }
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
    let socket = open(&cx, &cx.session_name(), "events=presence.update").await?;
    let ended = socket.ended(cx.timeout()).await?;
    let right = matches!(&ended, Ended::Closed(4001, reason) if !reason.is_empty());
    ensure(right, "closed with 4001 and a reason", || format!("{ended:?}"))?;
    Ok(())
}
