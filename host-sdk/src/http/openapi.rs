//! The OpenAPI document: the gateway's own paths, what the manifests of the plugins add, and what the
//! gateway's author does. A page to read it with is served from this program; nothing is fetched.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};
use utoipa_swagger_ui::{SwaggerUi, Url};

use super::{
    docs::{self, Docs},
    error::HttpError,
};
use crate::{parts::Parts, plugins::loader::PluginInfo};

/// Where the document is.
const DOCUMENT: &str = "/openapi.json";

/// The answers when a session does not exist, or does not work.
const GATE: [(&str, &str); 2] = [
    ("404", "The session does not exist, or is stopped."),
    ("422", "The session does not work, or its engine does not support this."),
];

/// The answer without the key, where one is required.
const NO_KEY: (&str, &str) =
    ("401", "The server requires an API key, and the request does not carry it.");

/// The answers to a body that arrives too slowly, or is too large.
const BAD_BODY: [(&str, &str); 3] = [
    ("408", "The body did not arrive within 30 s."),
    ("413", "The body is over 1 MiB, once inflated."),
    ("415", "The content type, charset or content encoding is not supported."),
];

/// The document at `/openapi.json`, and at `/-json` as in WAHA, and its page at `/docs`.
pub(super) fn routes(parts: &Parts, own: &Value, docs: &Docs) -> Router {
    if *docs == Docs::Off {
        return Router::new();
    }
    let plugins = parts.plugins.iter().map(|plugin| plugin.info());
    let document = compose(parts.sessions.version(), plugins, own);
    let same = Arc::new(document.clone());
    let page = SwaggerUi::new("/docs").external_url_unchecked(Url::from(DOCUMENT), document);
    // A file that the page does not have is answered without a body.
    let in_words = |answer: Response| async {
        if answer.status() == StatusCode::NOT_FOUND {
            return HttpError::not_found("the documentation has no such file").into_response();
        }
        answer
    };
    let router = Router::from(page)
        .route("/-json", get(async move || Json(&*same).into_response()))
        .layer(middleware::map_response(in_words));
    match docs {
        Docs::Locked { user, password } => {
            let lock = docs::lock(user, password);
            router.layer(middleware::from_fn_with_state(lock, docs::require))
        }
        Docs::Open | Docs::Off => router,
    }
}

/// The whole document. A plugin's part that is not a JSON object is left out, and logged.
fn compose<'a>(version: &str, plugins: impl Iterator<Item = &'a PluginInfo>, own: &Value) -> Value {
    let mut document: Value =
        serde_json::from_str(include_str!("openapi.json")).unwrap_or_default();
    document["info"]["version"] = version.into();
    for plugin in plugins.filter(|plugin| !plugin.openapi.is_empty()) {
        let mut part: Value = match serde_json::from_str(&plugin.openapi) {
            Ok(part) => part,
            Err(error) => {
                tracing::warn!(plugin = plugin.name, %error, "its OpenAPI part is not valid JSON");
                continue;
            }
        };
        add_gate(&mut part);
        add_part(&mut document, &part);
    }
    add_part(&mut document, own);
    add_refusals(&mut document);
    document
}

fn add_part(document: &mut Value, part: &Value) {
    merge(&mut document["paths"], part.get("paths"), merge_methods);
    let schemas = part.pointer("/components/schemas");
    merge(&mut document["components"]["schemas"], schemas, |_, _| {});
}

/// Adds what the gateway answers before a plugin is called: a session in the path must exist and work.
fn add_gate(part: &mut Value) {
    for_each_operation(part, |path, operation| {
        if path.contains("{session}") {
            GATE.into_iter().for_each(|answer| add_answer(operation, answer));
        }
    });
}

/// Adds the answers that precede any handler.
fn add_refusals(document: &mut Value) {
    for_each_operation(document, |_, operation| {
        let is_open =
            operation.get("security").and_then(Value::as_array).is_some_and(Vec::is_empty);
        if !is_open {
            add_answer(operation, NO_KEY);
        }
        if operation.contains_key("requestBody") {
            BAD_BODY.into_iter().for_each(|answer| add_answer(operation, answer));
        }
    });
}

