//! Where two JSON values differ, by JSON path.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// One place where two JSON values differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The place: `$.presences[0].lastSeen`.
    pub path: String,
    /// The expected value; none when nothing should be there.
    pub expected: Option<String>,
    /// The actual value; none when it is missing.
    pub actual: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, expected, actual } = self;
        match (expected, actual) {
            (Some(expected), Some(actual)) => {
                write!(f, "{path}: expected {expected}, got {actual}")
            }
            (Some(expected), None) => write!(f, "{path}: missing, expected {expected}"),
            (None, actual) => {
                write!(f, "{path}: not expected, got {}", actual.as_deref().unwrap_or("nothing"))
            }
        }
    }
}

/// The places where `actual` differs from `expected`; the order of keys does not matter.
pub fn compare(expected: &Value, actual: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("$", Some(expected), Some(actual), &mut found);
    found
}

fn walk(path: &str, expected: Option<&Value>, actual: Option<&Value>, found: &mut Vec<Difference>) {
    match (expected, actual) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let extra = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(extra) {
                walk(&format!("{path}.{key}"), left.get(key), right.get(key), found);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for index in 0..left.len().max(right.len()) {
                walk(&format!("{path}[{index}]"), left.get(index), right.get(index), found);
            }
        }
        (expected, actual) if expected == actual => {}
        (expected, actual) => found.push(Difference {
            path: path.to_owned(),
            expected: expected.map(Value::to_string),
            actual: actual.map(Value::to_string),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::compare;

    #[test]
    fn each_difference_names_its_path() {
        let expected = json!({ "id": "1@c.us", "presences": [{ "a": 1, "b": null }, { "a": 2 }] });
        let actual = json!({ "presences": [{ "a": "1", "c": 3 }], "id": "1@c.us" });
        let found: Vec<String> =
            compare(&expected, &actual).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "$.presences[0].a: expected 1, got \"1\"",
                "$.presences[0].b: missing, expected null",
                "$.presences[0].c: not expected, got 3",
                "$.presences[1]: missing, expected {\"a\":2}",
            ]
        );
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        assert_eq!(compare(&json!({ "a": 1, "b": 2 }), &json!({ "b": 2, "a": 1 })), []);
    }
}
