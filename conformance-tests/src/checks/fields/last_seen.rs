//! `lastSeen`: Unix seconds, or null.

use serde_json::{Value, json};

use crate::{
    Ability::{People, Presence},
    Check, Context,
    Need::Driver,
    clock,
    context::{has_status, record},
    driver::{Becomes, LastSeen},
    verdict::{Failure, Verdict, ensure, same},
};

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::must("presence/fields/last-seen-is-in-unix-seconds", unix_seconds).requires("A participant who went offline has lastSeen: the second that WhatsApp reported, as a whole number.")
        .rests_on(&["fields/last-seen", "get-all/example-direct-chat"])
        .needs(&[Driver(People)]),
        Check::must("presence/fields/last-seen-is-seconds-or-empty", plausible).requires("The lastSeen of a participant who went offline is a number of seconds not in the future, or empty.")
        .rests_on(&["fields/last-seen", "intro/if-shared"])
        .needs(&[Driver(Presence)]),
        Check::must("presence/fields/last-seen-is-empty-when-online", empty_when_online).requires("A participant who is online, typing or recording has no lastSeen: null or absent.")
        .rests_on(&["get-chat/example"])
        .needs(&[Driver(Presence)]),
        Check::should("presence/fields/last-seen-is-null-rather-than-absent", null_not_absent).requires("Without a last seen, the key is present and its value is null.").differs("last-seen-null")
        .rests_on(&["get-all/example-group", "get-chat/example"])
        .needs(&[Driver(Presence)])
        .note(
            "The documentation's examples show null. WAHA omits the key, and its OpenAPI document does not \
             require it. The examples win.",
        ),
        Check::must("presence/fields/hidden-last-seen-still-goes-offline", hidden).requires("A contact who hides their last seen and goes offline is offline, without lastSeen.")
        .rests_on(&["intro/if-shared"])
        .needs(&[Driver(People)]),
        Check::may("presence/fields/nonsense-last-seen-is-null", nonsense).requires("A last seen that is not a whole number of seconds, at least 1, is null.").differs("implausible-last-seen")
        .needs(&[Driver(People)]),
        Check::should("presence/fields/typing-replaces-last-seen", typing_replaces).requires("Typing after being offline with a last seen empties lastSeen.")
        .rests_on(&["fields/last-seen"])
        .needs(&[Driver(People)]),
    ]
}

async fn unix_seconds(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.leaves(&contact, &contact, Some(LastSeen::At(1_686_719_326))).await?;
    cx.shows(&contact, &contact, |record| {
        has_status(record, "offline")?;
        same(&json!({ "lastSeen": 1_686_719_326 }), &json!({ "lastSeen": record["lastSeen"] }))
    })
    .await
}

async fn plausible(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Online).await?;
    let now = clock::now_ms() / 1000;
    cx.leaves(&contact, &contact, Some(LastSeen::At(now))).await?;
    cx.shows(&contact, &contact, |record| {
        has_status(record, "offline")?;
        let last_seen = &record["lastSeen"];
        let plausible = last_seen.is_null()
            || last_seen.as_u64().is_some_and(|seconds| seconds <= clock::now_ms() / 1000 + 600);
        ensure(plausible, "lastSeen in Unix seconds, or null", || last_seen.to_string())
    })
    .await
}

async fn empty_when_online(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    let statuses = [
        (Becomes::Online, "online"),
        (Becomes::Typing, "typing"),
        (Becomes::Recording, "recording"),
    ];
    for (is, status) in statuses {
        cx.does(&contact, is).await?;
        cx.shows(&contact, &contact, |record| {
            has_status(record, status)?;
            is_empty(record)
        })
        .await?;
    }
    Ok(())
}

async fn null_not_absent(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.shows(&contact, &contact, |record| {
        has_status(record, "typing")?;
        match record.get("lastSeen") {
            Some(Value::Null) => Ok(()),
            other => {
                let actual = other.map_or("no such key".to_owned(), Value::to_string);
                Err(Failure::new("\"lastSeen\": null", actual))
            }
        }
    })
    .await
}

async fn hidden(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.does(&contact, Becomes::Online).await?;
    cx.leaves(&contact, &contact, Some(LastSeen::Text("deny"))).await?;
    let gone = |record: &Value| {
        has_status(record, "offline")?;
        is_empty(record)
    };
    cx.shows(&contact, &contact, gone).await?;
    cx.all_shows(&contact, |chat| gone(record(chat, &contact)?)).await
}

async fn nonsense(cx: Context) -> Verdict {
    let nonsense = ["none", "0", "-5", "1.5", "soon", "12345678901234567890123"];
    let texts = nonsense.into_iter().map(|text| Some(LastSeen::Text(text)));
    for last_seen in texts.chain([None]) {
        let contact = cx.subscribed_contact().await?;
        cx.leaves(&contact, &contact, last_seen).await?;
        cx.shows(&contact, &contact, |record| {
            has_status(record, "offline")?;
            is_empty(record)
        })
        .await?;
    }
    Ok(())
}

async fn typing_replaces(cx: Context) -> Verdict {
    let contact = cx.subscribed_contact().await?;
    cx.leaves(&contact, &contact, Some(LastSeen::At(1_686_719_326))).await?;
    cx.shows_status(&contact, &contact, "offline").await?;
    cx.does(&contact, Becomes::Typing).await?;
    cx.shows(&contact, &contact, |record| {
        has_status(record, "typing")?;
        is_empty(record)
    })
    .await
}

fn is_empty(record: &Value) -> Result<(), Failure> {
    let last_seen = &record["lastSeen"];
    ensure(last_seen.is_null(), "lastSeen null", || last_seen.to_string())
}
