//! A stanza's node, and how it is written as JSON.

use std::fmt;

use indexmap::IndexMap;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;
use thiserror::Error;

use crate::json::one_or_many;

/// One node: `<tag attrs>content</tag>`. A node that stands alone on the wire is a *stanza*.
///
/// As JSON: `{"tag": "chatstate", "attrs": {"from": "…"}, "content": [{"tag": "composing"}]}`.
/// `attrs` and `content` may be left out; content is an array of nodes, a text, or `{"hex": "00ff"}`.
///
/// ```
/// use mock_engine::wire::Node;
///
/// let node = Node::new("presence").attr("from", "5511999990001@s.whatsapp.net");
/// assert_eq!(node.to_string(), r#"<presence from="5511999990001@s.whatsapp.net"/>"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What it is: `presence`, `chatstate`, `message`.
    pub tag: String,
    /// Its attributes, in the order in which they were written.
    pub attrs: IndexMap<String, String>,
    /// What is inside.
    pub content: Content,
}

/// What a node contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    #[default]
    Empty,
    /// Other nodes.
    Nodes(Vec<Node>),
    /// A text.
    Text(String),
    /// Bytes that are no text.
    Bytes(Vec<u8>),
}

impl Node {
    /// A node with neither attributes nor content.
    pub fn new(tag: impl Into<String>) -> Self {
        Self { tag: tag.into(), ..Self::default() }
    }

    /// The same node with one more attribute.
    #[must_use]
    pub fn attr(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attrs.insert(name.into(), value.into());
        self
    }

    /// The same node with one more child.
    #[must_use]
    pub fn child(mut self, child: Self) -> Self {
        match &mut self.content {
            Content::Nodes(children) => children.push(child),
            other => *other = Content::Nodes(vec![child]),
        }
        self
    }

    /// The same node with a text for content.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.content = Content::Text(text.into());
        self
    }

    /// An attribute's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attrs.get(name).map(String::as_str)
    }

    /// The nodes inside, none when the content is something else.
    pub fn children(&self) -> &[Self] {
        match &self.content {
            Content::Nodes(children) => children,
            _ => &[],
        }
    }

    /// Reads a node from its JSON.
    ///
    /// # Errors
    ///
    /// Fails on anything that is not a node, and says where: `$.content[0].tag`.
    pub fn from_json(value: &Value) -> Result<Self, NodeError> {
        Self::read(value, "$")
    }

    /// Reads one node or an array of them.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json); the path starts with the place in the array: `$[2].tag`.
    pub fn list_from_json(value: &Value) -> Result<Vec<Self>, NodeError> {
        one_or_many(value, Self::read)
    }

    pub(crate) fn read(value: &Value, path: &str) -> Result<Self, NodeError> {
        let Value::Object(fields) = value else {
            return Err(NodeError::new(path, "a node: {\"tag\", \"attrs\", \"content\"}", value));
        };
        if let Some((name, found)) =
            fields.iter().find(|(name, _)| !matches!(name.as_str(), "tag" | "attrs" | "content"))
        {
            let path = format!("{path}.{name}");
            return Err(NodeError::new(&path, "tag, attrs or content and no other field", found));
        }
        let tag = match fields.get("tag") {
            Some(Value::String(tag)) if !tag.is_empty() => tag.clone(),
            other => {
                let found = other.unwrap_or(&Value::Null);
                return Err(NodeError::new(&format!("{path}.tag"), "a tag's name", found));
            }
        };
        let attrs = match fields.get("attrs") {
            None | Some(Value::Null) => IndexMap::new(),
            Some(Value::Object(attrs)) => attrs
                .iter()
                .map(|(name, value)| match value {
                    Value::String(text) => Ok((name.clone(), text.clone())),
                    Value::Number(number) => Ok((name.clone(), number.to_string())),
                    other => Err(NodeError::new(
                        &format!("{path}.attrs.{name}"),
                        "a string or a number",
                        other,
                    )),
                })
                .collect::<Result<_, _>>()?,
            Some(other) => {
                return Err(NodeError::new(&format!("{path}.attrs"), "an object", other));
            }
        };
        let content = Self::read_content(fields.get("content"), &format!("{path}.content"))?;
        Ok(Self { tag, attrs, content })
    }

    fn read_content(value: Option<&Value>, path: &str) -> Result<Content, NodeError> {
        match value {
            None | Some(Value::Null) => Ok(Content::Empty),
            Some(Value::String(text)) => Ok(Content::Text(text.clone())),
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| Self::read(item, &format!("{path}[{index}]")))
                .collect::<Result<_, _>>()
                .map(Content::Nodes),
            Some(Value::Object(object)) if object.len() == 1 && object.contains_key("hex") => {
                object["hex"].as_str().and_then(unhex).map(Content::Bytes).ok_or_else(|| {
                    NodeError::new(
                        &format!("{path}.hex"),
                        "an even number of hex digits",
                        &object["hex"],
                    )
                })
            }
            Some(other) => {
                Err(NodeError::new(path, "an array of nodes, a text or {\"hex\": \"…\"}", other))
            }
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tag", &self.tag)?;
        map.serialize_entry("attrs", &self.attrs)?;
        match &self.content {
            Content::Empty => {}
            Content::Nodes(children) => map.serialize_entry("content", children)?,
            Content::Text(text) => map.serialize_entry("content", text)?,
            Content::Bytes(bytes) => {
                map.serialize_entry("content", &serde_json::json!({ "hex": hex(bytes) }))?;
            }
        }
        map.end()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.tag)?;
        for (name, value) in &self.attrs {
            write!(f, " {name}={value:?}")?;
        }
        match &self.content {
            Content::Empty => f.write_str("/>"),
            Content::Nodes(children) => {
                f.write_str(">")?;
                children.iter().try_for_each(|child| child.fmt(f))?;
                write!(f, "</{}>", self.tag)
            }
            Content::Text(text) => write!(f, ">{text}</{}>", self.tag),
            Content::Bytes(bytes) => write!(f, ">{}</{}>", hex(bytes), self.tag),
        }
    }
}

