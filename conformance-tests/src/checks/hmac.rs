//! The signature of a webhook: hexadecimal HMAC-SHA512 of the raw body.

use ::hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha512;

use super::headers::{each, header};
use crate::{
    Check, Context,
    Need::SecondSession,
    context::HMAC_KEY,
    verdict::{Verdict, ensure},
};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::should("webhook/hmac/signs-the-raw-body", signs_the_body).requires("X-Webhook-Hmac is the hexadecimal HMAC-SHA512 of the raw body under the configured key.")
        .needs(&[SecondSession]),
        Check::should("webhook/hmac/names-sha512", names_sha512).requires("X-Webhook-Hmac-Algorithm is sha512.")
        .needs(&[SecondSession]),
        Check::should("webhook/hmac/absent-without-a-key", absent_without_key).requires("Without a configured key there is no signature.")
        .needs(&[SecondSession]),
    ]
}

/// The hexadecimal HMAC-SHA512 of `body`.
fn signature(key: &str, body: &[u8]) -> String {
    // HMAC accepts keys of any length.
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(key.as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

async fn signs_the_body(cx: Context) -> Verdict {
    each(&cx, |delivery| {
        let found = header(delivery, "X-Webhook-Hmac")?;
        let wanted = signature(HMAC_KEY, &delivery.body);
        ensure(found == wanted, wanted, || found.to_owned())
    })
    .await
}

async fn names_sha512(cx: Context) -> Verdict {
    each(&cx, |delivery| {
        let found = header(delivery, "X-Webhook-Hmac-Algorithm")?;
        ensure(found == "sha512", "sha512", || found.to_owned())
    })
    .await
}

async fn absent_without_key(cx: Context) -> Verdict {
    let hook = cx.environment.receiver.hook();
    let webhook = json!({ "url": hook.url(), "events": ["session.status"] });
    cx.own_session(json!({ "webhooks": [webhook] }), true).await?;
    let delivery = cx.first_status(&hook).await?;
    let found = delivery.header("X-Webhook-Hmac");
    ensure(found.is_none(), "no X-Webhook-Hmac", || found.unwrap_or_default().to_owned())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn the_documented_example_has_the_documented_signature() {
        let body = br#"{"event":"message","session":"default","engine":"WEBJS"}"#;
        assert_eq!(
            signature("my-secret-key", body),
            "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"
        );
    }
}
