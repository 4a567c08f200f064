//! Webhook: the `presence.update` event.

use serde_json::{Value, json};

use crate::{
    Ability::{Groups, NewSessions, People, Presence, Raw},
    Check, Context,
    Need::{Driver, SecondSession, Webhook},
    checks::{fields, sessions},
    context::{documented, record},
    driver::{Becomes, LastSeen},
    receiver::{Delivery, Hook},
    verdict::{Failure, Verdict, at_if, ensure, same},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::must(
            "webhook/presence-update/is-sent",
            "A change of a chat's presence is sent as the webhook presence.update.",
            |cx| Box::pin(is_sent(cx)),
        )
        .rests_on(&["webhook/event"])
        .needs(&[Driver(Presence), Webhook]),
        Check::must(
            "webhook/presence-update/has-the-four-fields",
            "Its body has the strings event, session, engine and the object payload.",
            |cx| Box::pin(four_fields(cx)),
        )
        .rests_on(&["webhook/example"])
        .needs(&[Driver(Presence), Webhook])
        .note(
            "The documentation's example shows four fields, today's WAHA sends nine; the four are a MUST, \
             the others are SHOULDs of the envelope.",
        ),
        Check::must(
            "webhook/presence-update/payload-is-as-in-the-example",
            "For a participant who types in a group, the payload is the documentation's, to the value.",
            |cx| Box::pin(payload_as_in_the_example(cx)),
        )
        .rests_on(&["webhook/example"])
        .needs(&[Driver(People), Driver(Groups), Webhook]),
        Check::must(
            "webhook/presence-update/engine-is-noweb",
            "The field engine says NOWEB.",
            |cx| Box::pin(engine_is_noweb(cx)),
        )
        .rests_on(&["webhook/example", "intro/noweb-only"])
        .needs(&[Driver(Presence), Webhook]),
        Check::must(
            "webhook/presence-update/names-its-session",
            "The field session is the name of the session that the chat belongs to.",
            |cx| Box::pin(names_its_session(cx)),
        )
        .rests_on(&["webhook/example"])
        .needs(&[Driver(Presence), Webhook]),
        Check::must(
            "webhook/presence-update/agrees-with-get",
            "After the webhook, GET of the chat shows what it said.",
            |cx| Box::pin(agrees_with_get(cx)),
        )
        .rests_on(&["webhook/event", "subscribe/then-webhook"])
        .needs(&[Driver(Presence), Webhook]),
        Check::must(
            "webhook/presence-update/tells-each-status",
            "Who types, records, is online, or went offline with a last seen is told so, in a direct chat and in a \
             group.",
            |cx| Box::pin(each_status(cx)),
        )
        .rests_on(&["webhook/event", "fields/last-known-presence", "fields/last-seen"])
        .needs(&[Driver(People), Driver(Groups), Webhook]),
        Check::must(
            "webhook/presence-update/goes-to-its-session-only",
            "The webhook of one session is not told what another session knows.",
            |cx| Box::pin(its_session_only(cx)),
        )
        .rests_on(&["webhook/event"])
        .needs(&[Driver(People), Driver(NewSessions), SecondSession, Webhook]),
        Check::must(
            "webhook/presence-update/status-is-one-of-five",
            "A status that the documentation does not name is never sent.",
            |cx| Box::pin(unknown_is_not_sent(cx)),
        )
        .rests_on(&["fields/last-known-presence", "webhook/example"])
        .needs(&[Driver(Raw), Driver(People), Webhook]),
        Check::should(
            "webhook/presence-update/last-is-the-latest",
            "The webhook of a chat that arrives last is the chat's latest presence.",
            |cx| Box::pin(last_is_latest(cx)),
        )
        .rests_on(&["webhook/event"])
        .needs(&[Driver(People), Webhook]),
        Check::may(
            "webhook/presence-update/arrives-in-order",
            "The webhooks of a chat arrive in the order of the changes.",
            |cx| Box::pin(in_order(cx)),
        )
        .needs(&[Driver(People), Webhook]),
        Check::may(
            "webhook/presence-update/none-is-lost",
            "Each of a few changes in a row has its webhook.",
            |cx| Box::pin(none_lost(cx)),
        )
        .needs(&[Driver(People), Webhook]),
        Check::should(
            "webhook/presence-update/none-comes-twice",
            "A webhook that was answered with 200 does not come again.",
            |cx| Box::pin(none_twice(cx)),
        )
        .needs(&[Driver(People), Webhook]),
        Check::may(
            "webhook/presence-update/repeated-state-is-sent-again",
            "A state that WhatsApp tells twice is sent twice.",
            |cx| Box::pin(sent_again(cx)),
        )
        .needs(&[Driver(People), Webhook]),
        Check::should(
            "webhook/presence-update/payload-has-this-event-only",
            "The payload lists the participants of this event, not all of the chat.",
            |cx| Box::pin(this_event_only(cx)),
        )
        .rests_on(&["webhook/example"])
        .needs(&[Driver(People), Driver(Groups), Webhook]),
        Check::may(
            "webhook/presence-update/unknown-status-sends-nothing",
            "A status that nobody knows sends no webhook.",
            |cx| Box::pin(unknown_sends_nothing(cx)),
        )
        .needs(&[Driver(Raw), Driver(People), Webhook]),
        Check::should(
            "webhook/events/only-those-asked-for",
            "A webhook configured for session.status does not get presence.update.",
            |cx| Box::pin(only_asked_for(cx)),
        )
        .needs(&[Driver(People), Driver(NewSessions), SecondSession]),
        Check::should(
            "webhook/events/star-means-all",
            "A webhook configured for * gets session.status.",
            |cx| Box::pin(star(cx)),
        )
        .needs(&[SecondSession]),
        Check::should(
            "webhook/session-status/is-sent",
            "Starting and stopping a session is sent as the webhook session.status, STOPPED at last.",
            |cx| Box::pin(status_is_sent(cx)),
        )
        .needs(&[SecondSession]),
        Check::should(
            "webhook/session-status/payload",
            "The payload of session.status has the session's name and status.",
            |cx| Box::pin(status_payload(cx)),
        )
        .needs(&[SecondSession]),
    ]
}

