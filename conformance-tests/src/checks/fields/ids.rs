//! `chatId` and `participant`; and the keys of a record.

use serde_json::{Value, json};

use crate::{
    Ability::{Groups, People, Presence, Raw},
    Check, Context,
    Need::Driver,
    context::{entry, record},
    driver::{Action, Becomes},
    verdict::{Failure, Verdict, ensure, same},
};

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::must(
            "presence/fields/ids-end-in-c-us-or-g-us",
            "Chats and participants are written as …@c.us for contacts and …@g.us for groups.",
            |cx| Box::pin(ids_are_documented(cx)),
        )
        .rests_on(&["fields/chat-id", "get-all/example-group"])
        .needs(&[Driver(People), Driver(Groups)]),
        Check::should(
            "presence/fields/group-lists-itself",
            "A group's own presence is listed under the group's id as participant.",
            |cx| Box::pin(group_lists_itself(cx)),
        )
        .rests_on(&["get-all/example-group"])
        .needs(&[Driver(People), Driver(Groups)])
        .note(
            "WhatsApp sends a group's presence with a count of those online; Baileys makes the group a \
             participant of itself, and the documentation's example shows it so.",
        ),
        Check::should(
            "presence/fields/no-undocumented-keys",
            "A chat has the keys id and presences, a record participant, lastKnownPresence, lastSeen.",
            |cx| Box::pin(no_other_keys(cx)),
        )
        .rests_on(&["get-all/example-list", "get-chat/example"])
        .needs(&[Driver(Presence)]),
        Check::may(
            "presence/fields/key-order-is-the-documentations",
            "The keys come in the documentation's order.",
            |cx| Box::pin(key_order(cx)),
        )
        .needs(&[Driver(Presence)]),
        Check::may(
            "presence/fields/device-part-is-dropped",
            "An id with a device, 777:4, is the same contact as without.",
            |cx| Box::pin(device_part(cx)),
        )
        .needs(&[Driver(Raw), Driver(People)]),
        Check::may(
            "presence/fields/lid-stays-a-lid",
            "A contact that WhatsApp names by LID, 777@lid, is shown so, and is not 777@c.us.",
            |cx| Box::pin(lid_stays(cx)),
        )
        .needs(&[Driver(Raw), Driver(People)]),
    ]
}

async fn ids_are_documented(cx: Context) -> Verdict {
    let (contact, group, member) =
        (cx.subscribed_contact().await?, cx.subscribed_group().await?, cx.contact());
    cx.does(&contact, Becomes::Online).await?;
    cx.does_in(&group, &member, Becomes::Typing).await?;
    cx.get_until(&cx.presence_path("/"), |all| {
        record(entry(all, &contact)?, &contact)?;
        record(entry(all, &group)?, &member)?;
        let list = all.as_array().map_or(&[][..], Vec::as_slice);
        let participants = list.iter().flat_map(|chat| {
            chat["presences"].as_array().into_iter().flatten().map(|it| &it["participant"])
        });
        let bad = list.iter().map(|chat| &chat["id"]).chain(participants).find(|id| {
            id.as_str().is_none_or(|id| id.ends_with("@s.whatsapp.net") || !id.contains('@'))
        });
        match bad {
            None => Ok(()),
            Some(id) => Err(Failure::new("ids …@c.us or …@g.us", id.to_string())),
        }
    })
    .await?;
    Ok(())
}

async fn group_lists_itself(cx: Context) -> Verdict {
    let group = cx.subscribed_group().await?;
    cx.does_in(&group, &group, Becomes::Online).await?;
    cx.shows_status(&group, &group, "online").await
}

async fn no_other_keys(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Online).await?;
    cx.shows(&contact, &contact, |_| Ok(())).await?;
    cx.chat_shows(&contact, |chat| {
        only_keys(chat, &["id", "presences"])?;
        only_keys(record(chat, &contact)?, &["participant", "lastKnownPresence", "lastSeen"])
    })
    .await
}

fn only_keys(object: &Value, allowed: &[&str]) -> Result<(), Failure> {
    let keys = object.as_object().into_iter().flat_map(|fields| fields.keys());
    let extra: Vec<&String> = keys.filter(|key| !allowed.contains(&key.as_str())).collect();
    ensure(extra.is_empty(), format!("only {}", allowed.join(", ")), || format!("also {extra:?}"))
}

async fn key_order(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Online).await?;
    let judge = |chat: &Value| {
        let in_order = |object: &Value, order: &[&str]| {
            let keys: Vec<&String> =
                object.as_object().into_iter().flat_map(|fields| fields.keys()).collect();
            same(&json!(order), &json!(keys))
        };
        in_order(chat, &["id", "presences"])?;
        in_order(record(chat, &contact)?, &["participant", "lastKnownPresence", "lastSeen"])
    };
    cx.chat_shows(&contact, judge).await
}

async fn device_part(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    let from = contact.replace("@c.us", ":4@s.whatsapp.net");
    let stanza = json!({
        "tag": "chatstate", "attrs": { "from": from }, "content": [{ "tag": "composing" }],
    });
    cx.act(Action::Stanza { stanza }).await?;
    cx.shows_status(&contact, &contact, "typing").await
}

async fn lid_stays(cx: Context) -> Verdict {
    let number = cx.number();
    let (contact, lid) = (format!("{number}@c.us"), format!("{number}@lid"));
    cx.subscribe(&contact).await?;
    cx.does(&contact, Becomes::Online).await?;
    let stanza = json!({
        "tag": "chatstate", "attrs": { "from": lid }, "content": [{ "tag": "composing" }],
    });
    cx.act(Action::Stanza { stanza }).await?;
    cx.all_shows(&lid, |chat| crate::context::has_status(record(chat, &lid)?, "typing")).await?;
    cx.shows_status(&contact, &contact, "online").await
}
