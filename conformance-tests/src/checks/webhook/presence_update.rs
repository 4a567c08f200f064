//! The content of `presence.update`.

use serde_json::{Value, json};

use super::{of_chat, typing};
use crate::{
    Ability::{Groups, NewSessions, People, Presence, Raw},
    Check, Context,
    Need::{Driver, SecondSession, Webhook},
    checks::fields,
    context::{documented, record},
    driver::{Becomes, LastSeen},
    receiver::Delivery,
    requirements,
    verdict::{Failure, Verdict, at_if, ensure, same},
};

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::must("webhook/presence-update/is-sent", is_sent).requires("A change of a chat's presence is sent as the webhook presence.update.")
        .rests_on(&["webhook/event"])
        .needs(&[Driver(Presence), Webhook]),
        Check::must("webhook/presence-update/has-the-four-fields", four_fields).requires("Its body has the strings event, session, engine and the object payload.")
        .rests_on(&["webhook/example"])
        .needs(&[Driver(Presence), Webhook])
        .note(
            "The documentation's example shows four fields and WAHA 2026.7 sends nine. The four are a MUST; \
             the others are SHOULDs, in the section Envelope.",
        ),
        Check::must("webhook/presence-update/payload-is-as-in-the-example", payload_as_in_the_example).requires("For a participant typing in a group, the payload equals the documentation's example.")
        .rests_on(&["webhook/example"])
        .needs(&[Driver(People), Driver(Groups), Webhook]),
        Check::must("webhook/presence-update/engine-is-noweb", engine_is_noweb).requires("The field engine is NOWEB.")
        .rests_on(&["webhook/example", "intro/noweb-only"])
        .needs(&[Driver(Presence), Webhook]),
        Check::must("webhook/presence-update/names-its-session", names_its_session).requires("The field session is the name of the session that the chat belongs to.")
        .rests_on(&["webhook/example"])
        .needs(&[Driver(Presence), Webhook]),
        Check::must("webhook/presence-update/agrees-with-get", agrees_with_get).requires("After the webhook, GET of the chat shows the same presence.")
        .rests_on(&["webhook/event", "subscribe/then-webhook"])
        .needs(&[Driver(Presence), Webhook]),
        Check::must("webhook/presence-update/reports-each-status", each_status).requires("The webhook reports typing, recording, online, and offline with a last seen, in direct chats and in \
             groups.")
        .rests_on(&["webhook/event", "fields/last-known-presence", "fields/last-seen"])
        .needs(&[Driver(People), Driver(Groups), Webhook]),
        Check::must("webhook/presence-update/goes-to-its-session-only", its_session_only).requires("A session's webhook receives no presence of another session's chats.")
        .rests_on(&["webhook/event"])
        .needs(&[Driver(People), Driver(NewSessions), SecondSession, Webhook]),
        Check::must("webhook/presence-update/status-is-one-of-five", unknown_is_not_sent).requires("A status that is not among the documented ones is never sent.").differs("unknown-status")
        .rests_on(&["fields/last-known-presence", "webhook/example"])
        .needs(&[Driver(Raw), Driver(People), Webhook]),
        Check::should("webhook/presence-update/payload-has-this-event-only", this_event_only).requires("The payload lists only the participants of this event, not the whole chat.")
        .rests_on(&["webhook/example"])
        .needs(&[Driver(People), Driver(Groups), Webhook]),
        Check::may("webhook/presence-update/unknown-status-sends-nothing", unknown_sends_nothing).requires("An unknown status sends no webhook.").differs("unknown-status")
        .needs(&[Driver(Raw), Driver(People), Webhook]),
    ]
}

/// A contact's change, the API's word for it, and the last seen that belongs to it.
const STATUSES: [(Becomes, &str, Option<u64>); 4] = [
    (Becomes::Typing, "typing", None),
    (Becomes::Recording, "recording", None),
    (Becomes::Online, "online", None),
    (Becomes::Offline, "offline", Some(1_686_719_326)),
];

async fn is_sent(cx: Context) -> Verdict {
    typing(&cx).await?;
    Ok(())
}

async fn four_fields(cx: Context) -> Verdict {
    let (.., event) = typing(&cx).await?;
    for field in ["/event", "/session", "/engine", "/payload/id"] {
        at_if(&event, field, "a string", Value::is_string)?;
    }
    at_if(&event, "/payload", "an object", Value::is_object)?;
    at_if(&event, "/payload/presences", "an array", Value::is_array)?;
    Ok(())
}

async fn payload_as_in_the_example(cx: Context) -> Verdict {
    let (cx, hook) = cx.hooked().await?;
    let (group, member) = (cx.subscribed_group().await?, cx.contact());
    cx.does_in(&group, &member, Becomes::Typing).await?;
    let event = cx.presence_update(&hook, &group).await?;
    let expected = json!({
        "id": group,
        "presences": [{ "participant": member, "lastKnownPresence": "typing", "lastSeen": null }],
    });
    Ok(same(&expected, &documented(&event["payload"]))?)
}