/// Where some JSON is not a node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}: expected {expected}, found {found}")]
pub struct NodeError {
    /// The place, from the request's root: `$[1].attrs.from`.
    pub path: String,
    /// What would be right there.
    pub expected: &'static str,
    /// What is there, shortened.
    pub found: String,
}

impl NodeError {
    pub(crate) fn new(path: &str, expected: &'static str, found: &Value) -> Self {
        let mut found = if found.is_null() { "nothing".to_owned() } else { found.to_string() };
        if found.chars().count() > 60 {
            found = found.chars().take(60).chain(['…']).collect();
        }
        Self { path: path.to_owned(), expected, found }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_and_node_are_the_same_thing() {
        let json = json!({
            "tag": "chatstate",
            "attrs": { "from": "1@g.us", "participant": "2@lid" },
            "content": [{ "tag": "composing", "attrs": {} }, { "tag": "x", "attrs": {}, "content": { "hex": "00ff" } }],
        });
        let node = Node::from_json(&json).unwrap();
        assert_eq!(serde_json::to_value(&node).unwrap(), json);
        assert_eq!(
            node.to_string(),
            r#"<chatstate from="1@g.us" participant="2@lid"><composing/><x>00ff</x></chatstate>"#
        );
    }

    #[test]
    fn numbers_are_taken_for_attributes() {
        let node = Node::from_json(&json!({ "tag": "presence", "attrs": { "last": 7 } })).unwrap();
        assert_eq!(node.get("last"), Some("7"));
    }

    #[test]
    fn an_error_says_where_and_what() {
        let says = |json: Value| Node::list_from_json(&json).unwrap_err().to_string();
        assert_eq!(
            says(json!([{ "tag": "a" }, { "tag": "b", "content": [{ "tag": 3 }] }])),
            "$[1].content[0].tag: expected a tag's name, found 3"
        );
        assert_eq!(says(json!({})), "$.tag: expected a tag's name, found nothing");
        assert_eq!(
            says(json!({ "tag": "a", "attr": {} })),
            "$.attr: expected tag, attrs or content and no other field, found {}"
        );
        assert_eq!(
            says(json!({ "tag": "a", "attrs": { "from": [1] } })),
            "$.attrs.from: expected a string or a number, found [1]"
        );
        assert_eq!(
            says(json!("presence")),
            "$: expected a node: {\"tag\", \"attrs\", \"content\"}, found \"presence\""
        );
    }
}
