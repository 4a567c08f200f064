use std::time::Duration;

use serde_json::{Value, json};

use super::WebhookConfig;
use crate::webhook::{Retries, RetryPolicy};

fn full() -> Value {
    json!({
        "url": "https://example.com/hook?a=b",
        "events": ["presence.update", "session.status"],
        "hmac": {"key": "hush"},
        "retries": {"policy": "linear", "delaySeconds": 3, "attempts": 4},
        "customHeaders": [{"name": "X-Token", "value": "hush"}]
    })
}

fn error(change: impl FnOnce(&mut Value)) -> String {
    let mut value = full();
    change(&mut value);
    let list = json!([value]);
    WebhookConfig::list_from_json(&list, "config.webhooks").unwrap_err().to_string()
}

#[test]
fn a_webhook_in_wahas_shape_is_read_whole() {
    let webhook = WebhookConfig::from_json(&full(), "webhook").unwrap();
    assert_eq!(webhook.url(), "https://example.com/hook?a=b");
    assert!(webhook.wants("presence.update") && !webhook.wants("message"));
    assert_eq!(webhook.hmac().unwrap().key, "hush");
    let retries =
        Retries { policy: RetryPolicy::Linear, delay: Duration::from_secs(3), attempts: Some(4) };
    assert_eq!(webhook.retry(), retries);
    assert_eq!(webhook.custom_headers()[0].value, "hush");
}

#[test]
fn what_is_left_out_or_null_has_its_default() {
    let value = json!({"url": "http://localhost:1", "events": ["*"], "hmac": null,
        "retries": {"attempts": 2}, "customHeaders": null});
    let webhook = WebhookConfig::from_json(&value, "webhook").unwrap();
    assert!(webhook.wants("anything.at-all"));
    let retries = Retries { attempts: Some(2), ..Retries::default() };
    assert_eq!(webhook.retry(), retries);
}

#[test]
fn secrets_are_neither_shown_nor_taken_back_as_their_placeholder() {
    let webhook = WebhookConfig::from_json(&full(), "webhook").unwrap();
    let shown = serde_json::to_value(&webhook).unwrap();
    assert!(!shown.to_string().contains("hush") && !format!("{webhook:?}").contains("hush"));
    assert_eq!(
        WebhookConfig::from_json(&shown, "webhook").unwrap_err().to_string(),
        "webhook.hmac.key: is the placeholder that stands for a secret; give the secret itself"
    );
}

