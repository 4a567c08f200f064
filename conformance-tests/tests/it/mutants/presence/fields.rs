//! Targets whose fields are wrong, or whose engines are.

use serde_json::{Value, json};

use super::{
    super::{
        Mutant,
        look::{
            change_json, chat_of_get, child, in_all, in_chat, in_records, is_all, is_group,
            records, stanza_of,
        },
        proxy::Reply,
    },
    ok, without_itself,
};

pub(super) const MUTANTS: &[Mutant] = &[
    // Writes contacts as the engine does.
    Mutant::breaks(&["presence/fields/ids-end-in-c-us-or-g-us"])
        .also(&[
            "presence/get-all/group-participants-are-contacts",
            "presence/get-all/has-one-entry-per-group",
        ])
        .answer(|call, reply, _| {
            in_all(call, reply, |all| {
                for record in all.iter_mut().filter(|chat| is_group(&chat["id"])).flat_map(records)
                {
                    let who = record["participant"].as_str().unwrap();
                    record["participant"] = who.replace("@c.us", "@s.whatsapp.net").into();
                }
            });
        }),
    Mutant::breaks(&["presence/fields/group-lists-itself"]).answer(|call, reply, _| {
        in_chat(call, reply, without_itself);
    }),
    Mutant::breaks(&["presence/fields/no-undocumented-keys"]).answer(|call, reply, _| {
        in_chat(call, reply, |chat| {
            if chat["presences"][0]["lastKnownPresence"] == "online" {
                chat["name"] = "Alice".into();
            }
        });
    }),
    Mutant::breaks(&["presence/fields/key-order-is-the-documentations"]).answer(
        |call, reply, _| {
            in_chat(call, reply, |chat| {
                let presences = chat.as_object_mut().unwrap().remove("presences").unwrap();
                let id = chat["id"].clone();
                *chat = json!({ "presences": presences, "id": id });
            });
        },
    ),
    Mutant::breaks(&["presence/fields/device-part-is-dropped"]).request(|call, _| {
        let from = stanza_of(call)?.1["attrs"]["from"].to_string();
        if from.contains(":4@") { ok() } else { None }
    }),
    Mutant::breaks(&["presence/fields/lid-stays-a-lid"]).answer(|call, reply, _| {
        if is_all(call) {
            let text = String::from_utf8(reply.body.clone()).unwrap();
            reply.body = text.replace("@lid", "@c.us").into_bytes();
        }
    }),
    // Reports a sixth status when typing stops.
    Mutant::breaks(&["presence/fields/status-is-one-of-five"]).answer(|call, reply, memory| {
        let chat = chat_of_get(call).unwrap_or_default();
        if memory.last(&chat).is_some_and(|stanza| child(stanza) == "paused") {
            in_records(call, reply, |record| record["lastKnownPresence"] = "idle".into());
        }
    }),
    // Ignores online after typing.
    Mutant::breaks(&["presence/fields/online"]).request(|call, memory| {
        let (chat, stanza) = stanza_of(call)?;
        let typed = child(memory.before(&chat)?) == "composing";
        let online = stanza["tag"] == "presence" && stanza["attrs"].get("type").is_none();
        if typed && online { ok() } else { None }
    }),
    // Ignores offline without a last seen.
    Mutant::breaks(&["presence/fields/offline"]).request(|call, _| {
        let attrs = stanza_of(call)?.1["attrs"].clone();
        let silent = attrs["type"] == "unavailable" && attrs.get("last").is_none();
        if silent { ok() } else { None }
    }),
    // Ignores typing while online.
    Mutant::breaks(&["presence/fields/typing"])
        .request(|call, memory| {
            let (chat, stanza) = stanza_of(call)?;
            let online = memory.before(&chat)?["tag"] == "presence";
            let alone = stanza["attrs"].get("participant").is_none();
            if online && alone && child(&stanza) == "composing" { ok() } else { None }
        })
        .also(&["presence/fields/last-seen-is-empty-when-online"]),
    // Ignores recording while online.
    Mutant::breaks(&["presence/fields/recording"]).request(|call, memory| {
        let (chat, stanza) = stanza_of(call)?;
        let online = memory.before(&chat)?["tag"] == "presence";
        if online && child(&stanza) == "audio" { ok() } else { None }
    }),
    Mutant::breaks(&["presence/fields/paused"]).request(|call, _| {
        let pauses =
            call.path.ends_with("/events") && call.json().to_string().contains("\"paused\"");
        if pauses { ok() } else { None }
    }),
    Mutant::breaks(&["presence/fields/stopped-typing-is-online"])
        .request(|call, _| if child(&stanza_of(call)?.1) == "paused" { ok() } else { None }),
    Mutant::breaks(&["presence/fields/unknown-status-is-not-shown"]).answer(
        |call, reply, memory| {
            let word = chat_of_get(call).and_then(|chat| memory.words.get(&chat));
            if word.is_some_and(|word| word == "daydreaming") {
                in_records(call, reply, |it| it["lastKnownPresence"] = "daydreaming".into());
            }
        },
    ),
    Mutant::breaks(&["presence/fields/unknown-status-changes-nothing"]).answer(
        |call, reply, memory| {
            let word = chat_of_get(call).and_then(|chat| memory.words.get(&chat));
            if word.is_some_and(|word| word == "daydreaming") {
                in_records(call, reply, |it| it["lastKnownPresence"] = "online".into());
            }
        },
    ),
    Mutant::breaks(&["presence/fields/other-presence-types-are-online"]).request(|call, _| {
        if stanza_of(call)?.1["attrs"]["type"] == "whatever" { ok() } else { None }
    }),
    Mutant::breaks(&["presence/fields/empty-chatstate-is-ignored"]).answer(
        |call, reply, memory| {
            let chat = chat_of_get(call).unwrap_or_default();
            let empty =
                |stanza: &Value| stanza["tag"] == "chatstate" && stanza.get("content").is_none();
            if memory.last(&chat).is_some_and(empty) {
                in_records(call, reply, |it| it["lastKnownPresence"] = "online".into());
            }
        },
    ),
    Mutant::breaks(&[
        "presence/fields/message-ends-typing",
        "presence/fields/message-ends-recording",
    ])
    .request(|call, _| {
        let message = call.path.ends_with("/events") && call.json()["event"] == "messages.upsert";
        if message { ok() } else { None }
    }),
    Mutant::breaks(&["presence/fields/last-seen-is-in-unix-seconds"])
        .also(&["presence/fields/last-seen-is-seconds-or-empty"])
        .answer(|call, reply, _| {
            in_records(call, reply, |record| {
                if let Some(seconds) = record["lastSeen"].as_u64() {
                    record["lastSeen"] = (seconds * 1000).into();
                }
            });
        }),
    // Shows a last seen in the future.
    Mutant::breaks(&["presence/fields/last-seen-is-seconds-or-empty"]).answer(|call, reply, _| {
        in_records(call, reply, |record| {
            if let Some(seconds) = record["lastSeen"].as_u64().filter(|it| *it > 1_750_000_000) {
                record["lastSeen"] = (seconds + 86_400).into();
            }
        });
    }),
    Mutant::breaks(&["presence/fields/last-seen-is-empty-when-online"])
        .also(&["presence/get-chat/direct-chat-is-as-in-the-example"])
        .answer(|call, reply, _| {
            in_records(call, reply, |record| {
                if record["lastKnownPresence"] == "online" {
                    record["lastSeen"] = 1_686_719_326.into();
                }
            });
        }),
    Mutant::breaks(&["presence/fields/last-seen-is-empty-when-online"]).answer(|call, reply, _| {
        in_records(call, reply, |record| {
            if record["lastKnownPresence"] == "recording" {
                record["lastSeen"] = 1_686_719_326.into();
            }
        });
    }),
    // Does not list contacts who are offline without a last seen.
    Mutant::breaks(&["presence/fields/hidden-last-seen-still-goes-offline"]).answer(
        |call, reply, _| {
            in_all(call, reply, |all| {
                all.retain(|chat| {
                    let record = &chat["presences"][0];
                    record["lastKnownPresence"] != "offline" || !record["lastSeen"].is_null()
                });
            });
        },
    ),
    // Omits null fields, as WAHA does.
    Mutant::breaks(&["presence/fields/last-seen-is-null-rather-than-absent"])
        .answer(|call, reply, _| {
            let drop = |record: &mut Value| {
                if record["lastSeen"].is_null() {
                    record.as_object_mut().unwrap().remove("lastSeen");
                }
            };
            in_records(call, reply, drop);
            in_all(call, reply, |all| all.iter_mut().flat_map(records).for_each(drop));
        })
        .webhook(|post, _| {
            let mut event = post.json();
            for record in records(&mut event["payload"]).filter(|it| it["lastSeen"].is_null()) {
                record.as_object_mut().unwrap().remove("lastSeen");
            }
            post.set_json(&event);
            super::super::Fate::Forward
        }),
    Mutant::breaks(&["presence/fields/hidden-last-seen-still-goes-offline"])
        .request(|call, _| if stanza_of(call)?.1["attrs"]["last"] == "deny" { ok() } else { None }),
    Mutant::breaks(&["presence/fields/nonsense-last-seen-is-null"]).answer(
        |call, reply, memory| {
            let chat = chat_of_get(call).unwrap_or_default();
            if memory.last(&chat).is_some_and(|stanza| stanza["attrs"]["last"] == "-5") {
                in_records(call, reply, |record| record["lastSeen"] = (-5).into());
            }
        },
    ),
    // Keeps the last seen of a contact who types again.
    Mutant::breaks(&["presence/fields/typing-replaces-last-seen"]).answer(|call, reply, memory| {
        let chat = chat_of_get(call).unwrap_or_default();
        let last = memory.before(&chat).map(|stanza| stanza["attrs"]["last"].clone());
        let last = last.and_then(|last| last.as_str()?.parse::<u64>().ok());
        let types = memory.last(&chat).is_some_and(|stanza| child(stanza) == "composing");
        if let (Some(last), true) = (last, types) {
            in_records(call, reply, |record| record["lastSeen"] = last.into());
        }
    }),
    // A subscribed chat without updates is an error.
    Mutant::breaks(&["engines/noweb-offers-presence"]).answer(|call, reply, memory| {
        let subscribed = chat_of_get(call).is_some_and(|chat| memory.subscribed.contains(&chat));
        if subscribed && reply.json()["presences"] == json!([]) {
            reply.status = 422;
        }
    }),
    Mutant::breaks(&["engines/others-do-not", "engines/others-answer-422"]).answer(
        |call, reply, _| {
            if call.path.starts_with("/api/web/presence") {
                *reply = Reply::new(200, "[]");
            }
        },
    ),
    Mutant::breaks(&["engines/refusal-says-why"]).answer(|call, reply, _| {
        if call.path.starts_with("/api/web/presence") {
            change_json(reply, |error| *error = json!({ "message": "no" }));
        }
    }),
];
