//! Get all presence: `GET /api/{session}/presence/`.

use http::Method;
use serde_json::{Value, json};

use crate::{
    Ability::{Groups, NewSessions, People, Presence},
    Check, Context,
    Need::{Driver, SecondSession},
    context::{documented, entry, record},
    driver::{Becomes, LastSeen},
    requirements,
    verdict::{Failure, Needed, Verdict, at_if, ensure, same},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::must("presence/get-all/answers-200-with-an-array", answers_an_array).requires("GET /api/{session}/presence/ answers 200 with a JSON array.")
        .rests_on(&["get-all/endpoint", "get-all/example-list"]),
        Check::should("presence/get-all/works-without-the-trailing-slash", without_slash).requires("GET /api/{session}/presence also answers 200 with a JSON array."),
        Check::should("presence/get-all/is-application-json", is_json).requires("The answer's Content-Type is application/json.")
        .rests_on(&["get-all/example-list"]),
        Check::must("presence/get-all/lists-direct-chats", lists_direct_chats).requires("A contact whose presence is known is listed under the contact's id.")
        .rests_on(&["get-all/both-kinds", "get-all/endpoint"])
        .needs(&[Driver(Presence)]),
        Check::must("presence/get-all/lists-groups", lists_groups).requires("A group whose presence is known is listed under the group's id.")
        .rests_on(&["get-all/both-kinds"])
        .needs(&[Driver(People), Driver(Groups)]),
        Check::must("presence/get-all/entries-have-id-and-presences", entries_have_their_fields).requires("Each entry has the string id and the array presences.")
        .rests_on(&["get-all/example-list"])
        .needs(&[Driver(Presence)]),
        Check::must("presence/get-all/direct-chat-is-as-in-the-example", direct_chat_as_in_the_example).requires("A contact who went offline is listed exactly as in the documentation's example.")
        .rests_on(&["get-all/example-direct-chat", "get-all/example-list"])
        .needs(&[Driver(People)]),
        Check::must("presence/get-all/group-participants-are-contacts", group_participants).requires("A group's participant is listed by contact id with status and last seen, as in the example.")
        .rests_on(&["get-all/example-group"])
        .needs(&[Driver(People), Driver(Groups)]),
        Check::should("presence/get-all/group-is-as-in-the-example", group_as_in_the_example).requires("A group lists itself first, then its participant, as in the documentation's example.")
        .rests_on(&["get-all/example-group"])
        .needs(&[Driver(People), Driver(Groups)])
        .note(
            "The example lists the group's own id as a participant, as Baileys reports a group's <presence>. \
             A group is not a person, so this is a SHOULD.",
        ),
        Check::must("presence/get-all/agrees-with-get-chat", agrees_with_get_chat).requires("A chat's entry in the list equals the answer to GET of that chat.")
        .rests_on(&["get-all/endpoint", "get-chat/endpoint"])
        .needs(&[Driver(Presence)]),
        Check::must("presence/get-all/has-one-entry-per-chat", one_entry_per_chat).requires("A chat with several updates is listed once, and so is its participant.")
        .rests_on(&["get-all/example-list"])
        .needs(&[Driver(Presence)]),
        Check::must("presence/get-all/has-one-entry-per-group", one_entry_per_group).requires("A group with several updates is listed once, with each participant once and no one else.")
        .rests_on(&["get-all/example-list", "get-all/example-group"])
        .needs(&[Driver(People), Driver(Groups)]),
        Check::must("presence/get-all/lists-this-session-only", this_session_only).requires("A session lists none of another session's chats.")
        .rests_on(&["get-all/endpoint"])
        .needs(&[Driver(People), Driver(NewSessions), SecondSession]),
        Check::may("presence/get-all/order-is-first-seen", first_seen_order).requires("Chats are listed in first-seen order, whatever happens later.")
        .needs(&[Driver(People)]),
        Check::may("presence/get-all/lists-a-subscribed-chat-without-news", lists_without_news).requires("A subscribed chat without an update is listed with [].").differs("subscribed-without-update"),
        Check::may("presence/get-all/answers-head", answers_head).requires("HEAD answers 200 without a body."),
    ]
}