#[test]
fn an_error_names_its_field_and_what_would_be_right() {
    let errors = [
        error(|w| w["retries"]["policy"] = json!("cubic")),
        error(|w| w["retries"]["attempts"] = json!(2.5)),
        error(|w| w["retries"]["attempts"] = json!(-1)),
        error(|w| w["retries"]["delaySeconds"] = json!("soon")),
        error(|w| w["url"] = json!("ftp://example.com")),
        error(|w| w["url"] = json!("https://me:hush@example.com")),
        error(|w| w["url"] = json!("/hook")),
        error(|w| w["url"] = json!("http://localhost:99999/hook")),
        error(|w| w["url"] = json!("http://localhost:0/hook")),
        error(|w| w["url"] = json!("http://[::1]:/hook")),
        error(|w| w["events"] = json!("*")),
        error(|w| w["events"] = json!(["a b"])),
        error(|w| drop(w.as_object_mut().unwrap().remove("events"))),
        error(|w| w["hmac"]["key"] = json!(7)),
        error(|w| w["customHeaders"][0]["name"] = json!("Content-Type")),
        error(|w| w["customHeaders"][0]["name"] = json!("X-Webhook-Hmac")),
        error(|w| w["customHeaders"][0]["value"] = json!("hush\n")),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r#"
    config.webhooks[0].retries.policy: expected one of constant, linear, exponential, found "cubic"
    config.webhooks[0].retries.attempts: expected a whole number from 0 to 1000, found 2.5
    config.webhooks[0].retries.attempts: expected a whole number from 0 to 1000, found -1
    config.webhooks[0].retries.delaySeconds: expected a number from 0 to 86400, found "soon"
    config.webhooks[0].url: does not start with http:// or https://; expected an absolute URL such as https://example.com/webhook
    config.webhooks[0].url: has a user name in it; put credentials into customHeaders
    config.webhooks[0].url: does not start with http:// or https://; expected an absolute URL such as https://example.com/webhook
    config.webhooks[0].url: has no proper host and port; expected an absolute URL such as https://example.com/webhook
    config.webhooks[0].url: has no proper host and port; expected an absolute URL such as https://example.com/webhook
    config.webhooks[0].url: has no proper host and port; expected an absolute URL such as https://example.com/webhook
    config.webhooks[0].events: expected a list of events, or ["*"] for all, found a text
    config.webhooks[0].events[0]: "a b" is no name of an event; expected one such as session.status, or *
    config.webhooks[0].events: is missing; expected a list of events, or ["*"] for all
    config.webhooks[0].hmac.key: expected a text, found a number
    config.webhooks[0].customHeaders[0].name: Content-Type is set by the gateway itself; choose another header
    config.webhooks[0].customHeaders[0].name: X-Webhook-Hmac is set by the gateway itself; choose another header
    config.webhooks[0].customHeaders[0].value: has characters that no header may have
    "#);
}

#[test]
fn the_environment_gives_the_global_webhook() {
    let read = |pairs: &'static [(&str, &str)]| {
        WebhookConfig::from_env(move |name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        })
    };
    assert_eq!(read(&[]).unwrap(), []);
    let webhooks = read(&[
        ("WHATSAPP_HOOK_URL", "http://localhost:4000/hook"),
        ("WHATSAPP_HOOK_EVENTS", "presence.update, session.status"),
        ("WHATSAPP_HOOK_HMAC_KEY", "hush"),
        ("WHATSAPP_HOOK_RETRIES_POLICY", "exponential"),
        ("WHATSAPP_HOOK_RETRIES_DELAY_SECONDS", "5"),
        ("WHATSAPP_HOOK_RETRIES_ATTEMPTS", "6"),
        ("WHATSAPP_HOOK_CUSTOM_HEADERS", "X-A: one; X-B:http://two;"),
    ])
    .unwrap();
    let expected = json!({"url": "http://localhost:4000/hook",
        "events": ["presence.update", "session.status"], "hmac": {"key": "hush"},
        "retries": {"policy": "exponential", "delaySeconds": 5, "attempts": 6},
        "customHeaders": [{"name": "X-A", "value": "one"}, {"name": "X-B", "value": "http://two"}]});
    assert_eq!(webhooks, [WebhookConfig::from_json(&expected, "").unwrap()]);
    let error = read(&[
        ("WHATSAPP_HOOK_URL", "http://localhost:4000"),
        ("WHATSAPP_HOOK_RETRIES_ATTEMPTS", "many"),
    ]);
    assert_eq!(
        error.unwrap_err().to_string(),
        "WHATSAPP_HOOK_RETRIES_ATTEMPTS: expected a whole number from 0 to 1000, found \"many\""
    );
}

#[test]
fn what_one_session_may_configure_is_bounded() {
    let hook = json!({ "url": "http://localhost:1", "events": ["*"] });
    let headers: Vec<Value> =
        (0..65).map(|n| json!({ "name": format!("x-{n}"), "value": "1" })).collect();
    let mut with_headers = hook.clone();
    with_headers["customHeaders"] = json!(headers);
    let mut with_key = hook.clone();
    with_key["hmac"] = json!({ "key": "x".repeat(8_193) });
    let error = |webhooks: Value| {
        WebhookConfig::list_from_json(&webhooks, "config.webhooks").unwrap_err().to_string()
    };
    insta::assert_snapshot!(
        [error(json!(vec![hook; 33])), error(json!([with_headers])), error(json!([with_key]))].join("\n"),
        @"
    config.webhooks: expected up to 32 webhooks, found 33
    config.webhooks[0].customHeaders: expected up to 64 headers, found 65
    config.webhooks[0].hmac.key: expected up to 8192 bytes, found 8193
    "
    );
}

#[test]
fn retries_and_keys_are_read_as_wahas_validators_read_them() {
    let read = |part: Value| {
        let mut value = full();
        value.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        WebhookConfig::from_json(&value, "webhook").unwrap()
    };
    for key in [json!({"key": ""}), json!({"key": null}), json!({})] {
        assert_eq!(read(json!({"hmac": key})).hmac(), None);
    }
    let attempts = |n: Value| read(json!({"retries": {"attempts": n}})).bounded_attempts();
    assert_eq!([0, 1, 3].map(|n| attempts(json!(n))), [Some(1), Some(1), Some(3)]);
    assert_eq!([json!("3"), json!(3.0), Value::Null].map(attempts), [Some(3), Some(3), None]);
    for (given, shown) in [(json!(0.5), json!(0.5)), (json!("2"), json!(2)), (json!(3.0), json!(3))]
    {
        let webhook = read(json!({"retries": {"delaySeconds": given}}));
        let expected = json!({"policy": "constant", "delaySeconds": shown});
        assert_eq!(serde_json::to_value(&webhook).unwrap()["retries"], expected);
    }
}
