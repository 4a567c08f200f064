//! Retries of a webhook that was not answered with 2xx.

use std::time::Duration;

use serde_json::json;

use crate::{
    Check, Context,
    Need::SecondSession,
    receiver::{Delivery, Hook, Reply},
    verdict::{Verdict, ensure},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::should(
            "webhook/retries/a-failure-is-tried-again",
            "A webhook that is answered with 500 comes again.",
            |cx| Box::pin(tried_again(cx)),
        )
        .needs(&[SecondSession]),
        Check::should(
            "webhook/retries/same-id-and-body",
            "A retry has the same X-Webhook-Request-Id and the same body.",
            |cx| Box::pin(same_id_and_body(cx)),
        )
        .needs(&[SecondSession]),
        Check::should(
            "webhook/retries/constant",
            "With the policy constant each retry comes delaySeconds after the attempt before.",
            |cx| Box::pin(async move { schedule(cx, "constant", [1, 1]).await }),
        )
        .needs(&[SecondSession]),
        Check::should(
            "webhook/retries/linear",
            "With the policy linear the second delay is twice delaySeconds.",
            |cx| Box::pin(async move { schedule(cx, "linear", [1, 2]).await }),
        )
        .needs(&[SecondSession]),
        Check::should(
            "webhook/retries/exponential",
            "With the policy exponential delays double, but for up to 20 % of chance.",
            |cx| Box::pin(async move { schedule(cx, "exponential", [1, 2]).await }),
        )
        .needs(&[SecondSession]),
        Check::should(
            "webhook/retries/ends-after-success",
            "After 200 the same webhook does not come again.",
            |cx| Box::pin(ends_after_success(cx)),
        )
        .needs(&[SecondSession]),
        Check::should(
            "webhook/retries/a-redirect-is-no-success",
            "A redirect is not followed and counts as a failure.",
            |cx| Box::pin(redirect(cx)),
        )
        .needs(&[SecondSession]),
        Check::may(
            "webhook/retries/retry-after-is-honoured",
            "A Retry-After of two seconds puts off the retry.",
            |cx| Box::pin(retry_after(cx)),
        )
        .needs(&[SecondSession]),
        Check::may(
            "webhook/retries/later-events-wait",
            "While a webhook is being retried, the session's next one does not overtake it.",
            |cx| Box::pin(later_wait(cx)),
        )
        .needs(&[SecondSession]),
    ]
}

/// A session whose start is told to a hook that answers as given.
async fn hook(
    cx: &Context,
    policy: &str,
    replies: impl IntoIterator<Item = Reply>,
) -> Verdict<(Context, Hook)> {
    let hook = cx.environment.receiver.hook();
    hook.replies(replies);
    let webhook = json!({
        "url": hook.url(),
        "events": ["session.status"],
        "retries": { "policy": policy, "delaySeconds": 1, "attempts": 4 },
    });
    let own = cx.own_session(json!({ "webhooks": [webhook] }), false).await?;
    // A session that was made STOPPED may say so; what counts is what comes of its start.
    own.session_does("start").await?.succeeds()?;
    Ok((own, hook))
}

async fn tried_again(cx: Context) -> Verdict {
    let (cx, hook) = hook(&cx, "constant", [Reply::status(500)]).await?;
    let first = cx.first_status(&hook).await?;
    repeats(&cx, &hook, &first, 2).await?;
    Ok(())
}

/// Waits for the first webhook to have come so many times.
async fn repeats(
    cx: &Context,
    hook: &Hook,
    first: &Delivery,
    count: usize,
) -> Verdict<Vec<Delivery>> {
    let id = first.json()["id"].clone();
    let limit = cx.timeout() + Duration::from_secs(4);
    let same = |delivery: &Delivery| delivery.json()["id"] == id || delivery.body == first.body;
    let found = hook.wait(count, limit, same).await;
    for delivery in &found {
        cx.trace.add(delivery.traced());
    }
    ensure(found.len() >= count, format!("the same webhook {count} times"), || {
        format!("{} times", found.len())
    })?;
    Ok(found)
}

