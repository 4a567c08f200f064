//! Get chat presence: `GET /api/{session}/presence/{chatId}`.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    Ability::{Groups, Journal, People, Presence},
    Check, Context,
    Need::Driver,
    context::{documented, has_status, record},
    driver::{Action, Becomes, LastSeen},
    requirements,
    verdict::{Failure, Needed, Verdict, at_if, ensure, same},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::must("presence/get-chat/answers-200-with-the-chat", answers_the_chat)
            .requires("GET of any contact's chat answers 200 with its id and the array presences.")
            .rests_on(&["get-chat/endpoint", "get-chat/example"]),
        Check::must("presence/get-chat/direct-chat-has-one-participant", one_participant)
            .requires("A direct chat lists one participant: the contact.")
            .rests_on(&["get-chat/example"])
            .needs(&[Driver(Presence)]),
        Check::must("presence/get-chat/direct-chat-is-as-in-the-example", as_in_the_example)
            .requires("A contact who is online is shown exactly as in the documentation's example.")
            .rests_on(&["get-chat/example"])
            .needs(&[Driver(Presence)]),
        Check::must("presence/get-chat/group-lists-each-participant", each_participant)
            .requires("A group's chat lists each participant whose presence is known.")
            .rests_on(&["get-chat/group"])
            .needs(&[Driver(People), Driver(Groups)]),
        Check::must("presence/get-chat/participants-keep-their-own-status", own_status)
            .requires("Each participant of a group has their own status.")
            .rests_on(&["get-chat/group"])
            .needs(&[Driver(People), Driver(Groups)]),
        Check::must("presence/get-chat/shows-this-chat-only", this_chat_only)
            .requires("A participant's presence in a group does not show in their direct chat.")
            .rests_on(&["get-chat/endpoint"])
            .needs(&[Driver(People), Driver(Groups)]),
        Check::must("presence/get-chat/shows-the-latest", the_latest)
            .requires("After several changes, the latest is shown.")
            .rests_on(&["get-chat/endpoint", "fields/last-known-presence"])
            .needs(&[Driver(Presence)]),
        Check::should("presence/get-chat/decodes-the-id", decodes_the_id)
            .requires("An id with a percent-encoded @ names the same chat.")
            .needs(&[Driver(Presence)]),
        Check::should("presence/get-chat/subscribes-when-new", subscribes_when_new)
            .requires("The first GET of a chat subscribes to it.")
            .needs(&[Driver(People), Driver(Journal)]),
        Check::may("presence/get-chat/waits-for-the-first-news", waits_for_news)
            .requires("The first GET of a chat waits briefly for the first update, and shows it.")
            .differs("first-get")
            .needs(&[Driver(People), Driver(Journal)]),
        Check::may("presence/get-chat/subscribes-once-for-many", subscribes_once)
            .requires("Concurrent first GETs of a chat send one subscription.")
            .differs("first-get")
            .needs(&[Driver(People), Driver(Journal)]),
        Check::may("presence/get-chat/does-not-subscribe-again", not_again)
            .requires("A later GET of the same chat sends no further subscription.")
            .differs("first-get")
            .needs(&[Driver(People), Driver(Journal)]),
        Check::may("presence/get-chat/participants-in-first-seen-order", participants_in_order)
            .requires("A group's participants are listed in first-seen order.")
            .needs(&[Driver(People), Driver(Groups)]),
        Check::may("presence/get-chat/digits-mean-a-contact", digits)
            .requires("An id of digits only is the contact with that number.")
            .needs(&[Driver(People)]),
    ]
}

async fn answers_the_chat(cx: Context) -> Verdict {
    let contact = cx.stranger();
    let answer = cx.get_chat(&contact).await?.is(200)?;
    let chat = answer.json()?;
    answer.holds(at_if(&chat, "/id", &format!("{contact:?}"), |id| *id == *contact))?;
    answer.holds(at_if(&chat, "/presences", "an array", Value::is_array))?;
    Ok(())
}

async fn one_participant(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Online).await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.chat_shows(&contact, |chat| {
        let who: Vec<&Value> = chat["presences"]
            .as_array()
            .map(|list| list.iter().map(|record| &record["participant"]).collect())
            .unwrap_or_default();
        same(&json!([contact]), &json!(who))
    })
    .await
}

async fn as_in_the_example(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Online).await?;
    cx.chat_shows(&contact, |chat| {
        same(
            &json!({
                "id": contact,
                "presences": [
                    { "participant": contact, "lastKnownPresence": "online", "lastSeen": null },
                ],
            }),
            &documented(chat),
        )
    })
    .await
}

async fn each_participant(cx: Context) -> Verdict {
    let group = cx.subscribed_group().await?;
    let members = [cx.contact(), cx.contact(), cx.contact()];
    for member in &members {
        cx.does_in(&group, member, Becomes::Typing).await?;
    }
    cx.chat_shows(&group, |chat| {
        members.iter().try_for_each(|member| record(chat, member).map(|_| ()))
    })
    .await
}

