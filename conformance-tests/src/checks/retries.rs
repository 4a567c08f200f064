//! Retries of webhooks that were not answered with 2xx.

use std::time::Duration;

use serde_json::json;

use crate::{
    Check, Context,
    Need::SecondSession,
    receiver::{Delivery, Hook, Reply},
    requirements,
    verdict::{Needed, Verdict, ensure},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::should("webhook/retries/a-failure-is-tried-again", tried_again).requires("A webhook that is answered with 500 is sent again.")
        .needs(&[SecondSession]),
        Check::should("webhook/retries/same-id-and-body", same_id_and_body).requires("A retry has the same X-Webhook-Request-Id and the same body.")
        .needs(&[SecondSession]),
        Check::should("webhook/retries/constant", |cx| schedule(cx, "constant", [1, 1])).requires("With the policy constant, each retry comes delaySeconds after the previous attempt.")
        .needs(&[SecondSession]),
        Check::should("webhook/retries/linear", |cx| schedule(cx, "linear", [1, 2])).requires("With the policy linear, the second delay is twice delaySeconds.")
        .needs(&[SecondSession]),
        Check::should("webhook/retries/exponential", |cx| schedule(cx, "exponential", [1, 2])).requires("With the policy exponential, delays double, with up to 20 % jitter.")
        .needs(&[SecondSession]),
        Check::should("webhook/retries/ends-after-success", ends_after_success).requires("After a 200 the webhook is not sent again.")
        .needs(&[SecondSession]),
        Check::should("webhook/retries/a-redirect-is-a-failure", redirect).requires("A redirect is not followed, and counts as a failure.").differs("redirects")
        .needs(&[SecondSession]),
        Check::may("webhook/retries/retry-after-is-honoured", retry_after).requires("A Retry-After of two seconds delays the retry.").differs("retry-after")
        .needs(&[SecondSession]),
        Check::may("webhook/retries/later-events-wait", later_wait).requires("While a webhook is being retried, the session's next one does not overtake it.").differs("webhook-order")
        .needs(&[SecondSession]),
    ]
}

/// Starts a session whose webhook answers with these replies.
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
    // Creating a stopped session may send an event of its own; only the start's events count.
    own.session_must("start").await?;
    Ok((own, hook))
}

async fn tried_again(cx: Context) -> Verdict {
    let (cx, hook) = hook(&cx, "constant", [Reply::status(500)]).await?;
    let first = cx.first_status(&hook).await?;
    repeats(&cx, &hook, &first, 2).await?;
    Ok(())
}

/// Waits until the first webhook has arrived `count` times.
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
    })
    .needed(requirements::RETRY)?;
    Ok(found)
}

async fn same_id_and_body(cx: Context) -> Verdict {
    let (cx, hook) = hook(&cx, "constant", [Reply::status(503)]).await?;
    let both = cx.statuses(&hook, 2).await.needed(requirements::RETRY)?;
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
        // 20 % jitter, plus a busy machine's delay.
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
    // A further retry would come a second later.
    tokio::time::sleep(Duration::from_millis(1_200) + cx.settle()).await;
    let all = hook.deliveries(|delivery| delivery.body == first.body);
    ensure(all.len() == 2, "two requests with the webhook", || all.len().to_string())?;
    Ok(())
}

async fn redirect(cx: Context) -> Verdict {
    let elsewhere = cx.environment.receiver.hook();
    let reply = Reply { status: 302, header: Some(("location", elsewhere.url().to_owned())) };
    let (cx, hook) = hook(&cx, "constant", [reply]).await?;
    let first = cx.first_status(&hook).await?;
    repeats(&cx, &hook, &first, 2).await?;
    let followed = elsewhere.deliveries(|_| true).len();
    ensure(followed == 0, "no request to the redirect's address", || followed.to_string())?;
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
    cx.session_must("stop").await?;
    let stopped = |delivery: &Delivery| delivery.json()["payload"]["status"] == "STOPPED";
    hook.wait(1, cx.timeout() + Duration::from_secs(4), stopped).await;
    let all = hook.deliveries(|_| true);
    for delivery in &all {
        cx.trace.add(delivery.traced());
    }
    let retried = all.iter().skip(1).position(|delivery| delivery.body == first.body);
    ensure(retried == Some(0), "the retry before any later event", || match retried {
        Some(place) => format!("a retry after {place} later events"),
        None => "no retry".to_owned(),
    })?;
    Ok(())
}