async fn same_id_and_body(cx: Context) -> Verdict {
    let (cx, hook) = hook(&cx, "constant", [Reply::status(503)]).await?;
    let both = cx.statuses(&hook, 2).await?;
    let id = |delivery: &Delivery| delivery.header("X-Webhook-Request-Id").map(str::to_owned);
    ensure(id(&both[0]).is_some() && id(&both[0]) == id(&both[1]), "the same request id", || {
        format!("{:?} and {:?}", id(&both[0]), id(&both[1]))
    })?;
    ensure(both[0].body == both[1].body, "the same body", || {
        String::from_utf8_lossy(&both[1].body).into_owned()
    })?;
    Ok(())
}

async fn schedule(cx: Context, policy: &str, delays: [u64; 2]) -> Verdict {
    let (cx, hook) = hook(&cx, policy, [Reply::status(500), Reply::status(500)]).await?;
    let first = cx.first_status(&hook).await?;
    let attempts = repeats(&cx, &hook, &first, 3).await?;
    for (place, seconds) in delays.into_iter().enumerate() {
        let waited = attempts[place + 1].at - attempts[place].at;
        let wanted = Duration::from_secs(seconds);
        // A fifth of chance, and what a busy machine adds.
        let fits = waited >= wanted.mul_f64(0.75)
            && waited <= wanted.mul_f64(1.25) + Duration::from_millis(600);
        ensure(fits, format!("retry {} after {seconds} s", place + 1), || {
            format!("{:.2} s", waited.as_secs_f64())
        })?;
    }
    Ok(())
}

async fn ends_after_success(cx: Context) -> Verdict {
    let (cx, hook) = hook(&cx, "constant", [Reply::status(500)]).await?;
    let first = cx.first_status(&hook).await?;
    repeats(&cx, &hook, &first, 2).await?;
    // Another retry would come a second later.
    tokio::time::sleep(Duration::from_millis(1_200) + cx.settle()).await;
    let all = hook.deliveries(|delivery| delivery.body == first.body);
    ensure(all.len() == 2, "the webhook twice", || format!("{} times", all.len()))?;
    Ok(())
}

async fn redirect(cx: Context) -> Verdict {
    let elsewhere = cx.environment.receiver.hook();
    let reply = Reply { status: 302, header: Some(("location", elsewhere.url().to_owned())) };
    let (cx, hook) = hook(&cx, "constant", [reply]).await?;
    let first = cx.first_status(&hook).await?;
    repeats(&cx, &hook, &first, 2).await?;
    let followed = elsewhere.deliveries(|_| true).len();
    ensure(followed == 0, "no request at the redirect's address", || followed.to_string())?;
    Ok(())
}

async fn retry_after(cx: Context) -> Verdict {
    let reply = Reply { status: 503, header: Some(("retry-after", "2".to_owned())) };
    let (cx, hook) = hook(&cx, "constant", [reply]).await?;
    let first = cx.first_status(&hook).await?;
    let both = repeats(&cx, &hook, &first, 2).await?;
    let waited = both[1].at - both[0].at;
    ensure(waited >= Duration::from_millis(1_900), "a retry after 2 s", || {
        format!("{:.2} s", waited.as_secs_f64())
    })?;
    Ok(())
}

async fn later_wait(cx: Context) -> Verdict {
    let (cx, hook) = hook(&cx, "constant", [Reply::status(500)]).await?;
    let first = cx.first_status(&hook).await?;
    cx.session_does("stop").await?.succeeds()?;
    let stopped = |delivery: &Delivery| delivery.json()["payload"]["status"] == "STOPPED";
    hook.wait(1, cx.timeout() + Duration::from_secs(4), stopped).await;
    let all = hook.deliveries(|_| true);
    for delivery in &all {
        cx.trace.add(delivery.traced());
    }
    let retried = all.iter().skip(1).position(|delivery| delivery.body == first.body);
    ensure(retried == Some(0), "the retry before any later event", || match retried {
        Some(place) => format!("after {place} later ones"),
        None => "no retry".to_owned(),
    })?;
    Ok(())
}
