//! The traffic that a mutant has seen.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    look::{chat_of_get, chat_of_subscribe, stanza_of},
    proxy::{Call, Post, Reply},
};

/// The traffic through the proxy so far.
#[derive(Default)]
pub(crate) struct Memory {
    /// Counters named by the mutant.
    counts: BTreeMap<String, u32>,
    /// Chats subscribed to by POST.
    pub(crate) subscribed: BTreeSet<String>,
    /// Chats requested by GET.
    pub(crate) asked: BTreeSet<String>,
    /// The stanzas of each chat, in order.
    pub(crate) stanzas: BTreeMap<String, Vec<Value>>,
    /// The last status word of an engine event, per chat.
    pub(crate) words: BTreeMap<String, String>,
    /// The webhooks of each chat.
    pub(crate) posts: BTreeMap<String, Vec<Post>>,
    /// Sessions that were created.
    pub(crate) sessions: BTreeSet<String>,
    /// Texts named by the mutant.
    pub(crate) notes: BTreeMap<String, String>,
    /// A webhook that the receiver refused.
    pub(crate) failed: Option<Post>,
    /// Webhooks that the mutant sends in addition.
    pub(crate) outbox: Vec<Post>,
}

impl Memory {
    /// Increments a counter and returns it.
    pub(crate) fn count(&mut self, what: impl Into<String>) -> u32 {
        let count = self.counts.entry(what.into()).or_default();
        *count += 1;
        *count
    }

    pub(super) fn sees_call(&mut self, call: &Call) {
        if let Some((chat, stanza)) = stanza_of(call) {
            self.stanzas.entry(chat).or_default().push(stanza);
        }
        if call.path.ends_with("/events") && call.path.starts_with("/mock") {
            let body = call.json();
            let presences = body.pointer("/data/presences").and_then(Value::as_object);
            if let Some((_, record)) = presences.and_then(|it| it.iter().next()) {
                let chat = body["data"]["id"].as_str().unwrap_or_default();
                let word = record["lastKnownPresence"].as_str().unwrap_or_default();
                self.words.insert(outward(chat), word.to_owned());
            }
        }
    }

    pub(super) fn saw_reply(&mut self, call: &Call, reply: &Reply) {
        let went_well = (200..300).contains(&reply.status);
        if let Some(chat) = chat_of_subscribe(call).filter(|_| went_well) {
            self.subscribed.insert(chat);
        }
        if let Some(chat) = chat_of_get(call) {
            self.asked.insert(chat);
        }
        let made = call.method == "POST" && call.path == "/api/sessions";
        if let Some(name) = call.json()["name"].as_str().filter(|_| made) {
            self.sessions.insert(name.to_owned());
        }
    }

    pub(super) fn sees_post(&mut self, post: &Post) {
        if let Some(chat) = post.json().pointer("/payload/id").and_then(Value::as_str) {
            self.posts.entry(chat.to_owned()).or_default().push(post.clone());
        }
    }

    /// The stanza before the last one of a chat.
    pub(crate) fn before(&self, chat: &str) -> Option<&Value> {
        self.stanzas.get(chat).and_then(|all| all.iter().rev().nth(1))
    }

    /// The last stanza of a chat.
    pub(crate) fn last(&self, chat: &str) -> Option<&Value> {
        self.stanzas.get(chat).and_then(|all| all.last())
    }
}

/// `…@c.us` for `…@s.whatsapp.net`.
pub(crate) fn outward(jid: &str) -> String {
    jid.replace("@s.whatsapp.net", "@c.us")
}
