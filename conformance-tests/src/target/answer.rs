//! An answer of the target, and assertions on it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::{
    trace::shortened,
    verdict::{Failure, Verdict, ensure, same},
};

/// A complete HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Its index in the trace.
    pub(crate) traced: usize,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn header_list(&self) -> Vec<(String, String)> {
        header_list(&self.headers)
    }

    /// This answer, if it has this status.
    pub(crate) fn is(self, status: u16) -> Verdict<Self> {
        self.any_of(&[status])
    }

    /// This answer, if it has one of these statuses.
    pub(crate) fn any_of(self, statuses: &[u16]) -> Verdict<Self> {
        let expected: Vec<String> = statuses.iter().map(u16::to_string).collect();
        let fits = statuses.contains(&self.status.as_u16());
        self.holds(ensure(fits, format!("status {}", expected.join(" or ")), || self.described()))?;
        Ok(self)
    }

    /// This answer, if its status is 2xx.
    pub(crate) fn succeeds(self) -> Verdict<Self> {
        let success = self.status.is_success();
        self.holds(ensure(success, "a status of 2xx", || self.described()))?;
        Ok(self)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Verdict<Value> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let text = shortened(&self.text(), 200);
            Failure::new("a JSON body", format!("{text:?} ({error})")).at(self.traced).into()
        })
    }

    /// Holds when the body equals this JSON.
    pub(crate) fn json_is(&self, expected: &Value) -> Verdict {
        let actual = self.json()?;
        self.holds(same(expected, &actual))
    }

    /// Attaches this answer to a failure.
    pub(crate) fn holds<T>(&self, judgement: Result<T, Failure>) -> Verdict<T> {
        judgement.map_err(|failure| failure.at(self.traced).into())
    }

    fn described(&self) -> String {
        format!("{} {}", self.status.as_u16(), shortened(&self.text(), 300))
    }
}

/// The headers as pairs of text.
pub(crate) fn header_list(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    headers.iter().map(pair).collect()
}
