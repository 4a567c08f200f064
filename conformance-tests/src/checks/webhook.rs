//! Webhook: the `presence.update` event.

mod events;
mod presence_update;
mod sequence;

use serde_json::Value;

use crate::{
    Check, Context,
    driver::Becomes,
    receiver::{Delivery, Hook},
    verdict::Verdict,
};

pub(crate) fn checks() -> Vec<Check> {
    [presence_update::checks(), sequence::checks(), events::checks()].concat()
}

/// Makes a contact type on the session with the webhook, and waits for the event.
async fn typing(cx: &Context) -> Verdict<(Context, Hook, String, Value)> {
    let (cx, hook) = cx.hooked().await?;
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    let event = cx.presence_update(&hook, &contact).await?;
    Ok((cx, hook, contact, event))
}

fn of_chat(hook: &Hook, chat: &str) -> Vec<Delivery> {
    hook.deliveries(|delivery| delivery.json()["payload"]["id"] == chat)
}
