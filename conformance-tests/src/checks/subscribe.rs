//! Subscribe to presence: `POST /api/{session}/presence/{chatId}/subscribe`.

use serde_json::json;

use super::get_chat::subscriptions;
use crate::{
    Ability::{Connection, Faults, Groups, Journal, NewSessions, People, Presence},
    Check, Context,
    Need::{Driver, SecondSession, Webhook},
    driver::{Action, Becomes},
    environment::Undo,
    requirements,
    target::Answer,
    verdict::{Failure, Needed, Verdict, ensure},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::must("presence/subscribe/needs-no-body", needs_no_body).requires("POST …/subscribe without a body succeeds (2xx).")
        .rests_on(&["subscribe/endpoint"]),
        Check::must("presence/subscribe/takes-a-group", takes_a_group).requires("POST …/subscribe of a group succeeds (2xx).")
        .rests_on(&["subscribe/endpoint", "fields/chat-id"]),
        Check::must("presence/subscribe/then-get-chat-shows-news", then_get_chat).requires("After a subscription, GET of the chat shows its later updates.")
        .rests_on(&["subscribe/then-get"])
        .needs(&[Driver(Presence)]),
        Check::must("presence/subscribe/then-get-all-shows-news", then_get_all).requires("After a subscription, GET of all shows the chat's later updates.")
        .rests_on(&["subscribe/then-get"])
        .needs(&[Driver(Presence)]),
        Check::must("presence/subscribe/then-webhook-brings-news", then_webhook).requires("After a subscription, the chat's later updates arrive as the webhook presence.update.")
        .rests_on(&["subscribe/then-webhook", "webhook/event"])
        .needs(&[Driver(Presence), Webhook]),
        Check::should("presence/subscribe/answers-201", answers_201).requires("POST …/subscribe answers 201.")
        .note("The documentation does not name a status; WAHA answers 201."),
        Check::should("presence/subscribe/answer-is-empty", answer_is_empty).requires("The answer to POST …/subscribe has no body."),
        Check::should("presence/subscribe/repeating-is-harmless", repeating).requires("Subscribing again succeeds and keeps the chat's known presence.")
        .needs(&[Driver(Presence)]),
        Check::should("presence/subscribe/asks-whatsapp", asks_whatsapp).requires("POST …/subscribe sends a subscription to WhatsApp.")
        .needs(&[Driver(People), Driver(Journal)]),
        Check::should("presence/subscribe/group-asks-whatsapp", group_asks_whatsapp).requires("POST …/subscribe of a group sends the group's subscription to WhatsApp.")
        .needs(&[Driver(Groups), Driver(Journal)]),
        Check::may("presence/subscribe/any-body-is-fine", any_body).requires("Any request body is ignored.").differs("subscribe-body"),
        Check::may("presence/subscribe/again-after-a-reconnect", after_reconnect).requires("After a reconnect to WhatsApp, each known chat is subscribed to again, in order.").differs("resubscribe")
        .needs(&[
            Driver(People),
            Driver(Journal),
            Driver(Connection),
            Driver(NewSessions),
            SecondSession,
        ]),
        Check::may("presence/subscribe/refusal-is-502", |cx| fault_is(cx, "error", 502)).requires("When WhatsApp refuses the subscription, the answer is 502.").differs("engine-errors")
        .needs(&[Driver(Faults), Driver(NewSessions), SecondSession]),
        Check::may("presence/subscribe/silence-is-504", |cx| fault_is(cx, "timeout", 504)).requires("When WhatsApp does not answer the subscription, the answer is 504.").differs("engine-errors")
        .needs(&[Driver(Faults), Driver(NewSessions), SecondSession]),
        Check::may("presence/subscribe/refused-is-tried-again", tried_again).requires("A chat whose subscription was refused does not count as subscribed: the next GET subscribes again.")
        .needs(&[Driver(Faults), Driver(Journal), Driver(NewSessions), SecondSession]),
    ]
}

async fn needs_no_body(cx: Context) -> Verdict {
    let contact = cx.stranger();
    cx.subscribe(&contact).await?;
    Ok(())
}

/// The answer to a subscription that succeeds, since the check is about something else.
async fn subscribed(cx: &Context, chat: &str) -> Verdict<Answer> {
    cx.subscribe(chat).await.needed(requirements::subscription(chat))
}

async fn takes_a_group(cx: Context) -> Verdict {
    let group = cx.group();
    cx.subscribe(&group).await.needed(requirements::SUBSCRIBE)?;
    Ok(())
}

async fn then_get_chat(cx: Context) -> Verdict {
    let contact = cx.contact();
    subscribed(&cx, &contact).await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.shows_status(&contact, &contact, "typing").await?;
    cx.does(&contact, Becomes::Recording).await?;
    cx.shows_status(&contact, &contact, "recording").await
}

async fn then_get_all(cx: Context) -> Verdict {
    let contact = cx.contact();
    subscribed(&cx, &contact).await?;
    for (is, status) in [(Becomes::Typing, "typing"), (Becomes::Recording, "recording")] {
        cx.does(&contact, is).await?;
        cx.all_shows(&contact, |entry| {
            crate::context::has_status(crate::context::record(entry, &contact)?, status)
        })
        .await?;
    }
    Ok(())
}

