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

/// A request's body.
pub(super) enum Read {
    /// The text of a JSON value, or nothing.
    Json(Bytes),
    /// Of a content type that is not taken; the refusal for requests that need a body.
    Unread(HttpError),
}

/// Reads a body as the text of a JSON value; an empty body stays empty.
///
/// A form becomes an object of strings, and of arrays of strings for names that are repeated. JSON that
/// is labelled as a form, as curl's `-d` labels everything, is JSON all the same.
pub(super) async fn read_json(request: Request) -> Result<Read, HttpError> {
    let kind = kind(request.headers());
    let mut body = read_body(request).await?;
    if body.is_empty() {
        return Ok(Read::Json(body));
    }
    let is_form = match kind? {
        Kind::Other(refusal) => return Ok(Read::Unread(refusal)),
        Kind::Form => true,
        Kind::Json => false,
    };
    if body.starts_with(b"\xef\xbb\xbf") {
        body = body.slice(3..);
    }
    let is_json = body.trim_ascii_start().starts_with(b"{");
    Ok(Read::Json(if is_form && !is_json { form(&body).to_string().into() } else { body }))
}

/// Reads a body that is a JSON object; an empty one is `{}`.
pub(super) async fn read_object(request: Request) -> Result<Map<String, Value>, HttpError> {
    let body = match read_json(request).await? {
        Read::Json(body) => body,
        Read::Unread(refusal) => return Err(refusal),
    };
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&body)
        .map_err(|error| HttpError::bad_request(format!("the body is not a JSON object: {error}")))
}

/// What a content type says of a body.
enum Kind {
    Json,
    Form,
    /// Neither, with the refusal.
    Other(HttpError),
}

/// The kind of the body, by its content type; without one it counts as JSON.
fn kind(headers: &HeaderMap) -> Result<Kind, HttpError> {
    let refusal = |what: String| HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what);
    let Some(stated) = headers.get(header::CONTENT_TYPE) else { return Ok(Kind::Json) };
    let stated = String::from_utf8_lossy(stated.as_bytes()).to_ascii_lowercase();
    let mut parts = stated.split(';').map(str::trim);
    let kind = match parts.next().unwrap_or_default() {
        "" | "application/json" => Kind::Json,
        FORM => Kind::Form,
        other => {
            return Ok(Kind::Other(refusal(format!(
                "Content-Type: {other:?} is not supported; expected application/json or {FORM}"
            ))));
        }
    };
    let charset = parts.find_map(|part| part.strip_prefix("charset="));
    match charset.map(|charset| charset.trim_matches('"')) {
        None | Some("utf-8" | "utf8") => Ok(kind),
        Some(other) => Err(refusal(format!(
            "Content-Type: charset {other:?} is not supported; expected utf-8"
        ))),
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
