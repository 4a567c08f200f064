//! Targets whose webhooks or WebSocket events are wrong.

use serde_json::{Value, json};

use super::{
    Fate::{self, AfterTheNext, Forward, Lose, Twice},
    Mutant,
    memory::Memory,
    proxy::{Call, Post},
};

/// The chat of a presence.update.
fn chat(post: &Post) -> Option<String> {
    let event = post.json();
    let chat = event.pointer("/payload/id")?.as_str()?;
    (event["event"] == "presence.update").then(|| chat.to_owned())
}

fn first_status(event: &Value) -> &str {
    event.pointer("/payload/presences/0/lastKnownPresence").and_then(Value::as_str).unwrap_or("")
}

/// The ordinal of this webhook within its chat.
fn number(post: &Post, memory: &Memory) -> usize {
    chat(post).and_then(|chat| memory.posts.get(&chat)).map_or(1, |posts| posts.len() + 1)
}

fn change(post: &mut Post, change: impl FnOnce(&mut Value)) -> Fate {
    let mut event = post.json();
    change(&mut event);
    post.set_json(&event);
    Forward
}

fn without(post: &mut Post, field: &str) -> Fate {
    change(post, |event| {
        event.as_object_mut().unwrap().shift_remove(field);
    })
}

fn is_status(post: &Post) -> bool {
    post.json()["event"] == "session.status"
}

/// The last webhook of the chat for which the engine reports an unknown status.
fn on_unknown(call: &Call, memory: &Memory) -> Option<Post> {
    let text = String::from_utf8_lossy(&call.body);
    let says = call.path.ends_with("/events") && text.contains("daydreaming");
    let chat = super::memory::outward(call.json()["data"]["id"].as_str()?);
    memory.posts.get(&chat).filter(|_| says)?.last().cloned()
}

/// Changes the webhooks of the configuration in this call.
fn hooks(call: &mut Call, change: impl Fn(&mut Value)) {
    let mut body = call.json();
    let hooks = body.pointer_mut("/config/webhooks").and_then(Value::as_array_mut);
    if let (Some(hooks), true) = (hooks, call.path.starts_with("/api/sessions")) {
        hooks.iter_mut().for_each(change);
        call.set_json(&body);
    }
}

/// Changes the policy of retries.
fn policy(call: &mut Call, from: &str, to: &str) {
    hooks(call, |hook| {
        if hook["retries"]["policy"] == from {
            hook["retries"]["policy"] = to.into();
        }
    });
}