fn for_each_operation(part: &mut Value, change: impl Fn(&str, &mut Map<String, Value>)) {
    let paths = part.get_mut("paths").and_then(Value::as_object_mut);
    for (path, methods) in paths.into_iter().flatten() {
        // Beside the methods stand parameters, in a list.
        let operations = methods.as_object_mut().into_iter().flatten();
        for operation in operations.filter_map(|(_, operation)| operation.as_object_mut()) {
            change(path, operation);
        }
    }
}

fn add_answer(operation: &mut Map<String, Value>, (status, description): (&str, &str)) {
    if let Some(answers) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        answers.entry(status).or_insert_with(|| json!({ "description": description }));
    }
}

/// Adds the entries of `part`; `both` decides about those that are there already.
fn merge(into: &mut Value, part: Option<&Value>, both: impl Fn(&mut Value, &Value)) {
    let (Some(into), Some(part)) = (into.as_object_mut(), part.and_then(Value::as_object)) else {
        return;
    };
    for (name, value) in part {
        match into.get_mut(name) {
            Some(there) => both(there, value),
            None => drop(into.insert(name.clone(), value.clone())),
        }
    }
}

/// Two plugins may answer at one path, with a method each.
fn merge_methods(there: &mut Value, more: &Value) {
    let (Some(there), Some(more)) = (there.as_object_mut(), more.as_object()) else { return };
    let absent = |(method, _): &(&String, &Value)| !there.contains_key(*method);
    let added: Map<String, Value> =
        more.iter().filter(absent).map(|(method, value)| (method.clone(), value.clone())).collect();
    there.extend(added);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::compose;
    use crate::{http::server, plugins::loader::PluginInfo};

    fn plugin(openapi: &str) -> PluginInfo {
        PluginInfo {
            name: "test".into(),
            version: String::new(),
            sdk_version: String::new(),
            rustc: String::new(),
            file: None,
            engines: Vec::new(),
            routes: Vec::new(),
            consumes: Vec::new(),
            emits: Vec::new(),
            openapi: openapi.into(),
        }
    }

    #[test]
    fn every_path_of_the_gateway_is_described() {
        let document = compose("1.2.3", std::iter::empty(), &Value::Null);
        let described: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
        for path in server::PATHS {
            assert!(described.iter().any(|found| *found == path), "{path}");
        }
        assert_eq!(document["info"]["version"], "1.2.3");
    }

    #[test]
    fn a_path_with_a_session_has_what_the_gateway_answers_for_the_plugin() {
        let part = r#"{"paths":{
            "/api/{session}/a":{"parameters":[],"get":{"responses":{"200":{},"404":{"description":"own"}}}},
            "/b":{"get":{"responses":{"200":{}}}}}}"#;
        let paths = &compose("1", [plugin(part)].iter(), &Value::Null)["paths"];
        let answers = &paths["/api/{session}/a"]["get"]["responses"];
        assert_eq!(answers["404"]["description"], "own");
        assert!(answers["422"].is_object());
        let answers: Vec<&String> =
            paths["/b"]["get"]["responses"].as_object().unwrap().keys().collect();
        assert_eq!(answers, ["200", "401"]);
    }

    #[test]
    fn refusals_that_precede_any_handler_are_described() {
        let paths = &compose("1", std::iter::empty(), &Value::Null)["paths"];
        let create = &paths["/api/sessions"]["post"]["responses"];
        assert!(["401", "408", "413"].iter().all(|status| create[status].is_object()));
        let ping = &paths["/ping"]["get"]["responses"];
        assert_eq!(ping.as_object().unwrap().len(), 1);
    }

    #[test]
    fn the_parts_of_plugins_are_added_and_an_invalid_one_is_left_out() {
        let parts = [
            plugin(
                r#"{"paths":{"/a":{"get":{"summary":"first"}}},"components":{"schemas":{"A":{}}}}"#,
            ),
            plugin("no JSON"),
            plugin(r#"{"paths":{"/a":{"get":{"summary":"second"},"post":{}}}}"#),
        ];
        let own = json!({ "paths": { "/own": { "get": { "responses": {} } } } });
        let document = compose("1", parts.iter(), &own);
        assert!(document["paths"]["/own"]["get"]["responses"]["401"].is_object());
        assert_eq!(document["paths"]["/a"]["get"]["summary"], "first");
        assert!(document["paths"]["/a"]["post"].is_object());
        assert!(document["components"]["schemas"]["A"].is_object());
        assert!(document["components"]["schemas"]["Session"].is_object());
    }
}
