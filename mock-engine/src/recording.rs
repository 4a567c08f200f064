//! Recordings: the events of a real WAHA, to be played again.
//!
//! A recording is JSON Lines. The first line says what it is, each other line is one event:
//!
//! ```text
//! {"recording":1,"started":1686719326000,"scrubbed":7}
//! {"time":1686719326120,"session":"default","event":"presence.update","data":{…}}
//! ```
//!
//! `time` is in Unix milliseconds; `scrubbed` is the seed of the [`Scrubber`], or null when numbers, names
//! and texts are those of real people.

mod scrub;
mod waha;

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

pub use scrub::Scrubber;
pub use waha::Listener;

use crate::{
    delay::Delay,
    noweb::Event,
    scenario::{Action, Scenario, Session, Step},
};

/// The version of the format.
const VERSION: u32 = 1;

/// The longest line that is read, in bytes.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

/// A recording, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its first line.
    pub header: Header,
    /// Its events, in order.
    pub events: Vec<Recorded>,
    /// Whether its last line was cut off, as by a crash; that event is lost.
    pub truncated: bool,
}

/// The first line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format's version.
    pub recording: u32,
    /// When it was begun, in Unix milliseconds.
    pub started: u64,
    /// The scrubber's seed; null when nothing was scrubbed.
    #[serde(default)]
    pub scrubbed: Option<u64>,
}

impl Header {
    /// The header of a recording that begins now.
    pub fn new(started: u64, scrubbed: Option<u64>) -> Self {
        Self { recording: VERSION, started, scrubbed }
    }
}

/// One event of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// When it came, in Unix milliseconds.
    pub time: u64,
    /// On which session.
    pub session: String,
    /// Baileys' name of it.
    pub event: String,
    /// Its data, as Baileys has it.
    pub data: Value,
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be read, is not a recording, or has an invalid line other than the last.
    pub fn read(mut from: impl BufRead) -> Result<Self, RecordingError> {
        let first = line(&mut from, 1)?.ok_or(RecordingError::Empty)?;
        let header: Header = serde_json::from_str(first.text.trim_end())
            .map_err(|error| RecordingError::Header { message: without_place(&error) })?;
        if header.recording != VERSION {
            return Err(RecordingError::Version(header.recording));
        }
        let mut recording = Self { header, events: Vec::new(), truncated: false };
        for number in 2.. {
            let Some(line) = line(&mut from, number)? else { break };
            match serde_json::from_str(line.text.trim_end()) {
                Ok(event) => recording.events.push(event),
                Err(_) if !line.ended => recording.truncated = true,
                Err(error) => {
                    let (column, message) = (error.column(), without_place(&error));
                    return Err(RecordingError::Line { number, column, message });
                }
            }
        }
        Ok(recording)
    }

    /// The same as a scenario: each event at its time, whatever WhatsApp's rules are.
    pub fn scenario(&self, name: &str) -> Scenario {
        // The events have the time of where they were recorded, which need not be that of the header.
        let first = self.events.iter().map(|recorded| recorded.time).min();
        let start = first.unwrap_or(self.header.started) / 1000;
        let mut sessions: Vec<Session> = Vec::new();
        let mut steps = Vec::with_capacity(self.events.len());
        for (index, recorded) in self.events.iter().enumerate() {
            if !sessions.iter().any(|session| session.name == recorded.session) {
                sessions.push(Session::new(&recorded.session));
            }
            steps.push(Step {
                at: Delay::from_millis(recorded.time.saturating_sub(start * 1000)),
                repeat: None,
                session: Some(recorded.session.clone()),
                action: Action::Event(Event::of(&recorded.event, recorded.data.clone())),
                source: format!("{name}:{}", index + 2),
            });
        }
        if sessions.is_empty() {
            sessions.push(Session::new("default"));
        }
        steps.sort_by_key(|step| step.at);
        Scenario {
            name: name.to_owned(),
            description: format!("{} recorded events", self.events.len()),
            start: Some(start),
            subscribe: Some(Vec::new()),
            sessions,
            names_sessions: true,
            steps,
            ..Scenario::default()
        }
    }
}

