//! What several readers of JSON share.

use serde_json::Value;

/// Reads one of something, or an array of them; each reader gets the path of what it reads, from the
/// root: `$`, `$[2]`.
pub(crate) fn one_or_many<T, E>(
    value: &Value,
    read: impl Fn(&Value, &str) -> Result<T, E>,
) -> Result<Vec<T>, E> {
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| read(item, &format!("$[{index}]")))
            .collect(),
        one => Ok(vec![read(one, "$")?]),
    }
}
