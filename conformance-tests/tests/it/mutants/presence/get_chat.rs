//! Targets whose GET of a chat is wrong.

use serde_json::{Value, json};

use super::{
    super::{
        Mutant,
        look::{chat_of_get, child, in_chat, in_records, is_group, records, stanza_of},
    },
    ok,
};

pub(super) const MUTANTS: &[Mutant] = &[
    // Omits the id of a chat without updates.
    Mutant::breaks(&["presence/get-chat/answers-200-with-the-chat"]).answer(|call, reply, _| {
        in_chat(call, reply, |chat| {
            if chat["presences"] == json!([]) {
                chat["id"] = Value::Null;
            }
        });
    }),
    // Lists the session itself in a contact's chat.
    Mutant::breaks(&["presence/get-chat/direct-chat-has-one-participant"])
        .also(&["presence/get-all/agrees-with-get-chat"])
        .answer(|call, reply, _| {
            in_chat(call, reply, |chat| {
                if !is_group(&chat["id"]) && chat["presences"][0]["lastKnownPresence"] == "typing" {
                    let me = json!({ "participant": "1@c.us", "lastKnownPresence": "online" });
                    chat["presences"].as_array_mut().unwrap().push(me);
                }
            });
        }),
    Mutant::breaks(&["presence/get-chat/direct-chat-is-as-in-the-example"])
        .also(&["presence/fields/last-seen-is-empty-when-online"])
        .answer(|call, reply, _| {
            in_records(call, reply, |record| {
                if record["lastKnownPresence"] == "online" {
                    record["lastSeen"] = 0.into();
                }
            });
        }),
    Mutant::breaks(&["presence/get-chat/group-lists-each-participant"]).answer(|call, reply, _| {
        in_chat(call, reply, |chat| {
            if is_group(&chat["id"]) {
                chat["presences"].as_array_mut().unwrap().truncate(1);
            }
        });
    }),
    Mutant::breaks(&["presence/get-chat/participants-keep-their-own-status"]).answer(
        |call, reply, _| {
            in_chat(call, reply, |chat| {
                if is_group(&chat["id"]) {
                    let first = chat["presences"][0]["lastKnownPresence"].clone();
                    records(chat).for_each(|it| it["lastKnownPresence"] = first.clone());
                }
            });
        },
    ),
    // Shows typing in a group in the participant's direct chat too.
    Mutant::breaks(&["presence/get-chat/shows-this-chat-only"]).answer(|call, reply, memory| {
        in_records(call, reply, |record| {
            let who = super::super::memory::outward(record["participant"].as_str().unwrap());
            let types = |stanza: &Value| {
                let participant = stanza["attrs"]["participant"].as_str().unwrap_or_default();
                super::super::memory::outward(participant) == who && child(stanza) == "composing"
            };
            if memory.stanzas.values().flatten().any(types) {
                record["lastKnownPresence"] = "typing".into();
            }
        });
    }),
    // Loses the third change of a chat.
    Mutant::breaks(&["presence/get-chat/shows-the-latest"])
        .request(|call, memory| {
            let (chat, stanza) = stanza_of(call)?;
            let third = stanza["attrs"].get("participant").is_none() && memory.count(chat) == 3;
            if third { ok() } else { None }
        })
        .also(&[
            "webhook/presence-update/reports-each-status",
            "presence/fields/last-seen-is-empty-when-online",
        ]),
    Mutant::breaks(&["presence/get-chat/decodes-the-id"]).answer(|call, reply, _| {
        if call.path.contains("%40") {
            reply.status = 404;
        }
    }),
    Mutant::breaks(&["presence/get-chat/digits-mean-a-contact"]).answer(|call, reply, _| {
        if chat_of_get(call).is_some_and(|chat| !chat.contains('@')) {
            reply.status = 400;
        }
    }),
    // Answers the first GET at once.
    Mutant::breaks(&["presence/get-chat/waits-for-the-first-news"]).answer(
        |call, reply, memory| {
            let chat = chat_of_get(call).unwrap_or_default();
            if !memory.subscribed.contains(&chat) && !memory.asked.contains(&chat) {
                in_chat(call, reply, |chat| chat["presences"] = json!([]));
            }
        },
    ),
    Mutant::breaks(&["presence/get-chat/participants-in-first-seen-order"]).answer(
        |call, reply, _| {
            in_chat(call, reply, |chat| chat["presences"].as_array_mut().unwrap().reverse());
        },
    ),
];