/// Writes a line of a recording: a [`Header`] or a [`Recorded`].
///
/// # Errors
///
/// Fails when it cannot be written.
pub fn write_line(mut to: impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    to.write_all(&text)
}

/// What is wrong, without the line, which is the first of a text of one line.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned()
}

struct Line {
    text: String,
    ended: bool,
}

fn line(from: &mut impl BufRead, number: usize) -> Result<Option<Line>, RecordingError> {
    let mut bytes = Vec::new();
    let failed = |source| RecordingError::Read { number, source };
    let mut limited = io::Read::take(&mut *from, LONGEST_LINE);
    let read = limited.read_until(b'\n', &mut bytes).map_err(failed)?;
    let ended = bytes.ends_with(b"\n");
    if !ended && read as u64 == LONGEST_LINE {
        return Err(RecordingError::TooLong { number });
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // It may have been cut off inside a letter.
        Err(error) if !ended => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        Err(error) => {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
    };
    Ok((read > 0).then_some(Line { text, ended }))
}

/// Why a recording cannot be played.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// There is nothing in it.
    #[error("the recording is empty; its first line should be {{\"recording\":{VERSION}, …}}")]
    Empty,
    /// It cannot be read.
    #[error("failed to read line {number}")]
    Read {
        /// The line, from 1.
        number: usize,
        /// Why.
        source: io::Error,
    },
    /// Its first line is another.
    #[error("line 1 is not that of a recording, {{\"recording\":{VERSION}, …}}: {message}")]
    Header {
        /// Why.
        message: String,
    },
    /// It has another version.
    #[error("line 1: the recording has version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// A line is longer than any that was ever recorded.
    #[error("line {number} is longer than {LONGEST_LINE} bytes")]
    TooLong {
        /// The line, from 1.
        number: usize,
    },
    /// A line is broken.
    #[error("line {number}, column {column} is no event: {message}")]
    Line {
        /// The line, from 1.
        number: usize,
        /// The column, from 1, in bytes.
        column: usize,
        /// Why.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(time: u64) -> Recorded {
        Recorded {
            time,
            session: "default".to_owned(),
            event: "connection.update".to_owned(),
            data: json!({ "connection": "open" }),
        }
    }

    fn text() -> String {
        let mut text = Vec::new();
        write_line(&mut text, &Header::new(5_000, None)).unwrap();
        write_line(&mut text, &event(5_500)).unwrap();
        write_line(&mut text, &event(6_000)).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let recording = Recording::read(text().as_bytes()).unwrap();
        assert_eq!(recording.events, [event(5_500), event(6_000)]);
        assert!(!recording.truncated);
        let scenario = recording.scenario("r");
        assert_eq!(scenario.start, Some(5));
        assert_eq!(scenario.steps[1].at, Delay::from_millis(1_000));
        assert_eq!(scenario.ends(), Some(Delay::from_millis(1_000)));
    }

    #[test]
    fn a_cut_off_last_line_loses_that_line_only() {
        let text = text();
        for cut in 1..20 {
            let recording = Recording::read(&text.as_bytes()[..text.len() - 1 - cut]).unwrap();
            assert_eq!(recording.events, [event(5_500)]);
            assert!(recording.truncated);
        }
    }

    #[test]
    fn a_broken_line_is_named() {
        let says = |text: &str| Recording::read(text.as_bytes()).unwrap_err().to_string();
        let broken = text().replacen("{\"time\":5500", "\"time\":5500", 1);
        assert!(says(&broken).starts_with("line 2, column "), "{}", says(&broken));
        let long = text() + &"x".repeat(5_000_000);
        assert_eq!(says(&long), "line 4 is longer than 4194304 bytes");
        assert!(says("").starts_with("the recording is empty"));
        assert!(says("{}\n").starts_with("line 1 is not that of a recording"));
        assert!(says("{\"recording\":9,\"started\":0}\n").contains("version 9"));
    }
}
