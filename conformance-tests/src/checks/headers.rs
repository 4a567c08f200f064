//! The headers of a webhook.

use crate::{
    Check, Context,
    Need::SecondSession,
    context::CUSTOM_HEADER,
    receiver::Delivery,
    requirements,
    verdict::{Failure, Needed, Verdict, ensure},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::should("webhook/headers/content-type-is-json", content_type)
            .requires("A webhook's Content-Type is application/json.")
            .rests_on(&["webhook/example"])
            .needs(&[SecondSession]),
        Check::should("webhook/headers/request-id", request_id)
            .requires("X-Webhook-Request-Id is present and differs from event to event.")
            .needs(&[SecondSession]),
        Check::should("webhook/headers/timestamp-is-in-milliseconds", timestamp)
            .requires("X-Webhook-Timestamp is the current Unix time in milliseconds.")
            .needs(&[SecondSession]),
        Check::should("webhook/headers/custom-headers", custom)
            .requires("The configured customHeaders are sent.")
            .needs(&[SecondSession]),
        Check::may("webhook/headers/user-agent", user_agent)
            .requires("A webhook has a User-Agent.")
            .needs(&[SecondSession]),
    ]
}

/// Judges each webhook sent when a session starts and stops.
pub(super) async fn each(
    cx: &Context,
    judge: impl Fn(&Delivery) -> Result<(), Failure>,
) -> Verdict {
    let events = cx.status_events().await?;
    ensure(!events.is_empty(), "webhooks session.status", || "none".to_owned())
        .needed(requirements::SESSION_STATUS)?;
    for (place, delivery) in events.iter().enumerate() {
        judge(delivery).map_err(|failure| failure.at(place))?;
    }
    Ok(())
}

pub(super) fn header<'a>(delivery: &'a Delivery, name: &str) -> Result<&'a str, Failure> {
    delivery
        .header(name)
        .ok_or_else(|| Failure::new(format!("the header {name}"), "no such header"))
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
    ensure(own, "a distinct id per event", || {
        format!("{} for {} events", ids.len(), events.len())
    })?;
    Ok(())
}

async fn timestamp(cx: Context) -> Verdict {
    each(&cx, |delivery| {
        let found = header(delivery, "X-Webhook-Timestamp")?;
        let hour = 3_600_000;
        let around = delivery.at_ms - hour..delivery.at_ms + hour;
        let is_now = found.parse().is_ok_and(|ms: u64| around.contains(&ms));
        ensure(is_now, "the current Unix time in milliseconds", || found.to_owned())
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
