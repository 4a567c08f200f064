//! Predicates on requests and answers.

use serde_json::Value;

use super::{
    memory::outward,
    proxy::{Call, Reply},
};

/// Whether the call is GET all.
pub(crate) fn is_all(call: &Call) -> bool {
    call.method == "GET" && (call.path.ends_with("/presence/") || call.path.ends_with("/presence"))
}

/// The chat of a GET of one.
pub(crate) fn chat_of_get(call: &Call) -> Option<String> {
    let rest = call.path.split("/presence/").nth(1).filter(|rest| !rest.is_empty())?;
    (call.method == "GET" && !rest.contains('/')).then(|| rest.replace("%40", "@"))
}

/// The chat of a POST subscribe.
pub(crate) fn chat_of_subscribe(call: &Call) -> Option<String> {
    let chat = call.path.split("/presence/").nth(1)?.strip_suffix("/subscribe")?;
    (call.method == "POST").then(|| chat.to_owned())
}

/// Whether the call is POST /api/{session}/presence.
pub(crate) fn is_set(call: &Call) -> bool {
    call.method == "POST" && call.path.ends_with("/presence")
}

/// The session of a call to `/api/sessions/{session}` or below.
pub(crate) fn session_of(call: &Call) -> Option<&str> {
    call.path.strip_prefix("/api/sessions/").map(|rest| rest.split('/').next().unwrap_or(rest))
}

/// Whether the call is GET of a journal.
pub(crate) fn is_journal(call: &Call) -> bool {
    call.method == "GET" && call.path.starts_with("/mock/") && call.path.ends_with("/journal")
}

/// The stanza that the driver sends, and its chat.
pub(crate) fn stanza_of(call: &Call) -> Option<(String, Value)> {
    if !(call.path.starts_with("/mock/") && call.path.ends_with("/stanzas")) {
        return None;
    }
    let stanza = call.json();
    let from = outward(stanza["attrs"]["from"].as_str()?);
    Some((from, stanza))
}

/// The name of a chat state's child, `audio` for a recording.
pub(crate) fn child(stanza: &Value) -> &str {
    match &stanza["content"][0] {
        child if child["attrs"]["media"] == "audio" => "audio",
        child => child["tag"].as_str().unwrap_or_default(),
    }
}

/// Changes the chat of a GET of one.
pub(crate) fn in_chat(call: &Call, reply: &mut Reply, change: impl FnOnce(&mut Value)) {
    if chat_of_get(call).is_some() && reply.status == 200 {
        change_json(reply, change);
    }
}

/// Changes each record of a GET of one.
pub(crate) fn in_records(call: &Call, reply: &mut Reply, change: impl FnMut(&mut Value)) {
    in_chat(call, reply, |chat| records(chat).for_each(change));
}

/// Changes the list of GET all.
pub(crate) fn in_all(call: &Call, reply: &mut Reply, change: impl FnOnce(&mut Vec<Value>)) {
    if is_all(call) && reply.status == 200 {
        change_json(reply, |all| {
            if let Some(list) = all.as_array_mut() {
                change(list);
            }
        });
    }
}

/// Changes the nodes of a journal.
pub(crate) fn in_journal(call: &Call, reply: &mut Reply, change: impl FnOnce(&mut Vec<Value>)) {
    if is_journal(call) {
        change_json(reply, |journal| change(journal["entries"].as_array_mut().unwrap()));
    }
}

pub(crate) fn change_json(reply: &mut Reply, change: impl FnOnce(&mut Value)) {
    let mut json = reply.json();
    if json.is_null() {
        return;
    }
    change(&mut json);
    reply.set_json(&json);
}

/// The records of a chat.
pub(crate) fn records(chat: &mut Value) -> impl Iterator<Item = &mut Value> {
    chat["presences"].as_array_mut().into_iter().flatten()
}

/// Whether a journal's entry is a subscription.
pub(crate) fn subscribes(entry: &Value) -> bool {
    entry["node"]["attrs"]["type"] == "subscribe"
}

/// Whether an id is a group's.
pub(crate) fn is_group(id: &Value) -> bool {
    id.as_str().is_some_and(|id| id.ends_with("@g.us"))
}
