//! Subscribe to presence: `POST /api/{session}/presence/{chatId}/subscribe`.

use serde_json::json;

use super::get_chat::subscriptions;
use crate::{
    Ability::{Connection, Faults, Groups, Journal, NewSessions, People, Presence},
    Check, Context, Environment,
    Need::{Driver, SecondSession, Webhook},
    driver::{Action, Becomes},
    verdict::{Failure, Verdict, ensure},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::must(
            "presence/subscribe/needs-no-body",
            "POST …/subscribe without a body succeeds (2xx).",
            |cx| Box::pin(needs_no_body(cx)),
        )
        .rests_on(&["subscribe/endpoint"]),
        Check::must(
            "presence/subscribe/takes-a-group",
            "POST …/subscribe of a group succeeds (2xx).",
            |cx| Box::pin(takes_a_group(cx)),
        )
        .rests_on(&["subscribe/endpoint", "fields/chat-id"]),
        Check::must(
            "presence/subscribe/then-get-chat-shows-news",
            "After a subscription, later news of the chat is got with GET of the chat.",
            |cx| Box::pin(then_get_chat(cx)),
        )
        .rests_on(&["subscribe/then-get"])
        .needs(&[Driver(Presence)]),
        Check::must(
            "presence/subscribe/then-get-all-shows-news",
            "After a subscription, later news of the chat is got with GET of all.",
            |cx| Box::pin(then_get_all(cx)),
        )
        .rests_on(&["subscribe/then-get"])
        .needs(&[Driver(Presence)]),
        Check::must(
            "presence/subscribe/then-webhook-brings-news",
            "After a subscription, later news of the chat comes as the webhook presence.update.",
            |cx| Box::pin(then_webhook(cx)),
        )
        .rests_on(&["subscribe/then-webhook", "webhook/event"])
        .needs(&[Driver(Presence), Webhook]),
        Check::should(
            "presence/subscribe/answers-201",
            "POST …/subscribe answers 201.",
            |cx| Box::pin(answers_201(cx)),
        )
        .note("The documentation names no status; WAHA answers 201."),
        Check::should(
            "presence/subscribe/answer-is-empty",
            "The answer to POST …/subscribe has no body.",
            |cx| Box::pin(answer_is_empty(cx)),
        ),
        Check::should(
            "presence/subscribe/repeating-is-harmless",
            "Subscribing again succeeds, and what is known of the chat stays.",
            |cx| Box::pin(repeating(cx)),
        )
        .needs(&[Driver(Presence)]),
        Check::should(
            "presence/subscribe/asks-whatsapp",
            "POST …/subscribe sends a subscription to WhatsApp.",
            |cx| Box::pin(asks_whatsapp(cx)),
        )
        .needs(&[Driver(People), Driver(Journal)]),
        Check::should(
            "presence/subscribe/group-asks-whatsapp",
            "POST …/subscribe of a group sends a subscription of the group to WhatsApp.",
            |cx| Box::pin(group_asks_whatsapp(cx)),
        )
        .needs(&[Driver(Groups), Driver(Journal)]),
        Check::may(
            "presence/subscribe/any-body-is-fine",
            "A body that comes all the same is ignored, whatever it is.",
            |cx| Box::pin(any_body(cx)),
        ),
        Check::may(
            "presence/subscribe/again-after-a-reconnect",
            "When the connection to WhatsApp is back, each known chat is subscribed to again, in order.",
            |cx| Box::pin(after_reconnect(cx)),
        )
        .needs(&[
            Driver(People),
            Driver(Journal),
            Driver(Connection),
            Driver(NewSessions),
            SecondSession,
        ]),
        Check::may(
            "presence/subscribe/refusal-is-502",
            "When WhatsApp refuses the subscription, the answer is 502.",
            |cx| Box::pin(async move { fault_is(cx, "error", 502).await }),
        )
        .needs(&[Driver(Faults), Driver(NewSessions), SecondSession]),
        Check::may(
            "presence/subscribe/silence-is-504",
            "When WhatsApp does not answer the subscription, the answer is 504.",
            |cx| Box::pin(async move { fault_is(cx, "timeout", 504).await }),
        )
        .needs(&[Driver(Faults), Driver(NewSessions), SecondSession]),
        Check::may(
            "presence/subscribe/refused-is-tried-again",
            "A chat whose subscription was refused is not taken for subscribed: the next GET asks again.",
            |cx| Box::pin(tried_again(cx)),
        )
        .needs(&[Driver(Faults), Driver(Journal), Driver(NewSessions), SecondSession]),
    ]
}

async fn needs_no_body(cx: Context) -> Verdict {
    let contact = cx.stranger();
    cx.subscribe(&contact).await?;
    Ok(())
}

async fn takes_a_group(cx: Context) -> Verdict {
    let group = cx.group();
    cx.subscribe(&group).await?;
    Ok(())
}

async fn then_get_chat(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.shows_status(&contact, &contact, "typing").await?;
    cx.does(&contact, Becomes::Recording).await?;
    cx.shows_status(&contact, &contact, "recording").await
}

async fn then_get_all(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
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
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Recording).await?;
    cx.presence_update(&hook, &contact).await?;
    Ok(())
}

async fn answers_201(cx: Context) -> Verdict {
    let contact = cx.stranger();
    cx.post_subscribe(&contact).await?.is(201)?;
    Ok(())
}

async fn answer_is_empty(cx: Context) -> Verdict {
    let contact = cx.stranger();
    let answer = cx.subscribe(&contact).await?;
    answer.holds(ensure(answer.body.is_empty(), "no body", || answer.text()))
}

async fn repeating(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.shows_status(&contact, &contact, "typing").await?;
    cx.subscribe(&contact).await?;
    cx.subscribe(&contact).await?;
    cx.shows_status(&contact, &contact, "typing").await
}

async fn asks_whatsapp(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    let sent = subscriptions(&cx, &contact).await?;
    ensure(sent >= 1, format!("a subscription to {contact}"), || "none".to_owned())?;
    Ok(())
}

async fn group_asks_whatsapp(cx: Context) -> Verdict {
    let group = cx.subscribed_group().await?;
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
        call.send(&cx.trace).await?.succeeds()?;
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

/// To whom of these the target has subscribed, in the order of sending.
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
    cx.post_subscribe(&contact).await?.is(status)?;
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
    cx.get_chat(&contact).await?.is(200)?;
    let after = subscriptions(&cx, &contact).await?;
    if after > before {
        return Ok(());
    }
    Err(Failure::new(format!("another subscription to {contact}"), "none").into())
}

/// A session of its own whose sends fail.
async fn faulty(cx: &Context, fault: &'static str) -> Verdict<Context> {
    let own = cx.own_session(json!({}), true).await?;
    cx.environment.later(cx.check(), Environment::no_faults(own.session()));
    own.act(Action::Faults { send: Some(fault) }).await?;
    Ok(own)
}
