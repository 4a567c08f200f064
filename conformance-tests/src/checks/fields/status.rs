//! `lastKnownPresence`: the five words.

use serde_json::{Value, json};

use crate::{
    Ability::{Groups, Messages, People, Presence, Raw},
    Check, Context,
    Need::Driver,
    driver::{Action, Becomes},
    verdict::{Failure, Verdict, ensure},
};

/// The documented words.
pub(in crate::checks) const WORDS: [&str; 5] =
    ["offline", "online", "typing", "recording", "paused"];

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::must(
            "presence/fields/status-is-one-of-five",
            "lastKnownPresence is always offline, online, typing, recording or paused.",
            |cx| Box::pin(one_of_five(cx)),
        )
        .rests_on(&["fields/last-known-presence"])
        .needs(&[Driver(Presence)]),
        Check::must(
            "presence/fields/online",
            "A contact who comes online is online.",
            |cx| Box::pin(async move { becomes(cx, Becomes::Online, "online").await }),
        )
        .rests_on(&["fields/last-known-presence", "intro/kinds"])
        .needs(&[Driver(Presence)]),
        Check::must(
            "presence/fields/offline",
            "A contact who goes offline is offline.",
            |cx| Box::pin(async move { becomes(cx, Becomes::Offline, "offline").await }),
        )
        .rests_on(&["fields/last-known-presence", "intro/kinds"])
        .needs(&[Driver(Presence)]),
        Check::must(
            "presence/fields/typing",
            "A contact who types is typing.",
            |cx| Box::pin(async move { becomes(cx, Becomes::Typing, "typing").await }),
        )
        .rests_on(&["fields/last-known-presence", "intro/kinds"])
        .needs(&[Driver(Presence)]),
        Check::must(
            "presence/fields/recording",
            "A contact who records a voice message is recording.",
            |cx| Box::pin(async move { becomes(cx, Becomes::Recording, "recording").await }),
        )
        .rests_on(&["fields/last-known-presence"])
        .needs(&[Driver(Presence)]),
        Check::should(
            "presence/fields/paused",
            "When the engine itself says paused, the status is paused.",
            |cx| Box::pin(paused(cx)),
        )
        .rests_on(&["fields/last-known-presence"])
        .needs(&[Driver(Raw), Driver(People)])
        .note(
            "The documentation lists paused, but Baileys turns WhatsApp's paused into available before \
             anybody sees it; only an engine that says paused itself brings it about.",
        ),
        Check::should(
            "presence/fields/stopped-typing-is-online",
            "A contact who stops typing is online.",
            |cx| Box::pin(stopped(cx)),
        )
        .rests_on(&["fields/last-known-presence"])
        .needs(&[Driver(Presence)])
        .note("Baileys says available when WhatsApp says paused; paused is accepted from an engine."),
        Check::must(
            "presence/fields/unknown-status-is-not-shown",
            "A status that the documentation does not name never reaches the API.",
            |cx| Box::pin(unknown_not_shown(cx)),
        )
        .rests_on(&["fields/last-known-presence"])
        .needs(&[Driver(Raw), Driver(People)]),
        Check::may(
            "presence/fields/unknown-status-changes-nothing",
            "A status that nobody knows leaves what was known as it is.",
            |cx| Box::pin(unknown_changes_nothing(cx)),
        )
        .needs(&[Driver(Raw), Driver(People)]),
        Check::may(
            "presence/fields/other-presence-types-are-online",
            "A presence of any type but unavailable means online.",
            |cx| Box::pin(other_types(cx)),
        )
        .needs(&[Driver(Raw), Driver(People)]),
        Check::may(
            "presence/fields/empty-chatstate-is-ignored",
            "A chat state that says nothing, or comes from nobody, changes nothing.",
            |cx| Box::pin(empty_chatstate(cx)),
        )
        .needs(&[Driver(Raw), Driver(People)]),
        Check::should(
            "presence/fields/message-ends-typing",
            "A message from a participant who types sets them online.",
            |cx| Box::pin(async move { message_ends(cx, Becomes::Typing, "typing").await }),
        )
        .needs(&[Driver(Messages), Driver(People), Driver(Groups)]),
        Check::may(
            "presence/fields/message-ends-recording",
            "A message from a participant who records sets them online.",
            |cx| Box::pin(async move { message_ends(cx, Becomes::Recording, "recording").await }),
        )
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
    // Something else first, so that the status is news.
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
