//! Targets whose sessions API or errors are wrong.

use http::HeaderValue;
use serde_json::{Value, json};

use super::{
    Mutant,
    look::{change_json, chat_of_get, is_all, is_set, session_of},
    proxy::{Call, Reply},
};

fn is_list(call: &Call) -> bool {
    call.method == "GET" && call.path == "/api/sessions"
}

fn is_create(call: &Call) -> bool {
    call.method == "POST" && call.path == "/api/sessions"
}

/// Whether the call is GET of one session, not of its account.
fn is_get(call: &Call) -> bool {
    call.method == "GET" && session_of(call).is_some() && call.path.split('/').count() == 4
}

/// Whether the call is POST …/start, …/stop and so on.
fn does(call: &Call, what: &str) -> bool {
    call.method == "POST" && session_of(call).is_some() && call.path.ends_with(what)
}

fn instead(reply: &mut Reply, from: u16, to: u16) {
    if reply.status == from {
        reply.status = to;
    }
}

fn key() -> HeaderValue {
    HeaderValue::from_static(crate::ours::KEY)
}

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::breaks(&["sessions/list/has-the-session"]).answer(|call, reply, _| {
        if is_list(call) {
            change_json(reply, |list| {
                list.as_array_mut().unwrap().retain(|it| it["engine"]["engine"] != "NOWEB");
            });
        }
    }),
    Mutant::breaks(&["sessions/get/has-name-and-status"]).answer(|call, reply, _| {
        if is_get(call) && reply.status == 200 {
            change_json(reply, |session| session["name"] = Value::Null);
        }
    }),
    Mutant::breaks(&["sessions/get/unknown-is-404"]).answer(|call, reply, _| {
        if is_get(call) {
            instead(reply, 404, 500);
        }
    }),
    Mutant::breaks(&["sessions/create/answers-201"]).answer(|call, reply, _| {
        if is_create(call) {
            instead(reply, 201, 200);
        }
    }),
    // Does not start sessions by default.
    Mutant::breaks(&["sessions/create/starts-by-default"]).request(|call, _| {
        if is_create(call) && call.json().get("start").is_none() {
            let mut body = call.json();
            body["start"] = false.into();
            call.set_json(&body);
        }
        None
    }),
    Mutant::breaks(&["sessions/create/twice-is-an-error"]).answer(|call, reply, memory| {
        if is_create(call)
            && call.json()["name"].as_str().is_some_and(|it| memory.sessions.contains(it))
        {
            reply.status = 201;
        }
    }),
    Mutant::breaks(&["sessions/start-and-stop"]).answer(|call, reply, _| {
        if does(call, "/start") {
            instead(reply, 201, 200);
        }
    }),
    Mutant::breaks(&["sessions/restart-and-logout"]).answer(|call, reply, _| {
        if does(call, "/logout") {
            instead(reply, 201, 404);
        }
    }),
    // Answers 200 and changes nothing.
    Mutant::breaks(&["sessions/put/changes-the-configuration"]).request(|call, _| {
        (call.method == "PUT" && session_of(call).is_some()).then(|| Reply::new(200, "{}"))
    }),
    Mutant::breaks(&["sessions/delete/then-404"]).answer(|call, reply, _| {
        if call.method == "DELETE" && session_of(call).is_some() {
            instead(reply, 200, 204);
        }
    }),
    Mutant::breaks(&["sessions/me/is-the-account-or-null"]).answer(|call, reply, _| {
        if call.path.ends_with("/me") {
            change_json(reply, |me| *me = json!({ "number": 1 }));
        }
    }),
    Mutant::breaks(&["sessions/create/bad-configuration-names-the-field"]).answer(
        |call, reply, _| {
            if is_create(call) && reply.status == 400 {
                reply.body = br#"{"message":"bad configuration"}"#.to_vec();
            }
        },
    ),
    // Reveals the key of the last configured webhook.
    Mutant::breaks(&["sessions/get/hides-secrets"]).answer(|call, reply, memory| {
        if is_create(call) {
            let key = call.json().pointer("/config/webhooks/0/hmac/key").cloned();
            if let Some(key) = key.and_then(|key| key.as_str().map(str::to_owned)) {
                memory.notes.insert("key".to_owned(), key);
            }
        }
        if let Some(key) = memory.notes.get("key").filter(|_| is_get(call)) {
            let key = key.clone();
            change_json(reply, |session| session["key"] = key.into());
        }
    }),
    Mutant::breaks(&["errors/ping-answers-pong"]).answer(|call, reply, _| {
        if call.path == "/ping" {
            reply.body = br#"{"message":"ping"}"#.to_vec();
        }
    }),
    Mutant::breaks(&["errors/unknown-session-is-404"]).answer(|call, reply, _| {
        if is_all(call) {
            instead(reply, 404, 500);
        }
    }),
    Mutant::breaks(&["errors/unknown-path-is-404"]).answer(|call, reply, _| {
        if call.path.ends_with("/nothing") {
            reply.status = 200;
        }
    }),
    Mutant::breaks(&["errors/no-key-is-401"]).request(|call, _| {
        if !call.headers.contains_key("x-api-key") {
            call.headers.insert("x-api-key", key());
        }
        None
    }),
    // Accepts any key.
    Mutant::breaks(&["errors/wrong-key-is-401"]).request(|call, _| {
        if call.headers.contains_key("x-api-key") {
            call.headers.insert("x-api-key", key());
        }
        None
    }),
    Mutant::breaks(&["errors/unauthorized-has-wahas-body"]).answer(|_, reply, _| {
        if reply.status == 401 {
            reply.body = br#"{"error":"Unauthorized"}"#.to_vec();
        }
    }),
    Mutant::breaks(&["errors/malformed-json-is-400"]).answer(|call, reply, _| {
        if is_set(call) && call.json().is_null() {
            reply.status = 500;
        }
    }),
    Mutant::breaks(&["errors/wrong-method-is-405"]).answer(|_, reply, _| {
        instead(reply, 405, 404);
    }),
    Mutant::breaks(&["errors/large-body-is-413"]).answer(|_, reply, _| instead(reply, 413, 500)),
    // Accepts an invalid chat id, as WAHA does.
    Mutant::breaks(&["errors/garbage-chat-id-is-400"]).answer(|call, reply, _| {
        if chat_of_get(call).is_some() && reply.status == 400 {
            *reply = Reply::new(200, r#"{"id":"garbage","presences":[]}"#);
        }
    }),
    Mutant::breaks(&["errors/have-status-message-and-error"]).answer(|_, reply, _| {
        if reply.status == 404 {
            change_json(reply, |error| {
                error.as_object_mut().unwrap().remove("statusCode");
            });
        }
    }),
    // A stopped session still answers.
    Mutant::breaks(&["errors/stopped-session-is-404"]).answer(|call, reply, memory| {
        let session = call.path.split('/').nth(2).unwrap_or_default();
        if is_all(call) && memory.sessions.contains(session) && reply.status == 404 {
            *reply = Reply::new(200, "[]");
        }
    }),
    Mutant::breaks(&["errors/session-not-working-is-422"]).answer(|call, reply, _| {
        if is_all(call) {
            instead(reply, 422, 503);
        }
    }),
];
