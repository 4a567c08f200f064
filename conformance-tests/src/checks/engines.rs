//! Engines: only NOWEB has presence.

use crate::{
    Check, Context,
    Need::OtherEngine,
    requirements,
    target::Answer,
    verdict::{Failure, Halt, Needed, Verdict, ensure},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::must("engines/noweb-offers-presence", noweb_offers)
            .requires("The session under test, on NOWEB, has all three endpoints.")
            .rests_on(&["intro/noweb-only", "intro/if-shared"]),
        Check::must("engines/others-do-not", others_do_not)
            .requires("On a session of another engine, no presence endpoint succeeds.")
            .rests_on(&["intro/noweb-only"])
            .needs(&[OtherEngine]),
        Check::should("engines/others-answer-422", others_answer_422)
            .requires("On a session of another engine, the presence endpoints answer 422.")
            .differs("noweb-only")
            .needs(&[OtherEngine]),
        Check::may("engines/refusal-says-why", says_why)
            .requires("That answer says that the engine does not implement presence.")
            .needs(&[OtherEngine]),
    ]
}

async fn noweb_offers(cx: Context) -> Verdict {
    let contact = cx.stranger();
    cx.subscribe(&contact).await.needed(requirements::SUBSCRIBE)?;
    cx.get_chat(&contact).await.and_then(|it| it.is(200)).needed(requirements::GET_CHAT)?;
    cx.get_all().await.and_then(|it| it.is(200)).needed(requirements::GET_ALL)?;
    Ok(())
}

/// The answers of the three endpoints on the session with the other engine.
async fn answers(cx: &Context) -> Verdict<[Answer; 3]> {
    let Some(session) = cx.environment.settings.other_engine_session.clone() else {
        return Err(Halt::Skipped("there is no session on another engine".to_owned()));
    };
    let (other, contact) = (cx.on(session), cx.stranger());
    Ok([
        other.get_all().await?,
        other.get_chat(&contact).await?,
        other.post_subscribe(&contact).await?,
    ])
}

async fn others_do_not(cx: Context) -> Verdict {
    for answer in answers(&cx).await? {
        let refused = !answer.status.is_success();
        answer.holds(ensure(refused, "an error", || answer.status.to_string()))?;
    }
    Ok(())
}

async fn others_answer_422(cx: Context) -> Verdict {
    for answer in answers(&cx).await? {
        answer.is(422)?;
    }
    Ok(())
}

async fn says_why(cx: Context) -> Verdict {
    for answer in answers(&cx).await? {
        let text = answer.text().to_lowercase();
        let says = text.contains("implement") || text.contains("not available");
        answer.holds(if says && text.contains("engine") {
            Ok(())
        } else {
            Err(Failure::new(
                "a message that says that the engine does not implement it",
                answer.text(),
            ))
        })?;
    }
    Ok(())
}
