//! The headers of a webhook.

use crate::{
    Check, Context,
    Need::SecondSession,
    context::CUSTOM_HEADER,
    receiver::Delivery,
    verdict::{Failure, Verdict, ensure},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::should(
            "webhook/headers/content-type-is-json",
            "A webhook's Content-Type is application/json.",
            |cx| Box::pin(content_type(cx)),
        )
        .rests_on(&["webhook/example"])
        .needs(&[SecondSession]),
        Check::should(
            "webhook/headers/request-id",
            "X-Webhook-Request-Id is there, and another one for another event.",
            |cx| Box::pin(request_id(cx)),
        )
        .needs(&[SecondSession]),
        Check::should(
            "webhook/headers/timestamp-is-in-milliseconds",
            "X-Webhook-Timestamp is the Unix time in milliseconds, of about now.",
            |cx| Box::pin(timestamp(cx)),
        )
        .needs(&[SecondSession]),
        Check::should(
            "webhook/headers/custom-headers",
            "Headers that the configuration asks for are sent.",
            |cx| Box::pin(custom(cx)),
        )
        .needs(&[SecondSession]),
        Check::may("webhook/headers/user-agent", "A webhook has a User-Agent.", |cx| {
            Box::pin(user_agent(cx))
        })
        .needs(&[SecondSession]),
    ]
}

/// Judges each webhook of a session's start and stop.
pub(super) async fn each(
    cx: &Context,
    judge: impl Fn(&Delivery) -> Result<(), Failure>,
) -> Verdict {
    let events = cx.status_events().await?;
    ensure(!events.is_empty(), "webhooks session.status", || "none".to_owned())?;
    for (place, delivery) in events.iter().enumerate() {
        judge(delivery).map_err(|failure| failure.at(place))?;
    }
    Ok(())
}

pub(super) fn header<'a>(delivery: &'a Delivery, name: &str) -> Result<&'a str, Failure> {
    delivery.header(name).ok_or_else(|| Failure::new(format!("the header {name}"), "none"))
}

async fn content_type(cx: Context) -> Verdict {
    each(&cx, |delivery| {
        let found = header(delivery, "Content-Type")?;
        ensure(found.starts_with("application/json"), "application/json", || found.to_owned())
    })
    .await
}

async fn request_id(cx: Context) -> Verdict {
    let events = cx.status_events().await?;
    let mut ids = Vec::new();
    for delivery in &events {
        ids.push(header(delivery, "X-Webhook-Request-Id")?);
    }
    ids.sort_unstable();
    ids.dedup();
    let own = events.len() >= 2 && ids.len() == events.len();
    ensure(own, "an id for each event", || format!("{} for {} events", ids.len(), events.len()))?;
    Ok(())
}

async fn timestamp(cx: Context) -> Verdict {
    each(&cx, |delivery| {
        let found = header(delivery, "X-Webhook-Timestamp")?;
        let hour = 3_600_000;
        let around = delivery.at_ms - hour..delivery.at_ms + hour;
        let is_now = found.parse().is_ok_and(|ms: u64| around.contains(&ms));
        ensure(is_now, "Unix milliseconds of about now", || found.to_owned())
    })
    .await
}

async fn custom(cx: Context) -> Verdict {
    each(&cx, |delivery| {
        let (name, value) = CUSTOM_HEADER;
        let found = header(delivery, name)?;
        ensure(found == value, format!("{name}: {value}"), || found.to_owned())
    })
    .await
}

async fn user_agent(cx: Context) -> Verdict {
    each(&cx, |delivery| header(delivery, "User-Agent").map(|_| ())).await
}
