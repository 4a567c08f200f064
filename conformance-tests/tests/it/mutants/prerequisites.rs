//! Targets without what most checks need first: one fault is one failure, and the checks that cannot be
//! judged say because of which one.

use super::{
    Fate::{Forward, Lose},
    Mutant,
    look::{chat_of_get, chat_of_subscribe, is_all, is_set},
    proxy::{Call, Reply},
};

/// Refuses what our server accepts.
fn refuse(reply: &mut Reply) {
    if (200..300).contains(&reply.status) {
        *reply = Reply::new(422, r#"{"message":"not here"}"#);
    }
}

fn creates(call: &Call) -> bool {
    call.method == "POST" && call.path == "/api/sessions"
}

/// The answers and WebSockets of other editions of WAHA, which no check fails.
const OTHER_EDITIONS: Mutant = Mutant::breaks(&[])
    .also(&["websocket/only-the-session-asked-for"])
    .judged_by_all()
    .answer(|call, reply, memory| {
        let session = call.path.split('/').nth(2).unwrap_or_default();
        let unknown = is_all(call) && reply.status == 404 && !memory.sessions.contains(session);
        let missing = is_set(call) && reply.status == 400 && call.json().get("presence").is_none();
        if unknown || (missing && call.json().is_object()) {
            let body = r#"{"statusCode":422,"message":"no","error":"Unprocessable Entity"}"#;
            *reply = Reply::new(422, body);
        }
    })
    .socket(|query| {
        let (session, rest) = query.split_once('&').unwrap_or((query, ""));
        let session = if session == "session=*" { session } else { "session=not-offered" };
        format!("{session}&{rest}")
    });

pub(super) const MUTANTS: &[Mutant] = &[
    OTHER_EDITIONS,
    // Has no subscribe endpoint that works, as WAHA 2024.10; GET subscribes as well.
    Mutant::breaks(&["presence/subscribe/needs-no-body"]).judged_by_all().answer(
        |call, reply, _| {
            if chat_of_subscribe(call).is_some() {
                refuse(reply);
            }
        },
    ),
    // Has no GET of a chat either.
    Mutant::breaks(&[
        "presence/subscribe/needs-no-body",
        "presence/get-chat/answers-200-with-the-chat",
    ])
    .judged_by_all()
    .answer(|call, reply, _| {
        if chat_of_subscribe(call).or_else(|| chat_of_get(call)).is_some() {
            refuse(reply);
        }
    }),
    Mutant::breaks(&["presence/get-chat/answers-200-with-the-chat"]).judged_by_all().answer(
        |call, reply, _| {
            if chat_of_get(call).is_some() {
                refuse(reply);
            }
        },
    ),
    Mutant::breaks(&["presence/get-all/answers-200-with-an-array"]).judged_by_all().answer(
        |call, reply, _| {
            if is_all(call) {
                refuse(reply);
            }
        },
    ),
    // Fails to create sessions.
    Mutant::breaks(&["sessions/create/answers-201"])
        .judged_by_all()
        .request(|call, _| creates(call).then(|| Reply::new(500, r#"{"message":"out of order"}"#))),
    // Creates sessions without starting them.
    Mutant::breaks(&["sessions/create/reaches-working"])
        .also(&["sessions/create/starts-by-default"])
        .judged_by_all()
        .request(|call, _| {
            if creates(call) {
                let mut body = call.json();
                body["start"] = false.into();
                call.set_json(&body);
            }
            None
        }),
    // Sends no webhooks.
    Mutant::breaks(&["webhook/presence-update/is-sent", "webhook/session-status/is-sent"])
        .judged_by_all()
        .webhook(|_, _| Lose),
    // Sends no presence.update.
    Mutant::breaks(&["webhook/presence-update/is-sent"])
        .judged_by_all()
        .webhook(|post, _| if post.json()["event"] == "presence.update" { Lose } else { Forward }),
    // Sends nothing on WebSockets.
    Mutant::breaks(&["websocket/brings-presence-update", "websocket/brings-session-status"])
        .judged_by_all()
        .frame(|_| false),
];