async fn answers_an_array(cx: Context) -> Verdict {
    let answer = cx.get_all().await?.is(200)?;
    let all = answer.json()?;
    answer.holds(at_if(&all, "", "an array", Value::is_array))?;
    Ok(())
}

async fn without_slash(cx: Context) -> Verdict {
    let answer = cx.target().get(cx.presence_path("")).send(&cx.trace).await;
    let answer = answer.and_then(|it| it.is(200)).needed(requirements::GET_ALL)?;
    let all = answer.json()?;
    answer.holds(at_if(&all, "", "an array", Value::is_array))?;
    Ok(())
}

async fn is_json(cx: Context) -> Verdict {
    let answer = cx.get_all().await.and_then(|it| it.is(200)).needed(requirements::GET_ALL)?;
    let found = answer.header("content-type").unwrap_or("none").to_owned();
    answer.holds(ensure(
        found.starts_with("application/json"),
        "Content-Type application/json",
        || found,
    ))
}

async fn lists_direct_chats(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Online).await?;
    cx.all_shows(&contact, |_| Ok(())).await
}

async fn lists_groups(cx: Context) -> Verdict {
    let (group, member) = (cx.subscribed_group().await?, cx.contact());
    cx.does_in(&group, &member, Becomes::Typing).await?;
    cx.all_shows(&group, |_| Ok(())).await
}

async fn entries_have_their_fields(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Online).await?;
    let judge = |all: &Value| {
        entry(all, &contact)?;
        for index in 0..all.as_array().map_or(0, Vec::len) {
            at_if(all, &format!("/{index}/id"), "a string", Value::is_string)?;
            at_if(all, &format!("/{index}/presences"), "an array", Value::is_array)?;
        }
        Ok(())
    };
    cx.get_until(&cx.presence_path("/"), judge).await?;
    Ok(())
}

async fn direct_chat_as_in_the_example(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.leaves(&contact, &contact, Some(LastSeen::At(1_686_719_326))).await?;
    let expected = json!({
        "id": contact,
        "presences": [
            { "participant": contact, "lastKnownPresence": "offline", "lastSeen": 1_686_719_326 },
        ],
    });
    cx.all_shows(&contact, |actual| same(&expected, &documented(actual))).await
}

async fn group_participants(cx: Context) -> Verdict {
    let (group, member) = (cx.subscribed_group().await?, cx.contact());
    cx.leaves(&group, &member, Some(LastSeen::At(1_686_719_326))).await?;
    let expected = json!(
        { "participant": member, "lastKnownPresence": "offline", "lastSeen": 1_686_719_326 }
    );
    cx.all_shows(&group, |actual| same(&expected, &documented(record(actual, &member)?))).await
}

async fn group_as_in_the_example(cx: Context) -> Verdict {
    let (group, member) = (cx.subscribed_group().await?, cx.contact());
    cx.does_in(&group, &group, Becomes::Online).await?;
    cx.leaves(&group, &member, Some(LastSeen::At(1_686_719_326))).await?;
    let expected = json!({
        "id": group,
        "presences": [
            { "participant": group, "lastKnownPresence": "online", "lastSeen": null },
            { "participant": member, "lastKnownPresence": "offline", "lastSeen": 1_686_719_326 },
        ],
    });
    cx.all_shows(&group, |actual| same(&expected, &documented(actual))).await
}

async fn agrees_with_get_chat(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.shows(&contact, &contact, |_| Ok(())).await?;
    let chat = cx.get_chat(&contact).await.and_then(|it| it.is(200)?.json());
    let chat = chat.needed(requirements::GET_CHAT)?;
    cx.all_shows(&contact, |actual| same(&chat, actual)).await
}