async fn engine_is_noweb(cx: Context) -> Verdict {
    let (.., event) = typing(&cx).await?;
    at_if(&event, "/engine", "\"NOWEB\"", |engine| engine == "NOWEB")?;
    Ok(())
}

async fn names_its_session(cx: Context) -> Verdict {
    let (cx, _, _, event) = typing(&cx).await?;
    let session = cx.session();
    at_if(&event, "/session", &format!("{session:?}"), |found| found == session)?;
    Ok(())
}

async fn agrees_with_get(cx: Context) -> Verdict {
    let (cx, _, contact, event) = typing(&cx).await?;
    let sent = record(&event["payload"], &contact)?.clone();
    cx.shows(&contact, &contact, |shown| same(&documented(&sent), &documented(shown))).await
}

async fn each_status(cx: Context) -> Verdict {
    let (cx, hook) = cx.hooked().await?;
    let (contact, group) = (cx.subscribed_contact().await?, cx.subscribed_group().await?);
    let member = cx.contact();
    for (chat, who) in [(&contact, &contact), (&group, &member)] {
        for (is, status, last_seen) in STATUSES {
            match last_seen {
                Some(seconds) => cx.leaves(chat, who, Some(LastSeen::At(seconds))).await?,
                None => cx.does_in(chat, who, is).await?,
            }
            let expected = json!({
                "participant": who, "lastKnownPresence": status, "lastSeen": last_seen,
            });
            let reports = |delivery: &Delivery| {
                let event = delivery.json();
                let sent = record(&event["payload"], who).map(documented);
                event["payload"]["id"] == *chat && sent.is_ok_and(|sent| sent == expected)
            };
            if hook.wait(1, cx.timeout(), reports).await.is_empty() {
                let came = of_chat(&hook, chat);
                let last = came.last().map(|delivery| cx.trace.add(delivery.traced()));
                let sent: Vec<Value> =
                    came.iter().map(|it| it.json()["payload"]["presences"].clone()).collect();
                let failure =
                    Failure::new(format!("a webhook with {expected}"), json!(sent).to_string());
                let because = Some(requirements::PRESENCE_UPDATE);
                return Err(Failure { traced: last, because, ..failure }.into());
            }
        }
    }
    Ok(())
}

async fn its_session_only(cx: Context) -> Verdict {
    let elsewhere = cx.environment.receiver.hook();
    let webhook = json!({ "url": elsewhere.url(), "events": ["presence.update"] });
    cx.own_session(json!({ "webhooks": [webhook] }), true).await?;
    let (cx, _, contact, _) = typing(&cx).await?;
    cx.quiet().await;
    let strays = of_chat(&elsewhere, &contact);
    if let Some(stray) = strays.first() {
        cx.trace.add(stray.traced());
    }
    ensure(strays.is_empty(), "no webhook for another session's chat", || {
        strays[0].json()["payload"].to_string()
    })?;
    Ok(())
}

async fn unknown_is_not_sent(cx: Context) -> Verdict {
    let (cx, hook, contact, _) = typing(&cx).await?;
    cx.engine_says(&contact, &contact, "daydreaming").await?;
    cx.quiet().await;
    for delivery in of_chat(&hook, &contact) {
        let event = delivery.json();
        let status = record(&event["payload"], &contact)?["lastKnownPresence"].clone();
        let is_known = status.as_str().is_some_and(|word| fields::WORDS.contains(&word));
        if !is_known {
            let traced = cx.trace.add(delivery.traced());
            return Err(Failure::new("one of the five documented statuses", status.to_string())
                .at(traced)
                .into());
        }
    }
    Ok(())
}

async fn this_event_only(cx: Context) -> Verdict {
    let (cx, hook) = cx.hooked().await?;
    let (group, alice, bob) = (cx.subscribed_group().await?, cx.contact(), cx.contact());
    cx.does_in(&group, &alice, Becomes::Typing).await?;
    cx.presence_update(&hook, &group).await?;
    cx.does_in(&group, &bob, Becomes::Typing).await?;
    let of_bob = |delivery: &Delivery| {
        let event = delivery.json();
        event["payload"]["id"] == *group && record(&event["payload"], &bob).is_ok()
    };
    let found = hook.wait(1, cx.timeout(), of_bob).await;
    let Some(delivery) = found.first() else {
        return Err(Failure::new(format!("a webhook with {bob}"), "none").into());
    };
    cx.trace.add(delivery.traced());
    let event = delivery.json();
    let count = event["payload"]["presences"].as_array().map_or(0, Vec::len);
    ensure(count == 1, format!("{bob} only"), || event["payload"].to_string())?;
    Ok(())
}

async fn unknown_sends_nothing(cx: Context) -> Verdict {
    let (cx, hook, contact, _) = typing(&cx).await?;
    let before = of_chat(&hook, &contact).len();
    cx.engine_says(&contact, &contact, "daydreaming").await?;
    cx.quiet().await;
    let more = of_chat(&hook, &contact).len() - before;
    ensure(more == 0, "no webhook", || more.to_string())?;
    Ok(())
}