async fn own_status(cx: Context) -> Verdict {
    let group = cx.subscribed_group().await?;
    let (alice, bob, carol) = (cx.contact(), cx.contact(), cx.contact());
    cx.does_in(&group, &alice, Becomes::Typing).await?;
    cx.does_in(&group, &bob, Becomes::Recording).await?;
    cx.leaves(&group, &carol, Some(LastSeen::At(1_700_000_000))).await?;
    let recorded = requirements::recorded(&group);
    cx.chat_shows(&group, |chat| {
        for (who, status) in [(&alice, "typing"), (&bob, "recording"), (&carol, "offline")] {
            has_status(record(chat, who).needed(recorded)?, status)?;
        }
        Ok(())
    })
    .await
}

async fn this_chat_only(cx: Context) -> Verdict {
    let (group, alice) = (cx.subscribed_group().await?, cx.subscribed_contact().await?);
    cx.does(&alice, Becomes::Online).await?;
    cx.does_in(&group, &alice, Becomes::Typing).await?;
    cx.shows_status(&group, &alice, "typing").await?;
    cx.shows_status(&alice, &alice, "online").await
}

async fn the_latest(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    for is in [Becomes::Online, Becomes::Typing, Becomes::Recording] {
        cx.does(&contact, is).await?;
    }
    cx.shows_status(&contact, &contact, "recording").await
}

async fn decodes_the_id(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    let path = cx.presence_path(&format!("/{}", contact.replace('@', "%40")));
    cx.get_until(&path, |chat| has_status(record(chat, &contact)?, "typing")).await?;
    Ok(())
}

async fn subscribes_when_new(cx: Context) -> Verdict {
    let contact = cx.contact();
    first_get(&cx, &contact).await?;
    let sent = subscriptions(&cx, &contact).await?;
    ensure(sent >= 1, format!("a subscription to {contact}"), || "none".to_owned())?;
    Ok(())
}

async fn waits_for_news(cx: Context) -> Verdict {
    let contact = cx.contact();
    let news = async {
        // Once the subscription is sent, the GET has arrived and is waiting.
        let deadline = Instant::now() + cx.timeout();
        while subscriptions(&cx, &contact).await? == 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(5)).await;
        }
        cx.does(&contact, Becomes::Typing).await
    };
    let (answer, done) = tokio::join!(cx.get_chat(&contact), news);
    done?;
    let answer = answer.and_then(|it| it.is(200)).needed(requirements::GET_CHAT)?;
    let chat = answer.json()?;
    answer.holds(record(&chat, &contact).and_then(|record| has_status(record, "typing")))
}

async fn subscribes_once(cx: Context) -> Verdict {
    let contact = cx.contact();
    for answer in join_all((0..4).map(|_| cx.get_chat(&contact))).await {
        answer.and_then(|it| it.is(200)).needed(requirements::GET_CHAT)?;
    }
    let sent = subscriptions(&cx, &contact).await?;
    ensure(sent == 1, format!("one subscription to {contact}"), || sent.to_string())?;
    Ok(())
}

async fn not_again(cx: Context) -> Verdict {
    let contact = cx.contact();
    for _ in 0..3 {
        first_get(&cx, &contact).await?;
    }
    let sent = subscriptions(&cx, &contact).await?;
    ensure(sent == 1, format!("one subscription to {contact}"), || sent.to_string())?;
    Ok(())
}

async fn participants_in_order(cx: Context) -> Verdict {
    let group = cx.subscribed_group().await?;
    let members = [cx.contact(), cx.contact(), cx.contact()];
    for member in &members {
        cx.does_in(&group, member, Becomes::Online).await?;
    }
    cx.does_in(&group, &members[0], Becomes::Typing).await?;
    cx.chat_shows(&group, |chat| {
        let list = chat["presences"].as_array().map_or(&[][..], Vec::as_slice);
        let who: Vec<&Value> = list.iter().map(|record| &record["participant"]).collect();
        same(&json!(members), &json!(who))
    })
    .await
}

async fn digits(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    let digits = contact.trim_end_matches("@c.us");
    let path = cx.presence_path(&format!("/{digits}"));
    cx.get_until(&path, |chat| has_status(record(chat, &contact)?, "typing")).await?;
    Ok(())
}

/// GET of a chat, which must succeed, since the check is about something else.
async fn first_get(cx: &Context, chat: &str) -> Verdict {
    let answer = cx.get_chat(chat).await.and_then(|answer| answer.is(200));
    answer.map(|_| ()).needed(requirements::GET_CHAT)
}

/// The number of subscriptions to this chat that the target has sent to WhatsApp.
pub(super) async fn subscriptions(cx: &Context, chat: &str) -> Verdict<usize> {
    let jid = crate::driver::engine_id(chat);
    let sent = cx.act(Action::Sent).await?;
    let nodes = sent["sent"]
        .as_array()
        .ok_or_else(|| Failure::new("the list of stanzas sent to WhatsApp", sent.to_string()))?;
    let mine = |node: &&Value| {
        let attrs = &node["attrs"];
        node["tag"] == "presence" && attrs["type"] == "subscribe" && attrs["to"] == *jid
    };
    Ok(nodes.iter().filter(mine).count())
}
