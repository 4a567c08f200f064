//! The body of an event: what all events of a session share, serialised once, around a payload.

use std::{fmt, io::Write as _};

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use ulid::Ulid;

use crate::lane;

/// The constant parts of a session's events.
///
/// The keys of a body are in WAHA's order: `id`, `timestamp`, `event`, `session`, `metadata` (when
/// the session has one), `me` (an object or `null`), `payload`, `environment`, `engine`.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    session: Box<str>,
    /// From after the event's name to the payload.
    before_payload: Box<[u8]>,
    after_payload: Box<[u8]>,
}

impl Envelope {
    /// Serialises what does not change from event to event.
    #[must_use]
    pub fn new(
        session: &str,
        engine: &str,
        metadata: Option<&Map<String, Value>>,
        me: Option<&Value>,
        environment: &Value,
    ) -> Self {
        let session_json = Value::from(session);
        let mut before = format!(",\"session\":{session_json}");
        if let Some(metadata) = metadata {
            before.push_str(",\"metadata\":");
            // A map of JSON values has no way to fail.
            before.push_str(&serde_json::to_string(metadata).unwrap_or_else(|_| "{}".to_owned()));
        }
        before.push_str(&format!(",\"me\":{},\"payload\":", me.unwrap_or(&Value::Null)));
        let after = format!(",\"environment\":{environment},\"engine\":{}}}", Value::from(engine));
        Self {
            session: session.into(),
            before_payload: before.into_bytes().into(),
            after_payload: after.into_bytes().into(),
        }
    }

    /// The session's name.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Where the payload of so many bytes is in a body of so many bytes.
    pub(crate) fn payload_range(&self, body: usize, payload: usize) -> std::ops::Range<usize> {
        let end = body - self.after_payload.len();
        end - payload..end
    }

    /// Writes the body of an event. `payload` is JSON.
    #[must_use]
    pub fn render(&self, id: &str, timestamp_ms: u64, event: &str, payload: &[u8]) -> Bytes {
        let fixed = self.before_payload.len() + self.after_payload.len();
        let mut body = Vec::with_capacity(fixed + payload.len() + id.len() + event.len() + 64);
        body.extend_from_slice(b"{\"id\":\"");
        body.extend_from_slice(id.as_bytes());
        // Writing to memory does not fail.
        let _ = write!(body, "\",\"timestamp\":{timestamp_ms},\"event\":");
        write_text(&mut body, event);
        body.extend_from_slice(&self.before_payload);
        body.extend_from_slice(if payload.is_empty() { b"null" } else { payload });
        body.extend_from_slice(&self.after_payload);
        body.into()
    }
}

/// The start of a body.
fn head(id: &str, timestamp_ms: u64) -> String {
    format!("{{\"id\":\"{id}\",\"timestamp\":{timestamp_ms},")
}

fn write_text(body: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if text.bytes().all(plain) {
        body.push(b'"');
        body.extend_from_slice(text.as_bytes());
        body.push(b'"');
    } else {
        let _ = write!(body, "{}", Value::from(text));
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("session", &self.session).finish_non_exhaustive()
    }
}

/// An event as it waits for its receivers, which share it.
#[derive(Debug)]
pub struct EmittedEvent {
    /// `evt_` and a lower-case ULID.
    pub id: EventId,
    /// When it was emitted, in Unix milliseconds.
    pub timestamp_ms: u64,
    /// The session's name.
    pub session: Box<str>,
    /// The event's name.
    pub event: Box<str>,
    /// Session, event and what stays in order among them, parted by NUL: the name of its lane.
    pub(crate) lane_name: Box<str>,
    /// What a later event of the lane supersedes; none: it is never folded.
    pub keys: Keys,
    /// The whole body, JSON.
    pub body: Bytes,
    /// Where the payload is in the body.
    pub payload: std::ops::Range<usize>,
}

impl EmittedEvent {
    /// The payload, JSON.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.body.get(self.payload.clone()).unwrap_or_default()
    }

    /// What stays in order among the session's events of this name: for most, the chat.
    #[must_use]
    pub fn lane(&self) -> &str {
        self.lane_name.get(self.session.len() + self.event.len() + 2..).unwrap_or_default()
    }

    /// The same event under a new id, at a new time.
    pub(crate) fn restated(&self, id: EventId, timestamp_ms: u64) -> Self {
        let before = head(self.id.as_str(), self.timestamp_ms);
        let head = head(id.as_str(), timestamp_ms);
        let rest = self.body.get(before.len()..).unwrap_or_default();
        let moved = |at: usize| at + head.len() - before.len();
        Self {
            id,
            timestamp_ms,
            session: self.session.clone(),
            event: self.event.clone(),
            lane_name: self.lane_name.clone(),
            keys: self.keys.clone(),
            body: [head.as_bytes(), rest].concat().into(),
            payload: moved(self.payload.start)..moved(self.payload.end),
        }
    }

    /// How much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.body.len() + self.lane_name.len() + self.keys.bytes()
    }
}

/// The keys of an event; mostly it has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Keys {
    /// It is never folded.
    #[default]
    None,
    /// One key.
    One(Box<str>),
    /// A set of keys.
    Many(Box<[Box<str>]>),
}