/// A contact on the session with the webhook, and the event of their typing.
async fn typing(cx: &Context) -> Verdict<(Context, Hook, String, Value)> {
    let (cx, hook) = cx.hooked().await?;
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    let event = cx.presence_update(&hook, &contact).await?;
    Ok((cx, hook, contact, event))
}

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

/// What a contact does, how the API words it, and the last seen that comes with it.
const STATUSES: [(Becomes, &str, Option<u64>); 4] = [
    (Becomes::Typing, "typing", None),
    (Becomes::Recording, "recording", None),
    (Becomes::Online, "online", None),
    (Becomes::Offline, "offline", Some(1_686_719_326)),
];

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
            let tells = |delivery: &Delivery| {
                let event = delivery.json();
                let told = record(&event["payload"], who).map(documented);
                event["payload"]["id"] == *chat && told.is_ok_and(|told| told == expected)
            };
            if hook.wait(1, cx.timeout(), tells).await.is_empty() {
                let came = of_chat(&hook, chat);
                let last = came.last().map(|delivery| cx.trace.add(delivery.traced()));
                let said: Vec<Value> =
                    came.iter().map(|it| it.json()["payload"]["presences"].clone()).collect();
                let failure =
                    Failure::new(format!("a webhook with {expected}"), json!(said).to_string());
                return Err(Failure { traced: last, ..failure }.into());
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
    ensure(strays.is_empty(), "no webhook of another session's chat", || {
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
            return Err(Failure::new("one of the five words", status.to_string())
                .at(traced)
                .into());
        }
    }
    Ok(())
}

/// Changes that can be told from one another, and how the API words them.
const CHANGES: [(Becomes, &str); 3] =
    [(Becomes::Typing, "typing"), (Becomes::Recording, "recording"), (Becomes::Online, "online")];

