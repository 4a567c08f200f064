//! Set presence: WAHA's `POST /api/{session}/presence`.

use serde_json::{Value, json};

use crate::{
    Ability::Journal,
    Check, Context,
    Need::Driver,
    driver::Action,
    target::Answer,
    verdict::{Needed, Verdict, at_if, ensure},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::should("presence/set/online-and-offline-answer-201", online_and_offline)
            .requires("POST of {presence: offline} and of {presence: online} answers 201."),
        Check::should("presence/set/typing-in-a-chat-answers-201", typing_in_a_chat)
            .requires("POST of typing, recording and paused with a chatId answers 201."),
        Check::should("presence/set/typing-needs-a-chat", typing_needs_a_chat)
            .requires("POST of typing without a chatId answers 400."),
        Check::should("presence/set/online-refuses-a-chat", online_refuses_a_chat)
            .requires("POST of online with a chatId answers 400."),
        Check::should("presence/set/unknown-word-is-400", unknown_word)
            .requires("POST of a presence other than the five statuses answers 400."),
        Check::should("presence/set/missing-word-is-400", missing_word)
            .requires(
                "POST of an object without the field presence answers 400, or 422 as WAHA does.",
            )
            .differs("missing-presence"),
        Check::may("presence/set/refusal-has-a-detail", has_a_detail)
            .requires("The 400 for a missing or superfluous chatId has the field detail."),
        Check::should("presence/set/typing-reaches-whatsapp", typing_reaches)
            .requires("Typing in a chat is sent to WhatsApp as a chat state of that chat.")
            .needs(&[Driver(Journal)]),
        Check::should("presence/set/online-reaches-whatsapp", online_reaches)
            .requires("Going online is sent to WhatsApp as the presence available.")
            .needs(&[Driver(Journal)]),
    ]
}

async fn set(cx: &Context, body: Value) -> Verdict<Answer> {
    cx.target().post(cx.presence_path("")).json(&body).send(&cx.trace).await
}

async fn online_and_offline(cx: Context) -> Verdict {
    // Online comes last: a session is online when it connects.
    for word in ["offline", "online"] {
        set(&cx, json!({ "presence": word })).await?.is(201)?;
    }
    Ok(())
}

async fn typing_in_a_chat(cx: Context) -> Verdict {
    let chat = cx.stranger();
    for word in ["typing", "recording", "paused"] {
        set(&cx, json!({ "presence": word, "chatId": chat })).await?.is(201)?;
    }
    Ok(())
}

async fn typing_needs_a_chat(cx: Context) -> Verdict {
    for word in ["typing", "recording", "paused"] {
        set(&cx, json!({ "presence": word })).await?.is(400)?;
    }
    Ok(())
}

async fn online_refuses_a_chat(cx: Context) -> Verdict {
    let chat = cx.stranger();
    for word in ["online", "offline"] {
        set(&cx, json!({ "presence": word, "chatId": chat })).await?.is(400)?;
    }
    Ok(())
}

async fn unknown_word(cx: Context) -> Verdict {
    set(&cx, json!({ "presence": "daydreaming" })).await?.is(400)?;
    Ok(())
}

async fn missing_word(cx: Context) -> Verdict {
    set(&cx, json!({ "chatId": cx.stranger() })).await?.any_of(&[400, 422])?;
    Ok(())
}

async fn has_a_detail(cx: Context) -> Verdict {
    let bodies =
        [json!({ "presence": "typing" }), json!({ "presence": "online", "chatId": cx.stranger() })];
    for body in bodies {
        let answer = set(&cx, body).await?.is(400)?;
        let error = answer.json()?;
        answer.holds(at_if(&error, "/detail", "a string", Value::is_string))?;
    }
    Ok(())
}

async fn typing_reaches(cx: Context) -> Verdict {
    let chat = cx.stranger();
    set(&cx, json!({ "presence": "typing", "chatId": chat }))
        .await
        .and_then(Answer::succeeds)
        .needed("presence/set/typing-in-a-chat-answers-201")?;
    let jid = crate::driver::engine_id(&chat);
    let reached = sent(&cx, |node| {
        node["tag"] == "chatstate"
            && node["attrs"]["to"] == *jid
            && node["content"][0]["tag"] == "composing"
    });
    let reached = reached.await?;
    ensure(reached, format!("the chat state composing sent to {jid}"), || "none".to_owned())?;
    Ok(())
}

async fn online_reaches(cx: Context) -> Verdict {
    set(&cx, json!({ "presence": "online" }))
        .await
        .and_then(Answer::succeeds)
        .needed("presence/set/online-and-offline-answer-201")?;
    let available =
        |node: &Value| node["tag"] == "presence" && node["attrs"]["type"] == "available";
    let reached = sent(&cx, available).await?;
    ensure(reached, "a presence of type available", || "none".to_owned())?;
    Ok(())
}

async fn sent(cx: &Context, wanted: impl Fn(&Value) -> bool) -> Verdict<bool> {
    let sent = cx.act(Action::Sent).await?;
    Ok(sent["sent"].as_array().is_some_and(|nodes| nodes.iter().any(wanted)))
}