impl Keys {
    /// Copies keys, each once.
    #[must_use]
    pub fn new(keys: &[&str]) -> Self {
        match keys {
            [] => Self::None,
            [key] => Self::One((*key).into()),
            keys => {
                let mut keys = keys.to_vec();
                keys.sort_unstable();
                keys.dedup();
                Self::Many(keys.into_iter().map(Into::into).collect())
            }
        }
    }

    /// The keys.
    #[must_use]
    pub fn as_slice(&self) -> &[Box<str>] {
        match self {
            Self::None => &[],
            Self::One(key) => std::slice::from_ref(key),
            Self::Many(keys) => keys,
        }
    }

    fn bytes(&self) -> usize {
        self.as_slice().iter().map(|key| key.len() + size_of::<Box<str>>()).sum()
    }
}

impl lane::Update for std::sync::Arc<EmittedEvent> {
    fn keys(&self) -> &[Box<str>] {
        self.keys.as_slice()
    }

    fn bytes(&self) -> usize {
        EmittedEvent::bytes(self)
    }

    /// A socket's updates are never given up, and so never overtaken.
    fn restate(&mut self) {}
}

/// The id of an event: `evt_` and a lower-case ULID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId([u8; 30]);

impl EventId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes ids that rise from one to the next, and are the same for the same seed and times.
#[derive(Debug)]
pub(crate) struct EventIds(Mutex<Last>);

#[derive(Debug)]
struct Last {
    ulid: Ulid,
    chance: Chance,
}

impl EventIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Last { ulid: Ulid::nil(), chance: Chance::new(seed) }))
    }

    /// The next id, and the time in it, in Unix milliseconds. Within a millisecond the id counts on from the one
    /// before, and so it does when the clock goes back: the time then stays at the latest one.
    pub(crate) fn next(&self, now_ms: u64) -> (EventId, u64) {
        let mut last = self.0.lock();
        if now_ms > last.ulid.timestamp_ms() {
            let random = u128::from(last.chance.next()) << 64 | u128::from(last.chance.next());
            last.ulid = Ulid::from_parts(now_ms, random >> 48);
        } else {
            last.ulid = Ulid(last.ulid.0.wrapping_add(1));
        }
        let mut text = [0; 26];
        last.ulid.array_to_str(&mut text).make_ascii_lowercase();
        let mut id = *b"evt_00000000000000000000000000";
        id[4..].copy_from_slice(&text);
        (EventId(id), last.ulid.timestamp_ms())
    }
}

/// Chance that is the same for the same seed (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        // 32 bits are exact in a float, and enough.
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use ulid::Ulid;

    use super::{Envelope, EventIds};

    #[test]
    fn a_body_has_its_keys_in_the_documented_order() {
        let metadata: Map<String, Value> =
            [("user.id".to_owned(), json!("1"))].into_iter().collect();
        let me = json!({"id": "1@c.us", "pushName": "A \"b\""});
        let environment =
            json!({"version": "1", "engine": "NOWEB", "tier": "CORE", "browser": null});
        let whole = Envelope::new("default", "NOWEB", Some(&metadata), Some(&me), &environment);
        let body = whole.render("evt_1", 7, "presence.update", br#"{"id":"2@c.us"}"#);
        insta::assert_snapshot!(std::str::from_utf8(&body).unwrap(), @r#"{"id":"evt_1","timestamp":7,"event":"presence.update","session":"default","metadata":{"user.id":"1"},"me":{"id":"1@c.us","pushName":"A \"b\""},"payload":{"id":"2@c.us"},"environment":{"version":"1","engine":"NOWEB","tier":"CORE","browser":null},"engine":"NOWEB"}"#);
        let least = Envelope::new("d", "NOWEB", None, None, &environment);
        let body = least.render("evt_1", 7, "odd \"name\"", b"");
        insta::assert_snapshot!(std::str::from_utf8(&body).unwrap(), @r#"{"id":"evt_1","timestamp":7,"event":"odd \"name\"","session":"d","me":null,"payload":null,"environment":{"version":"1","engine":"NOWEB","tier":"CORE","browser":null},"engine":"NOWEB"}"#);
        serde_json::from_slice::<Value>(&body).unwrap();
    }

    #[test]
    fn ids_rise_within_a_millisecond_and_when_the_clock_goes_back() {
        let ids = EventIds::new(1);
        let times = [5, 5, 5, 6, 4, 4, 9];
        let (ids, times): (Vec<_>, Vec<_>) = times.iter().map(|&ms| ids.next(ms)).unzip();
        assert!(ids.is_sorted() && ids.windows(2).all(|two| two[0] != two[1]), "{ids:?}");
        assert_eq!(times, [5, 5, 5, 6, 6, 6, 9]);
    }

    #[test]
    fn ids_are_the_same_for_the_same_seed_and_lower_case() {
        let id = |seed| EventIds::new(seed).next(1_634_567_890_123).0;
        assert_eq!(id(1), id(1));
        assert_ne!(id(1), id(2));
        let ulid = Ulid::from_string(&id(1).as_str()[4..].to_uppercase()).unwrap();
        assert_eq!(ulid.timestamp_ms(), 1_634_567_890_123);
        assert_eq!(id(1).as_str(), id(1).as_str().to_lowercase());
        assert_eq!(id(1).as_str().len(), 30);
    }
}
