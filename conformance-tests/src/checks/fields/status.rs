//! `lastKnownPresence`: the five statuses.

use serde_json::{Value, json};

use crate::{
    Ability::{Groups, Messages, People, Presence, Raw},
    Check, Context,
    Need::Driver,
    driver::{Action, Becomes},
    verdict::{Failure, Verdict, ensure},
};

/// The documented statuses.
pub(in crate::checks) const WORDS: [&str; 5] =
    ["offline", "online", "typing", "recording", "paused"];

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::must("presence/fields/status-is-one-of-five", one_of_five).requires("lastKnownPresence is always offline, online, typing, recording or paused.")
        .rests_on(&["fields/last-known-presence"])
        .needs(&[Driver(Presence)]),
        Check::must("presence/fields/online", |cx| becomes(cx, Becomes::Online, "online")).requires("A contact who comes online is online.")
        .rests_on(&["fields/last-known-presence", "intro/kinds"])
        .needs(&[Driver(Presence)]),
        Check::must("presence/fields/offline", |cx| becomes(cx, Becomes::Offline, "offline")).requires("A contact who goes offline is offline.")
        .rests_on(&["fields/last-known-presence", "intro/kinds"])
        .needs(&[Driver(Presence)]),
        Check::must("presence/fields/typing", |cx| becomes(cx, Becomes::Typing, "typing")).requires("A contact who starts typing is typing.")
        .rests_on(&["fields/last-known-presence", "intro/kinds"])
        .needs(&[Driver(Presence)]),
        Check::must("presence/fields/recording", |cx| becomes(cx, Becomes::Recording, "recording")).requires("A contact who starts recording a voice message is recording.")
        .rests_on(&["fields/last-known-presence"])
        .needs(&[Driver(Presence)]),
        Check::should("presence/fields/paused", paused).requires("When the engine itself reports paused, the status is paused.")
        .rests_on(&["fields/last-known-presence"])
        .needs(&[Driver(Raw), Driver(People)])
        .note(
            "The documentation lists paused, but Baileys reports WhatsApp's paused as available. Only an \
             engine that reports paused itself leads to this status.",
        ),
        Check::should("presence/fields/stopped-typing-is-online", stopped).requires("A contact who stops typing is online.")
        .rests_on(&["fields/last-known-presence"])
        .needs(&[Driver(Presence)])
        .note("Baileys reports WhatsApp's paused as available; paused is shown only if the engine reports it."),
        Check::must("presence/fields/unknown-status-is-not-shown", unknown_not_shown).requires("An undocumented status never reaches the API.").differs("unknown-status")
        .rests_on(&["fields/last-known-presence"])
        .needs(&[Driver(Raw), Driver(People)]),
        Check::may("presence/fields/unknown-status-changes-nothing", unknown_changes_nothing).requires("An unknown status leaves the known one unchanged.").differs("unknown-status")
        .needs(&[Driver(Raw), Driver(People)]),
        Check::may("presence/fields/other-presence-types-are-online", other_types).requires("A presence of any type other than unavailable means online.")
        .needs(&[Driver(Raw), Driver(People)]),
        Check::may("presence/fields/empty-chatstate-is-ignored", empty_chatstate).requires("A chat state without a child or without a sender changes nothing.")
        .needs(&[Driver(Raw), Driver(People)]),
        Check::should("presence/fields/message-ends-typing", |cx| message_ends(cx, Becomes::Typing, "typing")).requires("A message from a participant who is typing sets them online.")
        .needs(&[Driver(Messages), Driver(People), Driver(Groups)]),
        Check::may("presence/fields/message-ends-recording", |cx| message_ends(cx, Becomes::Recording, "recording")).requires("A message from a participant who is recording sets them online.").differs("message-ends-recording")
        .needs(&[Driver(Messages), Driver(People), Driver(Groups)]),
    ]
}

async fn one_of_five(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    let all =
        [Becomes::Online, Becomes::Typing, Becomes::Recording, Becomes::Stopped, Becomes::Offline];
    for is in all {
        cx.does(&contact, is).await?;
        cx.shows(&contact, &contact, |record| is_word(&record["lastKnownPresence"])).await?;
    }
    cx.get_until(&cx.presence_path("/"), |all| {
        let chats = all.as_array().into_iter().flatten();
        let mut records = chats.flat_map(|chat| chat["presences"].as_array().into_iter().flatten());
        records.try_for_each(|record| is_word(&record["lastKnownPresence"]))
    })
    .await?;
    Ok(())
}

fn is_word(status: &Value) -> Result<(), Failure> {
    let known = status.as_str().is_some_and(|word| WORDS.contains(&word));
    ensure(known, format!("lastKnownPresence one of {}", WORDS.join(", ")), || status.to_string())
}

async fn becomes(cx: Context, is: Becomes, status: &str) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    // Another status first, so that this one is a change.
    let before = if is == Becomes::Online { Becomes::Typing } else { Becomes::Online };
    cx.does(&contact, before).await?;
    cx.does(&contact, is).await?;
    cx.shows_status(&contact, &contact, status).await
}

async fn paused(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.engine_says(&contact, &contact, "paused").await?;
    cx.shows_status(&contact, &contact, "paused").await
}

async fn stopped(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.shows_status(&contact, &contact, "typing").await?;
    cx.does(&contact, Becomes::Stopped).await?;
    cx.shows_status(&contact, &contact, "online").await
}

async fn unknown_not_shown(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Online).await?;
    cx.engine_says(&contact, &contact, "daydreaming").await?;
    cx.quiet().await;
    cx.chat_shows(&contact, |chat| {
        let list = chat["presences"].as_array().map_or(&[][..], Vec::as_slice);
        list.iter().try_for_each(|record| is_word(&record["lastKnownPresence"]))
    })
    .await
}

async fn unknown_changes_nothing(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.engine_says(&contact, &contact, "daydreaming").await?;
    cx.quiet().await;
    cx.shows_status(&contact, &contact, "typing").await
}

async fn other_types(cx: Context) -> Verdict {
    for kind in ["available", "whatever"] {
        let contact = cx.subscribed_contact().await?;
        let from = crate::driver::engine_id(&contact);
        let stanza = json!({ "tag": "presence", "attrs": { "from": from, "type": kind } });
        cx.act(Action::Stanza { stanza }).await?;
        cx.shows_status(&contact, &contact, "online").await?;
    }
    Ok(())
}

async fn empty_chatstate(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    let from = crate::driver::engine_id(&contact);
    let stanza = json!({ "tag": "chatstate", "attrs": { "from": from } });
    cx.act(Action::Stanza { stanza }).await?;
    let stanza = json!({ "tag": "chatstate", "attrs": {}, "content": [{ "tag": "paused" }] });
    cx.act(Action::Stanza { stanza }).await?;
    cx.quiet().await;
    cx.shows_status(&contact, &contact, "typing").await
}

async fn message_ends(cx: Context, is: Becomes, status: &str) -> Verdict {
    let (group, member) = (cx.subscribed_group().await?, cx.contact());
    cx.does_in(&group, &member, is).await?;
    cx.shows_status(&group, &member, status).await?;
    cx.act(Action::Message {
        chat: group.clone(),
        participant: member.clone(),
        text: "hello".to_owned(),
    })
    .await?;
    cx.shows_status(&group, &member, "online").await
}
