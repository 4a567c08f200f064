//! Targets that subscribe or set presence wrongly.

use serde_json::{Value, json};

use super::{
    Mutant,
    look::{chat_of_get, chat_of_subscribe, in_all, in_journal, is_group, is_set, subscribes},
    proxy::Reply,
};

/// The recipient of a journal entry.
fn to(entry: &Value) -> &str {
    entry["node"]["attrs"]["to"].as_str().unwrap_or_default()
}

pub(super) const MUTANTS: &[Mutant] = &[
    // The journal shows only subscriptions requested by POST.
    Mutant::breaks(&["presence/get-chat/subscribes-when-new"]).answer(|call, reply, memory| {
        in_journal(call, reply, |entries| {
            entries.retain(|entry| {
                let chat = super::memory::outward(to(entry));
                !subscribes(entry) || memory.subscribed.contains(&chat)
            });
        });
    }),
    // Sends each subscription twice.
    Mutant::breaks(&[
        "presence/get-chat/subscribes-once-for-many",
        "presence/get-chat/does-not-subscribe-again",
    ])
    .answer(|call, reply, _| {
        in_journal(call, reply, |entries| *entries = [entries.clone(), entries.clone()].concat());
    }),
    // Refuses the very first subscription.
    Mutant::breaks(&["presence/subscribe/needs-no-body"]).request(|call, memory| {
        chat_of_subscribe(call)?;
        (memory.count("subscribe") == 1).then(|| Reply::new(400, r#"{"message":"no body"}"#))
    }),
    // Refuses the first subscription of a group.
    Mutant::breaks(&["presence/subscribe/takes-a-group"]).request(|call, memory| {
        let group = is_group(&chat_of_subscribe(call)?.into());
        (group && memory.count("group") == 1).then(|| Reply::new(400, r#"{"message":"a group"}"#))
    }),
    // GET of a chat keeps showing its first answer.
    Mutant::breaks(&["presence/subscribe/then-get-chat-shows-news"])
        .answer(|call, reply, memory| {
            let Some(chat) = chat_of_get(call).filter(|_| reply.status == 200) else { return };
            if reply.json()["presences"] == json!([]) {
                return;
            }
            let text = String::from_utf8(reply.body.clone()).unwrap();
            reply.body = memory.notes.entry(chat).or_insert(text).clone().into_bytes();
        })
        .also(&["presence/fields/last-seen-is-empty-when-online"]),
    // GET all keeps showing a chat's first entry.
    Mutant::breaks(&["presence/subscribe/then-get-all-shows-news"])
        .answer(|call, reply, memory| {
            in_all(call, reply, |all| {
                for chat in all.iter_mut().filter(|chat| chat["presences"] != json!([])) {
                    let id = chat["id"].as_str().unwrap().to_owned();
                    let first = memory.notes.entry(id).or_insert(chat.to_string());
                    *chat = serde_json::from_str(first).unwrap();
                }
            });
        })
        .also(&[
            "presence/get-all/has-one-entry-per-group",
            "presence/fields/hidden-last-seen-still-goes-offline",
        ]),
    Mutant::breaks(&["presence/subscribe/answers-201"]).answer(|call, reply, _| {
        if chat_of_subscribe(call).is_some() && reply.status == 201 {
            reply.status = 200;
        }
    }),
    Mutant::breaks(&["presence/subscribe/answer-is-empty"]).answer(|call, reply, _| {
        if chat_of_subscribe(call).is_some() {
            reply.body = b"{}".to_vec();
        }
    }),
    Mutant::breaks(&["presence/subscribe/repeating-is-harmless"]).request(|call, memory| {
        let chat = chat_of_subscribe(call)?;
        memory.subscribed.contains(&chat).then(|| Reply::new(409, r#"{"message":"again"}"#))
    }),
    Mutant::breaks(&["presence/subscribe/asks-whatsapp"]).answer(|call, reply, _| {
        in_journal(call, reply, |entries| {
            entries.retain(|entry| !(subscribes(entry) && to(entry).ends_with("whatsapp.net")));
        });
    }),
    Mutant::breaks(&["presence/subscribe/group-asks-whatsapp"]).answer(|call, reply, _| {
        in_journal(call, reply, |entries| {
            entries.retain(|entry| !(subscribes(entry) && to(entry).ends_with("@g.us")));
        });
    }),
    Mutant::breaks(&["presence/subscribe/any-body-is-fine"]).request(|call, _| {
        chat_of_subscribe(call)?;
        (!call.body.is_empty()).then(|| Reply::new(400, r#"{"message":"a body"}"#))
    }),
    // Sends nothing after a reconnect.
    Mutant::breaks(&["presence/subscribe/again-after-a-reconnect"]).answer(|call, reply, _| {
        in_journal(call, reply, |entries| {
            let mut seen = std::collections::BTreeSet::new();
            entries.retain(|entry| !subscribes(entry) || seen.insert(to(entry).to_owned()));
        });
    }),
    Mutant::breaks(&["presence/subscribe/refusal-is-502"]).answer(|_, reply, _| {
        if reply.status == 502 {
            reply.status = 500;
        }
    }),
    Mutant::breaks(&["presence/subscribe/silence-is-504"]).answer(|_, reply, _| {
        if reply.status == 504 {
            reply.status = 500;
        }
    }),
    // A chat whose subscription was refused counts as subscribed.
    Mutant::breaks(&["presence/subscribe/refused-is-tried-again"])
        .answer(|call, reply, memory| {
            if let Some(chat) = chat_of_subscribe(call).filter(|_| reply.status == 502) {
                memory.notes.insert(chat, "refused".to_owned());
            }
        })
        .request(|call, memory| {
            let chat = chat_of_get(call)?;
            memory.notes.contains_key(&chat).then(|| Reply::new(200, r#"{"presences":[]}"#))
        }),
    Mutant::breaks(&["presence/set/online-and-offline-answer-201"]).answer(|call, reply, _| {
        if is_set(call) && reply.status == 201 && call.json().get("chatId").is_none() {
            reply.status = 200;
        }
    }),
    Mutant::breaks(&["presence/set/typing-in-a-chat-answers-201"]).answer(|call, reply, _| {
        if is_set(call) && reply.status == 201 && call.json().get("chatId").is_some() {
            reply.status = 200;
        }
    }),
    // Accepts any body.
    Mutant::breaks(&[
        "presence/set/typing-needs-a-chat",
        "presence/set/online-refuses-a-chat",
        "presence/set/unknown-word-is-400",
        "presence/set/missing-word-is-400",
    ])
    .answer(|call, reply, _| {
        if is_set(call) {
            reply.status = 201;
        }
    }),
    Mutant::breaks(&["presence/set/refusal-has-a-detail"]).answer(|call, reply, _| {
        if is_set(call) {
            reply.body = br#"{"message":"no"}"#.to_vec();
        }
    }),
    Mutant::breaks(&["presence/set/typing-reaches-whatsapp"]).answer(|call, reply, _| {
        in_journal(call, reply, |entries| {
            entries.retain(|entry| entry["node"]["tag"] != "chatstate");
        });
    }),
    Mutant::breaks(&["presence/set/online-reaches-whatsapp"]).answer(|call, reply, _| {
        in_journal(call, reply, |entries| {
            entries.retain(|entry| entry["node"]["attrs"]["type"] != "available");
        });
    }),
];