async fn one_entry_per_chat(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    for is in [Becomes::Online, Becomes::Typing, Becomes::Online] {
        cx.does(&contact, is).await?;
    }
    let once = |all: &Value| {
        entry(all, &contact)?;
        let list = all.as_array().map_or(&[][..], Vec::as_slice);
        let mine = list.iter().filter(|entry| entry["id"] == *contact).count();
        ensure(mine == 1, format!("one entry for {contact}"), || mine.to_string())?;
        let records = entry(all, &contact)?["presences"].as_array().map_or(0, Vec::len);
        ensure(records == 1, format!("one record for {contact}"), || records.to_string())
    };
    cx.get_until(&cx.presence_path("/"), once).await?;
    Ok(())
}

async fn one_entry_per_group(cx: Context) -> Verdict {
    let group = cx.subscribed_group().await?;
    let mut members = [cx.contact(), cx.contact()];
    for is in [Becomes::Online, Becomes::Typing] {
        for member in &members {
            cx.does_in(&group, member, is).await?;
        }
    }
    members.sort();
    let once = |all: &Value| {
        let shown = entry(all, &group)?;
        let list = all.as_array().map_or(&[][..], Vec::as_slice);
        let mine = list.iter().filter(|entry| entry["id"] == *group).count();
        ensure(mine == 1, format!("one entry for {group}"), || mine.to_string())?;
        let records = shown["presences"].as_array().map_or(&[][..], Vec::as_slice);
        let who = records.iter().filter_map(|record| record["participant"].as_str());
        // Another check judges whether the group lists itself.
        let mut who: Vec<&str> = who.filter(|who| *who != group).collect();
        who.sort_unstable();
        same(&json!(members), &json!(who))
    };
    cx.get_until(&cx.presence_path("/"), once).await?;
    Ok(())
}

async fn this_session_only(cx: Context) -> Verdict {
    let other = cx.own_session(json!({}), true).await?;
    let sessions = [&cx, &other];
    let mut contacts = Vec::new();
    for session in sessions {
        let contact = session.subscribed_contact().await?;
        session.does(&contact, Becomes::Typing).await?;
        session.all_shows(&contact, |_| Ok(())).await?;
        contacts.push(contact);
    }
    for (session, stranger) in sessions.into_iter().zip(contacts.iter().rev()) {
        let answer = session.get_all().await.and_then(|it| it.is(200));
        let answer = answer.needed(requirements::GET_ALL)?;
        let all = answer.json()?;
        let expected = format!("no entry for {stranger}, another session's contact");
        answer.holds(ensure(entry(&all, stranger).is_err(), expected, || all.to_string()))?;
    }
    Ok(())
}

async fn first_seen_order(cx: Context) -> Verdict {
    let mut contacts = Vec::new();
    for _ in 0..4 {
        let contact = cx.subscribed_contact().await?;
        cx.does(&contact, Becomes::Online).await?;
        contacts.push(contact);
    }
    for index in [2, 0, 3, 1] {
        cx.does(&contacts[index], Becomes::Typing).await?;
    }
    let in_order = |all: &Value| {
        let list = all.as_array().map_or(&[][..], Vec::as_slice);
        let ids = list.iter().filter_map(|entry| entry["id"].as_str());
        let mine: Vec<&str> = ids.filter(|id| contacts.iter().any(|it| it == id)).collect();
        same(&json!(contacts), &json!(mine))
    };
    cx.get_until(&cx.presence_path("/"), in_order).await?;
    Ok(())
}

async fn lists_without_news(cx: Context) -> Verdict {
    let contact = cx.stranger();
    cx.subscribe(&contact).await.needed(requirements::SUBSCRIBE)?;
    let empty = json!({ "id": contact, "presences": [] });
    cx.all_shows(&contact, |actual| same(&empty, actual)).await
}

async fn answers_head(cx: Context) -> Verdict {
    let call = cx.target().request(Method::HEAD, cx.presence_path("/"));
    let answer = call.send(&cx.trace).await.and_then(|it| it.is(200));
    let answer = answer.needed(requirements::GET_ALL)?;
    answer.holds(if answer.body.is_empty() {
        Ok(())
    } else {
        Err(Failure::new("no body", format!("{} bytes", answer.body.len())))
    })
}