pub(super) const MUTANTS: &[Mutant] = &[
    // Loses the first event.
    Mutant::breaks(&["webhook/presence-update/is-sent"]).webhook(|post, memory| {
        let first = chat(post).is_some() && memory.count("event") == 1;
        if first { Lose } else { Forward }
    }),
    Mutant::breaks(&["presence/subscribe/then-webhook-brings-news"])
        .webhook(|post, _| {
            let records = chat(post).is_some() && first_status(&post.json()) == "recording";
            if records { Lose } else { Forward }
        })
        .also(&["webhook/presence-update/reports-each-status"]),
    Mutant::breaks(&["webhook/presence-update/has-the-four-fields"])
        .also(&["webhook/presence-update/engine-is-noweb"])
        .webhook(|post, _| change(post, |event| event["engine"] = 1.into())),
    Mutant::breaks(&["webhook/presence-update/payload-is-as-in-the-example"])
        .webhook(|post, _| {
            change(post, |event| {
                if event["payload"]["id"].as_str().is_some_and(|id| id.ends_with("@g.us")) {
                    event["payload"]["presences"][0]["participant"] = "unknown".into();
                }
            })
        })
        .also(&["webhook/presence-update/reports-each-status"]),
    // Never sends offline.
    Mutant::breaks(&["webhook/presence-update/reports-each-status"])
        .webhook(|post, _| if first_status(&post.json()) == "offline" { Lose } else { Forward }),
    // Sends milliseconds instead of seconds.
    Mutant::breaks(&["webhook/presence-update/reports-each-status"]).webhook(|post, _| {
        change(post, |event| {
            let last_seen = event.pointer_mut("/payload/presences/0/lastSeen");
            if let Some((last_seen, seconds)) = last_seen.and_then(|it| Some((it.as_u64()?, it))) {
                *seconds = (last_seen * 1000).into();
            }
        })
    }),
    // Uses the engine's id of a participant who is recording in a group.
    Mutant::breaks(&["webhook/presence-update/reports-each-status"]).webhook(|post, _| {
        change(post, |event| {
            let in_group = event["payload"]["id"].as_str().is_some_and(|id| id.ends_with("@g.us"));
            if in_group && first_status(event) == "recording" {
                let participant = &mut event["payload"]["presences"][0]["participant"];
                *participant =
                    participant.as_str().unwrap().replace("@c.us", "@s.whatsapp.net").into();
            }
        })
    }),
    // Sends the first webhook's events to the newest webhook too.
    Mutant::breaks(&["webhook/presence-update/goes-to-its-session-only"])
        .request(|call, memory| {
            let hook = call.json().pointer("/config/webhooks/0").cloned()?;
            if hook["events"] == json!(["presence.update"]) {
                let url = hook["url"].as_str()?.to_owned();
                memory.notes.entry("first".into()).or_insert(url.clone());
                memory.notes.insert("newest".into(), url);
            }
            None
        })
        .receipt(|post, _, memory| {
            let (first, newest) = (memory.notes.get("first")?, memory.notes.get("newest")?);
            let copied = chat(post).is_some() && post.url == *first && newest != first;
            copied.then(|| Post { url: newest.clone(), ..post.clone() })
        }),
    Mutant::breaks(&["webhook/presence-update/engine-is-noweb"])
        .webhook(|post, _| change(post, |event| event["engine"] = "WEBJS".into())),
    Mutant::breaks(&["webhook/presence-update/names-its-session"])
        .webhook(|post, _| change(post, |event| event["session"] = "another".into())),
    Mutant::breaks(&["webhook/presence-update/agrees-with-get"])
        .webhook(|post, _| {
            change(post, |event| {
                if first_status(event) == "typing" && event["event"] == "presence.update" {
                    event["payload"]["presences"][0]["lastKnownPresence"] = "online".into();
                }
            })
        })
        .also(&[
            "webhook/presence-update/reports-each-status",
            "webhook/presence-update/payload-is-as-in-the-example",
        ]),
    // Sends an unknown status.
    Mutant::breaks(&[
        "webhook/presence-update/status-is-one-of-five",
        "webhook/presence-update/unknown-status-sends-nothing",
    ])
    .request(|call, memory| {
        let mut post = on_unknown(call, memory)?;
        change(&mut post, |event| {
            event["payload"]["presences"][0]["lastKnownPresence"] = "daydreaming".into();
        });
        memory.outbox.push(post);
        None
    }),
    // The eleventh of twelve webhooks arrives last.
    Mutant::breaks(&["webhook/presence-update/last-is-the-latest"])
        .webhook(|post, memory| if number(post, memory) == 11 { AfterTheNext } else { Forward }),
    Mutant::breaks(&["webhook/presence-update/arrives-in-order"])
        .webhook(|post, memory| if number(post, memory) == 5 { AfterTheNext } else { Forward }),
    // Loses the third event.
    Mutant::breaks(&["webhook/presence-update/none-is-lost"])
        .webhook(|post, memory| if number(post, memory) == 3 { Lose } else { Forward })
        .also(&["webhook/presence-update/reports-each-status"]),
    Mutant::breaks(&["webhook/presence-update/none-comes-twice"])
        .webhook(|post, _| if chat(post).is_some() { Twice } else { Forward }),
    // Sends only changes.
    Mutant::breaks(&["webhook/presence-update/repeated-state-is-sent-again"]).webhook(
        |post, memory| {
            let before = chat(post).and_then(|chat| memory.posts.get(&chat)?.last().cloned());
            let same = before.is_some_and(|it| it.json()["payload"] == post.json()["payload"]);
            if same { Lose } else { Forward }
        },
    ),
    // Sends the whole chat.
    Mutant::breaks(&["webhook/presence-update/payload-has-this-event-only"]).webhook(
        |post, memory| {
            let before = chat(post).and_then(|chat| memory.posts.get(&chat)?.last().cloned());
            let Some(before) = before else { return Forward };
            change(post, |event| {
                let known = before.json()["payload"]["presences"].as_array().cloned().unwrap();
                event["payload"]["presences"].as_array_mut().unwrap().extend(known);
            })
        },
    ),
    Mutant::breaks(&["webhook/events/only-those-asked-for"]).request(|call, _| {
        hooks(call, |hook| hook["events"] = json!(["*"]));
        None
    }),
    Mutant::breaks(&["webhook/events/star-means-all"]).request(|call, _| {
        hooks(call, |hook| {
            if hook["events"] == json!(["*"]) {
                hook["events"] = json!(["presence.update"]);
            }
        });
        None
    }),
    Mutant::breaks(&["webhook/session-status/is-sent"]).webhook(|post, _| {
        if post.json()["payload"]["status"] == "STOPPED" { Lose } else { Forward }
    }),
    Mutant::breaks(&["webhook/session-status/payload"]).webhook(|post, _| {
        if !is_status(post) {
            return Forward;
        }
        change(post, |event| event["payload"]["name"] = Value::Null)
    }),
    Mutant::breaks(&["webhook/envelope/has-todays-fields"])
        .webhook(|post, _| without(post, "timestamp")),
    Mutant::breaks(&["webhook/envelope/id-is-a-lower-case-ulid"]).webhook(|post, _| {
        change(post, |event| event["id"] = event["id"].as_str().unwrap().to_uppercase().into())
    }),
    Mutant::breaks(&["webhook/envelope/id-is-unique"])
        .webhook(|post, _| change(post, |event| event["id"] = "evt_1".into())),
    Mutant::breaks(&["webhook/envelope/timestamp-is-in-milliseconds"]).webhook(|post, _| {
        change(post, |event| {
            event["timestamp"] = (event["timestamp"].as_u64().unwrap() / 1000).into();
        })
    }),
    Mutant::breaks(&["webhook/envelope/me-is-the-account-or-null"])
        .webhook(|post, _| change(post, |event| event["me"] = json!({ "id": 1 }))),
    Mutant::breaks(&["webhook/envelope/me-is-the-sessions-account"])
        .webhook(|post, _| change(post, |event| event["me"] = Value::Null)),
    Mutant::breaks(&["webhook/envelope/environment-names-version-engine-tier"])
        .webhook(|post, _| change(post, |event| event["environment"]["tier"] = Value::Null)),
    Mutant::breaks(&["webhook/envelope/environment-browser-is-null-without-one"]).webhook(
        |post, _| {
            change(post, |event| {
                event["environment"].as_object_mut().unwrap().remove("browser");
            })
        },
    ),
    Mutant::breaks(&["webhook/envelope/metadata-comes-back"])
        .webhook(|post, _| without(post, "metadata")),
    Mutant::breaks(&["webhook/envelope/key-order"]).webhook(|post, _| {
        change(post, |event| {
            let id = event.as_object_mut().unwrap().shift_remove("id");
            event["id"] = id.unwrap_or_default();
        })
    }),
    Mutant::breaks(&["webhook/headers/content-type-is-json"]).webhook(|post, _| {
        post.headers.insert("content-type", "text/plain".parse().unwrap());
        Forward
    }),
    Mutant::breaks(&["webhook/headers/request-id"]).webhook(|post, _| {
        post.headers.remove("x-webhook-request-id");
        Forward
    }),
    Mutant::breaks(&["webhook/headers/timestamp-is-in-milliseconds"]).webhook(|post, _| {
        let ms = post.headers["x-webhook-timestamp"].to_str().unwrap();
        let seconds = ms[..ms.len() - 3].parse().unwrap();
        post.headers.insert("x-webhook-timestamp", seconds);
        Forward
    }),
    Mutant::breaks(&["webhook/headers/custom-headers"]).webhook(|post, _| {
        post.headers.remove("x-conformance");
        Forward
    }),
    Mutant::breaks(&["webhook/headers/user-agent"]).webhook(|post, _| {
        post.headers.remove("user-agent");
        Forward
    }),
    // Signs with the wrong key.
    Mutant::breaks(&["webhook/hmac/signs-the-raw-body"]).request(|call, _| {
        hooks(call, |hook| {
            if hook["hmac"].is_object() {
                hook["hmac"]["key"] = "another-key".into();
            }
        });
        None
    }),
    Mutant::breaks(&["webhook/hmac/names-sha512"]).webhook(|post, _| {
        post.headers.insert("x-webhook-hmac-algorithm", "sha256".parse().unwrap());
        Forward
    }),
    Mutant::breaks(&["webhook/hmac/absent-without-a-key"]).request(|call, _| {
        hooks(call, |hook| {
            if hook["hmac"].is_null() {
                hook["hmac"] = json!({ "key": "a-key-of-its-own" });
            }
        });
        None
    }),
    // Accepts any answer as a success.
    Mutant::breaks(&["webhook/retries/a-failure-is-tried-again"]).receipt(|_, reply, _| {
        reply.status = 200;
        None
    }),
    Mutant::breaks(&["webhook/retries/same-id-and-body"]).webhook(|post, memory| {
        let id = format!("id-{}", memory.count("post"));
        post.headers.insert("x-webhook-request-id", id.parse().unwrap());
        Forward
    }),
    Mutant::breaks(&["webhook/retries/constant"]).request(|call, _| {
        policy(call, "constant", "linear");
        None
    }),
    Mutant::breaks(&["webhook/retries/linear"]).request(|call, _| {
        policy(call, "linear", "constant");
        None
    }),
    Mutant::breaks(&["webhook/retries/exponential"]).request(|call, _| {
        policy(call, "exponential", "constant");
        None
    }),
    // Treats the first success as a failure.
    Mutant::breaks(&["webhook/retries/ends-after-success"]).receipt(|post, reply, memory| {
        let retried = memory.count(String::from_utf8_lossy(&post.body).into_owned()) == 2;
        if is_status(post) && retried {
            reply.status = 500;
        }
        None
    }),
    // Follows redirects.
    Mutant::breaks(&["webhook/retries/a-redirect-is-a-failure"]).receipt(|post, reply, _| {
        let url = reply.headers.get("location")?.to_str().unwrap().to_owned();
        Some(Post { url, ..post.clone() })
    }),
    Mutant::breaks(&["webhook/retries/retry-after-is-honoured"]).receipt(|_, reply, _| {
        reply.headers.remove("retry-after");
        None
    }),
    // Lets later events overtake one that failed.
    Mutant::breaks(&["webhook/retries/later-events-wait"])
        .webhook(|post, memory| {
            let stopped = is_status(post) && post.json()["payload"]["status"] == "STOPPED";
            if let Some(failed) = memory.failed.take().filter(|_| stopped) {
                memory.outbox.push(failed);
            }
            Forward
        })
        .receipt(|post, reply, memory| {
            if reply.status == 500 {
                memory.failed = Some(post.clone());
                reply.status = 200;
            }
            None
        }),
    Mutant::breaks(&["websocket/brings-presence-update"])
        .frame(|event| event["event"] != "presence.update"),
    Mutant::breaks(&["websocket/event-is-the-webhooks"]).frame(|event| {
        event.as_object_mut().unwrap().remove("engine");
        true
    }),
    Mutant::breaks(&["websocket/star-means-all"])
        .socket(|query| query.replace("events=*", "events=session.status")),
    Mutant::breaks(&["websocket/only-events-asked-for"])
        .socket(|query| query.replace("events=session.status", "events=*")),
    Mutant::breaks(&["websocket/only-the-session-asked-for"]).socket(|query| {
        let rest = query.split_once('&').map_or("", |(_, rest)| rest);
        format!("session=*&{rest}")
    }),
    Mutant::breaks(&["websocket/brings-session-status"])
        .frame(|event| event["event"] != "session.status"),
    // Reads only the first event.
    Mutant::breaks(&["websocket/events-by-comma"])
        .socket(|query| query.replace(",presence.update", "")),
    Mutant::breaks(&["websocket/wrong-key-is-refused"]).socket(|query| {
        format!("{}&x-api-key={}", query.replace("x-api-key", "key"), crate::ours::KEY)
    }),
    Mutant::breaks(&["websocket/unknown-session-closes-with-4001"]).close(1000),
];
