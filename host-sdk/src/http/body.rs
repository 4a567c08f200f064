//! Bodies of requests, in each form that WAHA's body parser takes, as JSON.
//!
//! WAHA takes `application/json` and `application/x-www-form-urlencoded`, in UTF-8, plain or compressed. What
//! it does not take is refused, and the refusal lists what is taken.

use axum::{
    body::Bytes,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
};
use serde_json::{Map, Value};

use super::{error::HttpError, extract::read_body};

const FORM: &str = "application/x-www-form-urlencoded";

/// Reads a body as the text of a JSON value; an empty body stays empty.
///
/// A form becomes an object of strings, and of arrays of strings for names that are repeated. JSON that
/// is labelled as a form, as curl's `-d` labels everything, is JSON all the same.
pub(super) async fn read_json(request: Request) -> Result<Bytes, HttpError> {
    let is_form = kind(request.headers());
    let mut body = read_body(request).await?;
    if body.is_empty() {
        return Ok(body);
    }
    let is_form = is_form?;
    if body.starts_with(b"\xef\xbb\xbf") {
        body = body.slice(3..);
    }
    let is_json = body.trim_ascii_start().starts_with(b"{");
    Ok(if is_form && !is_json { form(&body).to_string().into() } else { body })
}

/// Reads a body that is a JSON object; an empty one is `{}`.
pub(super) async fn read_object(request: Request) -> Result<Map<String, Value>, HttpError> {
    let body = read_json(request).await?;
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&body)
        .map_err(|error| HttpError::bad_request(format!("the body is not a JSON object: {error}")))
}

/// Whether the body is a form, by its content type; without one it counts as JSON.
fn kind(headers: &HeaderMap) -> Result<bool, HttpError> {
    let refuse = |what: String| Err(HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    let Some(stated) = headers.get(header::CONTENT_TYPE) else { return Ok(false) };
    let stated = String::from_utf8_lossy(stated.as_bytes()).to_ascii_lowercase();
    let mut parts = stated.split(';').map(str::trim);
    let is_form = match parts.next().unwrap_or_default() {
        "" | "application/json" => false,
        FORM => true,
        other => {
            return refuse(format!(
                "Content-Type: {other:?} is not supported; expected application/json or {FORM}"
            ));
        }
    };
    let charset = parts.find_map(|part| part.strip_prefix("charset="));
    match charset.map(|charset| charset.trim_matches('"')) {
        None | Some("utf-8" | "utf8") => Ok(is_form),
        Some(other) => {
            refuse(format!("Content-Type: charset {other:?} is not supported; expected utf-8"))
        }
    }
}

fn form(body: &[u8]) -> Value {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let value = Value::from(value);
        match fields.get_mut(&*name) {
            None => drop(fields.insert(name.into_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    fields.into()
}
