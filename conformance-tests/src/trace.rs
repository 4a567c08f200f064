//! The exchanges of a check, for the report.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

/// An exchange or driver step during a check.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Traced {
    /// A request from the suite, and its answer.
    Request {
        /// The method.
        method: String,
        /// The full URL.
        url: String,
        /// The headers, without the API key.
        headers: Vec<(String, String)>,
        /// The request's body.
        body: Option<String>,
        /// Whether the API key was sent.
        with_key: bool,
        /// The answer.
        answer: Answered,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// A webhook that arrived at the suite's receiver.
    Webhook {
        /// Its headers.
        headers: Vec<(String, String)>,
        /// Its body.
        body: String,
        /// The status that it was answered with.
        answered: u16,
    },
    /// A frame received on the WebSocket.
    Socket {
        /// The frame's text, or why the socket closed.
        text: String,
    },
    /// A step of the driver.
    Step {
        /// The step, as JSON.
        step: String,
        /// The driver's answer, or its error.
        result: String,
    },
}

/// The outcome of a request.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Answered {
    /// An HTTP answer.
    Http {
        /// Its status.
        status: u16,
        /// Its headers.
        headers: Vec<(String, String)>,
        /// Its body, shortened if long.
        body: String,
    },
    /// No answer, and why.
    Nothing(String),
}

impl Traced {
    /// The request as a shell command; the key is written as `$WAHA_API_KEY`.
    pub fn curl(&self) -> Option<String> {
        let Self::Request { method, url, headers, body, with_key, .. } = self else { return None };
        let mut line = "curl -i".to_owned();
        if method != "GET" {
            let _ = write!(line, " -X {method}");
        }
        if *with_key {
            line.push_str(r#" -H "X-Api-Key: $WAHA_API_KEY""#);
        }
        for (name, value) in headers {
            let _ = write!(line, " -H {}", quoted(&format!("{name}: {value}")));
        }
        if let Some(body) = body {
            let _ = write!(line, " -d {}", quoted(&shortened(body, 600)));
        }
        let _ = write!(line, " {}", quoted(url));
        Some(line)
    }

    /// A summary in a few lines.
    pub fn summary(&self) -> String {
        match self {
            Self::Request { answer: Answered::Http { status, body, .. }, .. } => {
                format!("{status} {}", shortened(body, 600))
            }
            Self::Request { answer: Answered::Nothing(why), .. } => format!("no answer: {why}"),
            Self::Webhook { body, answered, .. } => {
                format!("webhook, answered {answered}: {}", shortened(body, 600))
            }
            Self::Socket { text } => format!("WebSocket: {}", shortened(text, 600)),
            Self::Step { step, result } => format!("driver: {step} -> {result}"),
        }
    }
}

/// The text quoted as one shell word.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The text, shortened to about `limit` bytes.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let cut = text.floor_char_boundary(limit);
    format!("{}… ({} bytes)", &text[..cut], text.len())
}

/// The trace of one check.
///
/// Clones append to one list behind a mutex that is never held across an await; the run takes the
/// list when the check has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<Traced>>>);

impl Trace {
    /// Appends to the trace and returns the index.
    pub(crate) fn add(&self, traced: Traced) -> usize {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(traced);
        all.len() - 1
    }

    pub(crate) fn take(&self) -> Vec<Traced> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::{Answered, Traced};

    #[test]
    fn a_curl_line_shows_all_but_the_key() {
        let request = Traced::Request {
            method: "POST".into(),
            url: "http://localhost:3000/api/default/presence".into(),
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: Some(r#"{"presence":"it's"}"#.into()),
            with_key: true,
            answer: Answered::Nothing("reset".into()),
            took_ms: 1,
        };
        assert_eq!(
            request.curl().unwrap(),
            r#"curl -i -X POST -H "X-Api-Key: $WAHA_API_KEY" -H 'Content-Type: application/json' -d '{"presence":"it'\''s"}' 'http://localhost:3000/api/default/presence'"#
        );
    }
}