/// A dozen changes of a contact, and the statuses that the webhooks bring, in order of arrival.
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
    ensure(is_latest, format!("{latest} at last"), || format!("{}", json!(arrived)))?;
    Ok(())
}

async fn in_order(cx: Context) -> Verdict {
    let (wanted, mut arrived) = a_dozen(&cx).await?;
    // What is missing or comes twice has checks of its own.
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
        ensure(came >= sent, format!("{sent} webhooks {word}"), || came.to_string())?;
    }
    Ok(())
}

async fn none_twice(cx: Context) -> Verdict {
    let (cx, hook, contact, _) = typing(&cx).await?;
    cx.quiet().await;
    let count = of_chat(&hook, &contact).len();
    ensure(count == 1, "one webhook", || format!("{count} of them"))?;
    Ok(())
}

async fn sent_again(cx: Context) -> Verdict {
    let (cx, hook, contact, _) = typing(&cx).await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.presence_updates(&hook, &contact, 2).await?;
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
        return Err(Failure::new(format!("a webhook of {bob}"), "none").into());
    };
    cx.trace.add(delivery.traced());
    let event = delivery.json();
    let count = event["payload"]["presences"].as_array().map_or(0, Vec::len);
    ensure(count == 1, format!("{bob} alone"), || event["payload"].to_string())?;
    Ok(())
}

async fn unknown_sends_nothing(cx: Context) -> Verdict {
    let (cx, hook, contact, _) = typing(&cx).await?;
    let before = of_chat(&hook, &contact).len();
    cx.engine_says(&contact, &contact, "daydreaming").await?;
    cx.quiet().await;
    let more = of_chat(&hook, &contact).len() - before;
    ensure(more == 0, "no webhook", || format!("{more} of them"))?;
    Ok(())
}

async fn only_asked_for(cx: Context) -> Verdict {
    let hook = cx.environment.receiver.hook();
    let webhook = json!({ "url": hook.url(), "events": ["session.status"] });
    let cx = cx.own_session(json!({ "webhooks": [webhook] }), true).await?;
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.quiet().await;
    let others = hook.deliveries(|delivery| delivery.json()["event"] != "session.status");
    if let Some(delivery) = others.first() {
        cx.trace.add(delivery.traced());
    }
    ensure(others.is_empty(), "only session.status", || others[0].json()["event"].to_string())?;
    Ok(())
}

async fn star(cx: Context) -> Verdict {
    let hook = cx.environment.receiver.hook();
    let webhook = json!({ "url": hook.url(), "events": ["*"] });
    cx.own_session(json!({ "webhooks": [webhook] }), true).await?;
    let event = cx.first_status(&hook).await?.json();
    at_if(&event, "/event", "\"session.status\"", |event| event == "session.status")?;
    Ok(())
}

async fn status_is_sent(cx: Context) -> Verdict {
    let events = cx.status_events().await?;
    let said: Vec<Value> =
        events.iter().map(|event| event.json()["payload"]["status"].clone()).collect();
    let stops = said.len() >= 2 && said.last().is_some_and(|status| status == "STOPPED");
    ensure(stops, "statuses that end with STOPPED", || json!(said).to_string())?;
    Ok(())
}

async fn status_payload(cx: Context) -> Verdict {
    for delivery in cx.status_events().await? {
        let event = delivery.json();
        let session = at_if(&event, "/session", "a string", Value::is_string)?;
        at_if(&event, "/payload/name", &session.to_string(), |name| name == session)?;
        at_if(&event, "/payload/status", "one of WAHA's words", |status| {
            status.as_str().is_some_and(|status| sessions::STATUSES.contains(&status))
        })?;
    }
    Ok(())
}

fn of_chat(hook: &Hook, chat: &str) -> Vec<Delivery> {
    hook.deliveries(|delivery| delivery.json()["payload"]["id"] == chat)
}
