//! Several `presence.update` events of a chat: their order, and lost or repeated ones.

use serde_json::{Value, json};

use super::{of_chat, typing};
use crate::{
    Ability::People,
    Check, Context,
    Need::{Driver, Webhook},
    driver::Becomes,
    receiver::Delivery,
    requirements,
    verdict::{Needed, Verdict, ensure},
};

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::should("webhook/presence-update/last-is-the-latest", last_is_latest)
            .requires("The last webhook to arrive for a chat carries the chat's latest presence.")
            .rests_on(&["webhook/event"])
            .needs(&[Driver(People), Webhook]),
        Check::may("webhook/presence-update/arrives-in-order", in_order)
            .requires("A chat's webhooks arrive in the order of the changes.")
            .differs("webhook-order")
            .needs(&[Driver(People), Webhook]),
        Check::may("webhook/presence-update/none-is-lost", none_lost)
            .requires("Every change in a short burst has a webhook of its own.")
            .needs(&[Driver(People), Webhook]),
        Check::should("webhook/presence-update/none-comes-twice", none_twice)
            .requires("A webhook that was answered with 200 is not sent again.")
            .needs(&[Driver(People), Webhook]),
        Check::may("webhook/presence-update/repeated-state-is-sent-again", sent_again)
            .requires("A state that WhatsApp reports twice is sent twice.")
            .needs(&[Driver(People), Webhook]),
    ]
}

/// Changes that can be told apart, and the API's word for each.
const CHANGES: [(Becomes, &str); 3] =
    [(Becomes::Typing, "typing"), (Becomes::Recording, "recording"), (Becomes::Online, "online")];

/// Makes twelve changes of one contact; returns their statuses and those of the webhooks, in order
/// of arrival.
async fn a_dozen(cx: &Context) -> Verdict<(Vec<&'static str>, Vec<String>)> {
    let (cx, hook) = cx.hooked().await?;
    let contact = cx.subscribed_contact().await?;
    let changes: Vec<(Becomes, &str)> = CHANGES.iter().copied().cycle().take(12).collect();
    for (is, _) in &changes {
        cx.does(&contact, *is).await?;
    }
    let mine = |delivery: &Delivery| delivery.json()["payload"]["id"] == *contact;
    hook.wait(changes.len(), cx.timeout(), mine).await;
    cx.quiet().await;
    let found = of_chat(&hook, &contact);
    for delivery in &found {
        cx.trace.add(delivery.traced());
    }
    let status = |delivery: &Delivery| {
        let event = delivery.json();
        let status = event.pointer("/payload/presences/0/lastKnownPresence");
        status.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let wanted = changes.into_iter().map(|(_, word)| word).collect();
    Ok((wanted, found.iter().map(status).collect()))
}

async fn last_is_latest(cx: Context) -> Verdict {
    let (wanted, arrived) = a_dozen(&cx).await?;
    let (latest, last) = (wanted.last().copied().unwrap_or_default(), arrived.last());
    let is_latest = last.is_some_and(|status| status == latest);
    let judged = ensure(is_latest, format!("{latest} last"), || json!(arrived).to_string());
    Ok(judged.needed(requirements::PRESENCE_UPDATE)?)
}

async fn in_order(cx: Context) -> Verdict {
    let (wanted, mut arrived) = a_dozen(&cx).await?;
    // Lost and repeated webhooks have checks of their own.
    arrived.dedup();
    let mut rest = wanted.iter();
    let ordered = arrived.iter().all(|status| rest.any(|wanted| wanted == status));
    ensure(ordered, json!(wanted).to_string(), || json!(arrived).to_string())?;
    Ok(())
}

async fn none_lost(cx: Context) -> Verdict {
    let (wanted, arrived) = a_dozen(&cx).await?;
    for (_, word) in CHANGES {
        let count = |list: &[&str]| list.iter().filter(|it| **it == word).count();
        let arrived: Vec<&str> = arrived.iter().map(String::as_str).collect();
        let (sent, came) = (count(&wanted), count(&arrived));
        let wanted = format!("{sent} webhooks with the status {word}");
        ensure(came >= sent, wanted, || came.to_string()).needed(requirements::PRESENCE_UPDATE)?;
    }
    Ok(())
}

async fn none_twice(cx: Context) -> Verdict {
    let (cx, hook, contact, _) = typing(&cx).await?;
    cx.quiet().await;
    let count = of_chat(&hook, &contact).len();
    ensure(count == 1, "one webhook", || count.to_string())?;
    Ok(())
}

async fn sent_again(cx: Context) -> Verdict {
    let (cx, hook, contact, _) = typing(&cx).await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.presence_updates(&hook, &contact, 2).await?;
    Ok(())
}
