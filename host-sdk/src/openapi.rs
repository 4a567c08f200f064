//! The OpenAPI document: the gateway's own paths, and what the manifests of the plugins add. A page to
//! read it with is served from this program; nothing is fetched.

use axum::Router;
use serde_json::{Map, Value};
use utoipa_swagger_ui::{SwaggerUi, Url};

use crate::{gateway::Shared, loader::PluginInfo};

/// Where the document is.
const DOCUMENT: &str = "/openapi.json";

/// The document at `/openapi.json` and its page at `/docs`.
pub(crate) fn routes(gateway: &Shared) -> Router {
    let plugins = gateway.plugins();
    let document = compose(gateway.version(), plugins.iter().map(|plugin| plugin.info()));
    let page = SwaggerUi::new("/docs").external_url_unchecked(Url::from(DOCUMENT), document);
    page.into()
}

/// The whole document. A plugin's part that is no JSON object is left out, and logged.
fn compose<'a>(version: &str, plugins: impl Iterator<Item = &'a PluginInfo>) -> Value {
    let mut document: Value =
        serde_json::from_str(include_str!("openapi.json")).unwrap_or_default();
    document["info"]["version"] = version.into();
    for plugin in plugins.filter(|plugin| !plugin.openapi.is_empty()) {
        let part: Value = match serde_json::from_str(&plugin.openapi) {
            Ok(part) => part,
            Err(error) => {
                tracing::warn!(plugin = plugin.name, %error, "its OpenAPI part is no JSON");
                continue;
            }
        };
        merge(&mut document["paths"], part.get("paths"), merge_methods);
        let schemas = part.pointer("/components/schemas");
        merge(&mut document["components"]["schemas"], schemas, |_, _| {});
    }
    document
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
    use super::compose;
    use crate::{loader::PluginInfo, server};

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
        let document = compose("1.2.3", std::iter::empty());
        let described: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
        for path in server::PATHS {
            assert!(described.iter().any(|found| *found == path), "{path}");
        }
        assert_eq!(document["info"]["version"], "1.2.3");
    }

    #[test]
    fn the_parts_of_plugins_are_added_and_one_that_is_no_json_is_left_out() {
        let parts = [
            plugin(
                r#"{"paths":{"/a":{"get":{"summary":"first"}}},"components":{"schemas":{"A":{}}}}"#,
            ),
            plugin("no JSON"),
            plugin(r#"{"paths":{"/a":{"get":{"summary":"second"},"post":{}}}}"#),
        ];
        let document = compose("1", parts.iter());
        assert_eq!(document["paths"]["/a"]["get"]["summary"], "first");
        assert!(document["paths"]["/a"]["post"].is_object());
        assert!(document["components"]["schemas"]["A"].is_object());
        assert!(document["components"]["schemas"]["Session"].is_object());
    }
}
