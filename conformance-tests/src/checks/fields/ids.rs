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
        Check::must("presence/fields/ids-end-in-c-us-or-g-us", ids_are_documented).requires("Chats and participants are written as …@c.us for contacts and …@g.us for groups.")
        .rests_on(&["fields/chat-id", "get-all/example-group"])
        .needs(&[Driver(People), Driver(Groups)]),
        Check::should("presence/fields/group-lists-itself", group_lists_itself).requires("A group's own presence is listed with the group's id as participant.")
        .rests_on(&["get-all/example-group"])
        .needs(&[Driver(People), Driver(Groups)])
        .note(
            "WhatsApp sends a group's presence with a count of those online. Baileys reports the group as a \
             participant of itself, as the documentation's example shows.",
        ),
        Check::should("presence/fields/no-undocumented-keys", no_other_keys).requires("A chat has only the keys id and presences; a record only participant, lastKnownPresence and lastSeen.")
        .rests_on(&["get-all/example-list", "get-chat/example"])
        .needs(&[Driver(Presence)]),
        Check::may("presence/fields/key-order-is-the-documentations", key_order).requires("Keys are in the documentation's order.")
        .needs(&[Driver(Presence)]),
        Check::may("presence/fields/device-part-is-dropped", device_part).requires("An id with a device part, 777:4, names the same contact as 777.").differs("device-part")
        .needs(&[Driver(Raw), Driver(People)]),
        Check::may("presence/fields/lid-stays-a-lid", lid_stays).requires("A contact that WhatsApp names by its LID, 777@lid, keeps it, and is not 777@c.us.").differs("lid")
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
    let extra: Vec<&str> = keys.map(String::as_str).filter(|key| !allowed.contains(key)).collect();
    ensure(extra.is_empty(), format!("only {}", allowed.join(", ")), || {
        format!("also {}", extra.join(", "))
    })
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
    cx.subscribe_somehow(&contact).await;
    cx.does(&contact, Becomes::Online).await?;
    let stanza = json!({
        "tag": "chatstate", "attrs": { "from": lid }, "content": [{ "tag": "composing" }],
    });
    cx.act(Action::Stanza { stanza }).await?;
    cx.all_shows(&lid, |chat| crate::context::has_status(record(chat, &lid)?, "typing")).await?;
    cx.shows_status(&contact, &contact, "online").await
}
