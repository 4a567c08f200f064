//! Targets that show presence wrongly.

use serde_json::{Value, json};

use super::{
    Mutant,
    look::{
        change_json, chat_of_get, child, in_all, in_chat, in_records, is_all, is_group, records,
        stanza_of,
    },
    proxy::Reply,
};

fn ok() -> Option<Reply> {
    Some(Reply::new(200, r#"{"events":[]}"#))
}

/// A group without its own record.
fn without_itself(chat: &mut Value) {
    let id = chat["id"].clone();
    if is_group(&id) {
        chat["presences"].as_array_mut().unwrap().retain(|it| it["participant"] != id);
    }
}

pub(super) const MUTANTS: &[Mutant] = &[
    // Says null when nothing is known.
    Mutant::breaks(&["presence/get-all/answers-200-with-an-array"]).answer(|call, reply, _| {
        if is_all(call) && reply.body == b"[]" {
            *reply = Reply::new(200, "null");
        }
    }),
    Mutant::breaks(&["presence/get-all/works-without-the-trailing-slash"]).answer(
        |call, reply, _| {
            if call.method == "GET" && call.path.ends_with("/presence") {
                reply.status = 404;
            }
        },
    ),
    Mutant::breaks(&["presence/get-all/is-application-json"]).answer(|call, reply, _| {
        if is_all(call) {
            reply.headers.insert("content-type", "text/html".parse().unwrap());
        }
    }),
    // Forgets contacts who are online.
    Mutant::breaks(&["presence/get-all/lists-direct-chats"])
        .also(&[
            "presence/get-all/entries-have-id-and-presences",
            "presence/get-all/has-one-entry-a-chat",
            "presence/fields/ids-end-in-c-us-or-g-us",
        ])
        .answer(|call, reply, _| {
            in_all(call, reply, |all| {
                all.retain(|chat| {
                    is_group(&chat["id"]) || chat["presences"][0]["lastKnownPresence"] != "online"
                });
            });
        }),
    Mutant::breaks(&["presence/get-all/lists-groups"])
        .also(&[
            "presence/get-all/group-participants-are-contacts",
            "presence/get-all/has-one-entry-a-group",
            "presence/fields/ids-end-in-c-us-or-g-us",
        ])
        .answer(|call, reply, _| {
            in_all(call, reply, |all| all.retain(|chat| !is_group(&chat["id"])));
        }),
    // An entry more, without presences.
    Mutant::breaks(&["presence/get-all/entries-have-id-and-presences"])
        .answer(|call, reply, _| in_all(call, reply, |all| all.push(json!({ "id": "1@c.us" })))),
    // A string for a number.
    Mutant::breaks(&["presence/get-all/direct-chat-is-as-in-the-example"]).answer(
        |call, reply, _| {
            in_all(call, reply, |all| {
                for chat in all.iter_mut().filter(|chat| !is_group(&chat["id"])) {
                    for record in records(chat) {
                        if let Some(seconds) = record["lastSeen"].as_u64() {
                            record["lastSeen"] = seconds.to_string().into();
                        }
                    }
                }
            });
        },
    ),
    Mutant::breaks(&["presence/get-all/group-participants-are-contacts"]).answer(
        |call, reply, _| {
            in_all(call, reply, |all| {
                for record in all.iter_mut().filter(|chat| is_group(&chat["id"])).flat_map(records)
                {
                    if record["lastKnownPresence"] == "offline" {
                        record["participant"] = "somebody".into();
                    }
                }
            });
        },
    ),
    Mutant::breaks(&["presence/get-all/group-is-as-in-the-example"]).answer(|call, reply, _| {
        in_all(call, reply, |all| {
            for chat in all {
                without_itself(chat);
            }
        });
    }),
    Mutant::breaks(&["presence/get-all/agrees-with-get-chat"])
        .also(&["presence/subscribe/then-get-all-shows-news"])
        .answer(|call, reply, _| {
            in_all(call, reply, |all| {
                for record in all.iter_mut().filter(|it| !is_group(&it["id"])).flat_map(records) {
                    if record["lastKnownPresence"] == "typing" {
                        record["lastKnownPresence"] = "online".into();
                    }
                }
            });
        }),
    Mutant::breaks(&["presence/get-all/has-one-entry-a-chat"]).answer(|call, reply, _| {
        in_all(call, reply, |all| *all = [all.clone(), all.clone()].concat());
    }),
    // Lists a group's participants twice.
    Mutant::breaks(&["presence/get-all/has-one-entry-a-group"]).answer(|call, reply, _| {
        in_all(call, reply, |all| {
            for chat in all.iter_mut().filter(|chat| is_group(&chat["id"])) {
                let again: Vec<Value> = records(chat).map(|record| record.clone()).collect();
                chat["presences"].as_array_mut().unwrap().extend(again);
            }
        });
    }),
    // Lists groups twice.
    Mutant::breaks(&["presence/get-all/has-one-entry-a-group"]).answer(|call, reply, _| {
        in_all(call, reply, |all| {
            let groups: Vec<Value> = all.iter().filter(|it| is_group(&it["id"])).cloned().collect();
            all.extend(groups);
        });
    }),
    // Lists the chats of the first session for all.
    Mutant::breaks(&["presence/get-all/lists-this-session-only"]).request(|call, memory| {
        let session = call.path.split('/').nth(2).unwrap_or_default().to_owned();
        if is_all(call) && memory.sessions.contains(&session) {
            if let Some(first) = memory.notes.get("session") {
                call.path = call.path.replace(&session, first);
            }
        } else if is_all(call) {
            memory.notes.insert("session".into(), session);
        }
        None
    }),
    Mutant::breaks(&["presence/get-all/order-is-first-seen"])
        .answer(|call, reply, _| in_all(call, reply, |all| all.reverse())),
    Mutant::breaks(&["presence/get-all/lists-a-subscribed-chat-without-news"]).answer(
        |call, reply, _| {
            in_all(call, reply, |all| all.retain(|chat| chat["presences"] != json!([])));
        },
    ),
    Mutant::breaks(&["presence/get-all/answers-head"]).answer(|call, reply, _| {
        if call.method == "HEAD" {
            reply.status = 405;
        }
    }),
    // Has no id for a chat without news.
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
    Mutant::breaks(&["presence/get-chat/direct-chat-is-as-in-the-example"]).answer(
        |call, reply, _| {
            in_records(call, reply, |record| {
                if record["lastKnownPresence"] == "online" {
                    record["lastSeen"] = 0.into();
                }
            });
        },
    ),
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
    // Who types in a group types in their own chat too.
    Mutant::breaks(&["presence/get-chat/shows-this-chat-only"]).answer(|call, reply, memory| {
        in_records(call, reply, |record| {
            let who = super::memory::outward(record["participant"].as_str().unwrap());
            let types = |stanza: &Value| {
                let participant = stanza["attrs"]["participant"].as_str().unwrap_or_default();
                super::memory::outward(participant) == who && child(stanza) == "composing"
            };
            if memory.stanzas.values().flatten().any(types) {
                record["lastKnownPresence"] = "typing".into();
            }
        });
    }),
    // The third change of a chat is lost.
    Mutant::breaks(&["presence/get-chat/shows-the-latest"])
        .request(|call, memory| {
            let (chat, stanza) = stanza_of(call)?;
            let third = stanza["attrs"].get("participant").is_none() && memory.count(chat) == 3;
            if third { ok() } else { None }
        })
        .also(&["presence/fields/last-seen-is-empty-when-online"]),
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
    // Writes contacts as the engine does.
    Mutant::breaks(&["presence/fields/ids-end-in-c-us-or-g-us"]).answer(|call, reply, _| {
        in_all(call, reply, |all| {
            for record in all.iter_mut().filter(|chat| is_group(&chat["id"])).flat_map(records) {
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
    // A sixth status for who stops typing.
    Mutant::breaks(&["presence/fields/status-is-one-of-five"]).answer(|call, reply, memory| {
        let chat = chat_of_get(call).unwrap_or_default();
        if memory.last(&chat).is_some_and(|stanza| child(stanza) == "paused") {
            in_records(call, reply, |record| record["lastKnownPresence"] = "idle".into());
        }
    }),
    // Who typed stays typing when they are said to be online.
    Mutant::breaks(&["presence/fields/online"]).request(|call, memory| {
        let (chat, stanza) = stanza_of(call)?;
        let typed = child(memory.before(&chat)?) == "composing";
        let online = stanza["tag"] == "presence" && stanza["attrs"].get("type").is_none();
        if typed && online { ok() } else { None }
    }),
    // Who leaves without a last seen stays.
    Mutant::breaks(&["presence/fields/offline"]).request(|call, _| {
        let attrs = stanza_of(call)?.1["attrs"].clone();
        let silent = attrs["type"] == "unavailable" && attrs.get("last").is_none();
        if silent { ok() } else { None }
    }),
    // Who is online cannot type.
    Mutant::breaks(&["presence/fields/typing"])
        .request(|call, memory| {
            let (chat, stanza) = stanza_of(call)?;
            let online = memory.before(&chat)?["tag"] == "presence";
            let alone = stanza["attrs"].get("participant").is_none();
            if online && alone && child(&stanza) == "composing" { ok() } else { None }
        })
        .also(&["presence/fields/last-seen-is-empty-when-online"]),
    // Who is online cannot record.
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
    Mutant::breaks(&["presence/fields/last-seen-is-in-unix-seconds"]).answer(|call, reply, _| {
        in_records(call, reply, |record| {
            if let Some(seconds) = record["lastSeen"].as_u64() {
                record["lastSeen"] = (seconds * 1000).into();
            }
        });
    }),
    // Last seen tomorrow.
    Mutant::breaks(&["presence/fields/last-seen-is-seconds-or-empty"]).answer(|call, reply, _| {
        in_records(call, reply, |record| {
            if let Some(seconds) = record["lastSeen"].as_u64().filter(|it| *it > 1_750_000_000) {
                record["lastSeen"] = (seconds + 86_400).into();
            }
        });
    }),
    Mutant::breaks(&["presence/fields/last-seen-is-empty-when-online"]).answer(|call, reply, _| {
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
    // Does not list who is offline since nobody knows when.
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
    // Leaves out what is null, as today's WAHA does.
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
            super::Fate::Forward
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
    // Keeps the last seen of who types again.
    Mutant::breaks(&["presence/fields/typing-replaces-last-seen"]).answer(|call, reply, memory| {
        let chat = chat_of_get(call).unwrap_or_default();
        let last = memory.before(&chat).map(|stanza| stanza["attrs"]["last"].clone());
        let last = last.and_then(|last| last.as_str()?.parse::<u64>().ok());
        let types = memory.last(&chat).is_some_and(|stanza| child(stanza) == "composing");
        if let (Some(last), true) = (last, types) {
            in_records(call, reply, |record| record["lastSeen"] = last.into());
        }
    }),
    // A chat that was subscribed to and has no news is an error.
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
