//! A user's command, which reads one JSON line per step from standard input and answers with one.
//!
//! The first line is `{"step":"hello","version":1}`. The answer lists the command's abilities and,
//! unless `people` is one of them, names the one `contact` that it controls:
//!
//! ```json
//! {"ok":true,"abilities":["presence","people","groups"],"immediate":true}
//! ```
//!
//! Each further line is a [`Step`]; the answer is `{"ok":true}` or `{"ok":false,"error":"…"}`,
//! and to `{"step":"sent"}` `{"ok":true,"sent":[{"tag":"presence","attrs":{…}}]}`. A complete
//! driver:
//!
//! ```python
#![doc = include_str!("../../examples/exec_driver.py")]
//! ```

use std::{io::ErrorKind, process::Stdio, time::Duration};

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
    time::timeout,
};

use super::{Driver, DriverError, Step};
use crate::Ability;

/// Extra time for the first answer: interpreters need time to start.
const TO_START: Duration = Duration::from_secs(5);

/// A running command; killed when dropped.
#[derive(Debug)]
pub(super) struct Exec {
    name: String,
    hello: Hello,
    pipe: Mutex<Pipe>,
}

#[derive(Debug)]
struct Pipe {
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
    _child: Child,
    /// The time limit of an answer.
    limit: Duration,
    /// The line that was not answered in time; a later answer could belong to any line.
    stuck: Option<String>,
}

/// The answer to the first line.
#[derive(Debug, Default, Deserialize)]
struct Hello {
    abilities: Vec<Ability>,
    #[serde(default)]
    contact: Option<String>,
    #[serde(default)]
    immediate: bool,
}

impl Exec {
    /// Starts `command`, with a time limit of `limit` per answer and more for the first.
    pub(super) async fn start(
        name: &str,
        command: &str,
        limit: Duration,
    ) -> Result<Self, DriverError> {
        let failed = |why: String| DriverError::failed(format!("{name}: {why}"));
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("it has no standard input or output".to_owned()));
        };
        let from = BufReader::new(from).lines();
        let mut pipe = Pipe { to, from, _child: child, limit: limit + TO_START, stuck: None };
        let answer = pipe.ask(&json!({ "step": "hello", "version": 1 })).await;
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        pipe.limit = limit;
        let hello: Hello = serde_json::from_value(answer.clone())
            .map_err(|error| failed(format!("invalid answer to hello, {answer}: {error}")))?;
        if hello.contact.is_some() == hello.abilities.contains(&Ability::People) {
            let why = "the answer to hello must either name the one \"contact\" it controls or list the ability \"people\"";
            return Err(failed(why.to_owned()));
        }
        Ok(Self { name: name.to_owned(), hello, pipe: Mutex::new(pipe) })
    }
}

impl Pipe {
    async fn ask(&mut self, line: &Value) -> Result<Value, DriverError> {
        let stuck = |line: &str, limit: Duration| {
            DriverError::failed(format!("the command gave no answer within {limit:?} to {line}"))
        };
        let limit = self.limit;
        if let Some(line) = &self.stuck {
            return Err(stuck(line, limit));
        }
        match timeout(limit, self.exchange(line)).await {
            Ok(answer) => answer,
            Err(_) => Err(stuck(self.stuck.insert(line.to_string()), limit)),
        }
    }

    async fn exchange(&mut self, line: &Value) -> Result<Value, DriverError> {
        let failed = |error: std::io::Error| DriverError::failed(format!("the command: {error}"));
        let written = self.to.write_all(format!("{line}\n").as_bytes()).await;
        let flushed = self.to.flush().await;
        // A command that has exited no longer reads, but may have answered before.
        if let Err(error) = written.and(flushed)
            && error.kind() != ErrorKind::BrokenPipe
        {
            return Err(failed(error));
        }
        let Some(answer) = self.from.next_line().await.map_err(failed)? else {
            let ended = format!("the command exited without an answer to {line}");
            return Err(DriverError::failed(ended));
        };
        let answer: Value = serde_json::from_str(&answer).map_err(|error| {
            DriverError::failed(format!("the command answered {answer:?}: {error}"))
        })?;
        if answer["ok"] == true {
            return Ok(answer);
        }
        let why = answer["error"].as_str().unwrap_or("no reason given");
        Err(DriverError::failed(format!("the command failed to perform {line}: {why}")))
    }
}

impl Driver for Exec {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> &[Ability] {
        &self.hello.abilities
    }

    fn only_contact(&self) -> Option<&str> {
        self.hello.contact.as_deref()
    }

    fn is_immediate(&self) -> bool {
        self.hello.immediate
    }

    fn perform<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Value, DriverError>> {
        Box::pin(async move { self.pipe.lock().await.ask(&json!(step)).await })
    }
}
