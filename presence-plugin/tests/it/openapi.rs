//! The plugin's part of the OpenAPI document.

use host_abi::Plugin;
use presence_plugin::PresencePlugin;
use serde_json::Value;

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
