//! Targets whose GET all is wrong.

use serde_json::{Value, json};

use super::{
    super::{
        Mutant,
        look::{in_all, is_all, is_group, records},
        proxy::Reply,
    },
    without_itself,
};

pub(super) const MUTANTS: &[Mutant] = &[
    // Answers null when nothing is known.
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
    // Omits contacts who are online.
    Mutant::breaks(&["presence/get-all/lists-direct-chats"])
        .also(&[
            "presence/get-all/entries-have-id-and-presences",
            "presence/get-all/has-one-entry-per-chat",
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
            "presence/get-all/has-one-entry-per-group",
            "presence/fields/ids-end-in-c-us-or-g-us",
        ])
        .answer(|call, reply, _| {
            in_all(call, reply, |all| all.retain(|chat| !is_group(&chat["id"])));
        }),
    // Adds an entry without presences.
    Mutant::breaks(&["presence/get-all/entries-have-id-and-presences"])
        .answer(|call, reply, _| in_all(call, reply, |all| all.push(json!({ "id": "1@c.us" })))),
    // Writes a number as a string.
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
    Mutant::breaks(&["presence/get-all/group-participants-are-contacts"])
        .also(&["presence/fields/ids-end-in-c-us-or-g-us"])
        .answer(|call, reply, _| {
            in_all(call, reply, |all| {
                for record in all.iter_mut().filter(|chat| is_group(&chat["id"])).flat_map(records)
                {
                    if record["lastKnownPresence"] == "offline" {
                        record["participant"] = "unknown".into();
                    }
                }
            });
        }),
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
    Mutant::breaks(&["presence/get-all/has-one-entry-per-chat"])
        .also(&["presence/get-all/has-one-entry-per-group"])
        .answer(|call, reply, _| {
            in_all(call, reply, |all| *all = [all.clone(), all.clone()].concat());
        }),
    // Lists a group's participants twice.
    Mutant::breaks(&["presence/get-all/has-one-entry-per-group"]).answer(|call, reply, _| {
        in_all(call, reply, |all| {
            for chat in all.iter_mut().filter(|chat| is_group(&chat["id"])) {
                let again: Vec<Value> = records(chat).map(|record| record.clone()).collect();
                chat["presences"].as_array_mut().unwrap().extend(again);
            }
        });
    }),
    // Lists groups twice.
    Mutant::breaks(&["presence/get-all/has-one-entry-per-group"]).answer(|call, reply, _| {
        in_all(call, reply, |all| {
            let groups: Vec<Value> = all.iter().filter(|it| is_group(&it["id"])).cloned().collect();
            all.extend(groups);
        });
    }),
    // Lists the first session's chats in all sessions.
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
];
