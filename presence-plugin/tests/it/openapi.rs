//! The plugin's part of the OpenAPI document.

use host_abi::{Plugin, Request};
use presence_plugin::{PresencePlugin, jid::Jid};
use serde_json::Value;

use crate::desk::{Desk, SESSION, SET};

fn fragment() -> Value {
    serde_json::from_str(PresencePlugin::MANIFEST.openapi).unwrap()
}

#[test]
fn it_describes_the_manifests_routes_and_no_others() {
    let fragment = fragment();
    let described = fragment["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    let mut described: Vec<_> = described.collect();
    let routes = PresencePlugin::MANIFEST.routes.iter();
    let mut routes: Vec<_> =
        routes.map(|route| (route.method().to_owned(), route.path().to_owned())).collect();
    described.sort();
    routes.sort();
    assert_eq!(described, routes);
}

#[test]
fn every_reference_leads_somewhere() {
    let fragment = fragment();
    let mut references = Vec::new();
    collect(&fragment, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(fragment.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[test]
fn last_seen_is_required_and_may_be_null() {
    let data = &fragment()["components"]["schemas"]["WAHAPresenceData"];
    assert!(data["required"].as_array().unwrap().contains(&"lastSeen".into()));
    assert_eq!(data["properties"]["lastSeen"]["type"], serde_json::json!(["integer", "null"]));
}

fn chat_id_is_described(id: &str) -> bool {
    let schema = &fragment()["components"]["schemas"]["WAHAPresenceChatId"];
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.is_valid(&id.into())
}

#[test]
fn the_schema_of_a_chat_id_takes_exactly_what_is_read() {
    let group = "1".repeat(64);
    let ids = [
        "777",
        "777@c.us",
        "777:4@s.whatsapp.net",
        "777:123456@c.us",
        "777:4",
        "1:2@lid",
        "1-2@g.us",
        "1-2-3@g.us",
        "1:2@g.us",
        "1-2@c.us",
        "123456789012345678901@c.us",
        "12345678901234567890",
        "777@c.us\n",
        "status@broadcast",
        "777@C.US",
        "७७७@c.us",
        "",
        &format!("{group}@g.us"),
        &format!("1{group}@g.us"),
    ];
    for id in ids {
        assert_eq!(chat_id_is_described(id), Jid::parse(id).is_ok(), "{id}");
    }
}

#[test]
fn the_schema_of_a_set_presence_takes_exactly_what_is_set() {
    let mut fragment = fragment();
    let mut schema = fragment["components"]["schemas"]["WAHASessionPresence"].take();
    schema["components"] = fragment["components"].take();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let words = ["offline", "online", "typing", "recording", "paused", "composing"];
    for presence in words {
        for chat in
            ["", r#","chatId":null"#, r#","chatId":"""#, r#","chatId":"777""#, r#","chatId":"x""#]
        {
            let body = format!(r#"{{"presence":"{presence}"{chat}}}"#);
            let request = Request::new(SET, SESSION).with_body(body.clone());
            let is_set = Desk::new().try_call(request).is_ok_and(|answer| answer.status() == 201);
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(validator.is_valid(&body), is_set, "{body}");
        }
    }
}
