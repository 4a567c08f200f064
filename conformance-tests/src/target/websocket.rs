//! The target's WebSocket, `/ws`.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message},
};

use super::Target;
use crate::{
    trace::{Trace, Traced},
    verdict::{Failure, Halt, Verdict},
};

/// An open socket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    trace: Trace,
}

/// How a socket ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The handshake was answered with this HTTP status.
    Refused(u16),
    /// It was closed with this code and reason.
    Closed(u16, String),
}

impl Target {
    /// Opens a socket with these query parameters and, if given, the key.
    pub(crate) async fn socket(
        &self,
        parameters: &str,
        key: Option<&str>,
        trace: &Trace,
    ) -> Verdict<Result<Socket, Ended>> {
        let base = self.base.replacen("http", "ws", 1);
        let shown = format!("{base}/ws?{parameters}");
        let url = match key {
            Some(key) => format!("{shown}&x-api-key={key}"),
            None => shown.clone(),
        };
        let note = |text: String| trace.add(Traced::Socket { text: format!("{shown}: {text}") });
        let failed = |why: String| -> Halt {
            let traced = note(why.clone());
            Failure::new("a WebSocket", why).at(traced).into()
        };
        match timeout(self.timeout, connect_async(url)).await {
            Err(_) => Err(failed(format!("no answer within {} ms", self.timeout.as_millis()))),
            Ok(Ok((stream, _))) => {
                note("open".to_owned());
                Ok(Ok(Socket { stream, trace: trace.clone() }))
            }
            Ok(Err(Error::Http(answer))) => {
                note(format!("refused with {}", answer.status()));
                Ok(Err(Ended::Refused(answer.status().as_u16())))
            }
            Ok(Err(error)) => Err(failed(error.to_string())),
        }
    }
}

impl Socket {
    /// The next event that `wanted` accepts, within `limit`.
    pub(crate) async fn next(
        &mut self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Verdict<Value> {
        let deadline = Instant::now() + limit;
        loop {
            let text = match timeout_at(deadline, self.frame()).await {
                Ok(Ok(text)) => text,
                Ok(Err(ended)) => {
                    return Err(Failure::new(what, format!("the socket ended: {ended:?}")).into());
                }
                Err(_) => {
                    let got = format!("no such event within {} ms", limit.as_millis());
                    return Err(Failure::new(what, got).into());
                }
            };
            let traced = self.trace.add(Traced::Socket { text: text.clone() });
            match serde_json::from_str::<Value>(&text) {
                Ok(event) if wanted(&event) => return Ok(event),
                Ok(_) => {}
                Err(error) => {
                    return Err(Failure::new("JSON", format!("{text:?} ({error})"))
                        .at(traced)
                        .into());
                }
            }
        }
    }

    /// Waits up to `limit` for the socket to end.
    pub(crate) async fn ended(mut self, limit: Duration) -> Verdict<Ended> {
        let deadline = Instant::now() + limit;
        loop {
            match timeout_at(deadline, self.frame()).await {
                Ok(Ok(_)) => {}
                Ok(Err(ended)) => {
                    self.trace.add(Traced::Socket { text: format!("ended: {ended:?}") });
                    return Ok(ended);
                }
                Err(_) => {
                    let got = format!("still open after {} ms", limit.as_millis());
                    return Err(Failure::new("a closed socket", got).into());
                }
            }
        }
    }

    async fn frame(&mut self) -> Result<String, Ended> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err(Ended::Closed(frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(Message::Close(None))) | None => {
                    return Err(Ended::Closed(1005, String::new()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Ended::Closed(1006, error.to_string())),
            }
        }
    }
}