async fn then_webhook(cx: Context) -> Verdict {
    let (cx, hook) = cx.hooked().await?;
    let contact = cx.contact();
    subscribed(&cx, &contact).await?;
    cx.does(&contact, Becomes::Recording).await?;
    cx.presence_update(&hook, &contact).await?;
    Ok(())
}

async fn answers_201(cx: Context) -> Verdict {
    let contact = cx.stranger();
    subscribed(&cx, &contact).await?.is(201)?;
    Ok(())
}

async fn answer_is_empty(cx: Context) -> Verdict {
    let contact = cx.stranger();
    let answer = subscribed(&cx, &contact).await?;
    answer.holds(ensure(answer.body.is_empty(), "no body", || answer.text()))
}

async fn repeating(cx: Context) -> Verdict {
    let contact = cx.contact();
    subscribed(&cx, &contact).await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.shows_status(&contact, &contact, "typing").await?;
    cx.subscribe(&contact).await?;
    cx.subscribe(&contact).await?;
    cx.shows_status(&contact, &contact, "typing").await
}

async fn asks_whatsapp(cx: Context) -> Verdict {
    let contact = cx.contact();
    subscribed(&cx, &contact).await?;
    let sent = subscriptions(&cx, &contact).await?;
    ensure(sent >= 1, format!("a subscription to {contact}"), || "none".to_owned())?;
    Ok(())
}

async fn group_asks_whatsapp(cx: Context) -> Verdict {
    let group = cx.group();
    subscribed(&cx, &group).await?;
    let sent = subscriptions(&cx, &group).await?;
    ensure(sent >= 1, format!("a subscription to {group}"), || "none".to_owned())?;
    Ok(())
}

async fn any_body(cx: Context) -> Verdict {
    let path = |cx: &Context| cx.presence_path(&format!("/{}/subscribe", cx.stranger()));
    let bodies: [(&'static str, &[u8]); 4] = [
        ("application/json", b"{}"),
        ("application/json", b"{\"chatId\":"),
        ("text/plain", b"hello"),
        ("application/octet-stream", &[0, 159, 146, 150]),
    ];
    for (content_type, body) in bodies {
        let call = cx.target().post(path(&cx)).typed(content_type, body.to_vec());
        let answer = call.send(&cx.trace).await.and_then(Answer::succeeds);
        answer.needed(requirements::SUBSCRIBE)?;
    }
    Ok(())
}

async fn after_reconnect(cx: Context) -> Verdict {
    let cx = cx.own_session(json!({}), true).await?;
    let contacts = [cx.subscribed_contact().await?, cx.subscribed_contact().await?];
    let before = order(&cx, &contacts).await?.len();
    cx.act(Action::Connection { state: "close" }).await?;
    cx.act(Action::Connection { state: "open" }).await?;
    let deadline = tokio::time::Instant::now() + cx.timeout();
    loop {
        let again = order(&cx, &contacts).await?.split_off(before);
        if again.len() >= contacts.len() || tokio::time::Instant::now() > deadline {
            let text = format!("subscriptions to {} after the reconnect", contacts.join(", "));
            let in_order = again.iter().eq(contacts.iter());
            ensure(in_order, text, || format!("to {:?}", again.join(", ")))?;
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Which of these chats the target has subscribed to, in the order of sending.
async fn order(cx: &Context, chats: &[String]) -> Verdict<Vec<String>> {
    let sent = cx.act(Action::Sent).await?;
    let nodes = sent["sent"].as_array().cloned().unwrap_or_default();
    let to = |node: &serde_json::Value| {
        let subscribes = node["attrs"]["type"] == "subscribe";
        let jid = node["attrs"]["to"].as_str().filter(|_| subscribes)?;
        chats.iter().find(|chat| crate::driver::engine_id(chat) == jid).cloned()
    };
    Ok(nodes.iter().filter_map(to).collect())
}

async fn fault_is(cx: Context, fault: &'static str, status: u16) -> Verdict {
    let cx = faulty(&cx, fault).await?;
    let contact = cx.stranger();
    let answer = cx.post_subscribe(&contact).await?;
    let refused = ensure(!answer.status.is_success(), "an error", || answer.status.to_string());
    answer.holds(refused)?;
    // A target whose subscriptions always fail does so here as well.
    answer.is(status).needed(requirements::SUBSCRIBE)?;
    Ok(())
}

async fn tried_again(cx: Context) -> Verdict {
    let cx = faulty(&cx, "error").await?;
    let contact = cx.stranger();
    let refused = cx.post_subscribe(&contact).await?;
    let refused = refused
        .holds(ensure(!refused.status.is_success(), "an error", || refused.status.to_string()));
    refused?;
    cx.act(Action::Faults { send: None }).await?;
    let before = subscriptions(&cx, &contact).await?;
    cx.get_chat(&contact).await.and_then(|it| it.is(200)).needed(requirements::GET_CHAT)?;
    let after = subscriptions(&cx, &contact).await?;
    if after > before {
        return Ok(());
    }
    Err(Failure::new(format!("another subscription to {contact}"), "none").into())
}

/// A session of the check's own whose sends to WhatsApp fail.
async fn faulty(cx: &Context, fault: &'static str) -> Verdict<Context> {
    let own = cx.own_session(json!({}), true).await?;
    cx.environment.undo_after(cx.check(), Undo::faults(own.session()));
    own.act(Action::Faults { send: Some(fault) }).await?;
    Ok(own)
}
