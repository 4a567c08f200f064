//! Takes the people out of a recording and leaves what they did.
//!
//! Whoever is met gets a number, in the order of their first appearance and from a seed, that has nothing
//! to do with their own: one person stays one person, and nothing leads back. What is not known to be
//! harmless is replaced.

use indexmap::{IndexMap, IndexSet};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::Recorded;

/// Baileys' own words in its events: kept, in these fields.
const WORDS: [(&str, &[&str]); 9] = [
    ("lastKnownPresence", &["unavailable", "available", "composing", "recording", "paused"]),
    ("presence", &["unavailable", "available", "composing", "recording", "paused"]),
    ("connection", &["open", "close", "connecting"]),
    ("type", &["notify", "append", "replace", "text", "media", "poll", "reaction"]),
    (
        "message",
        &[
            "Bad Session",
            "Connection Closed",
            "Connection Failure",
            "Connection Lost",
            "Connection Replaced",
            "Logged Out",
            "Multidevice Mismatch",
            "Restart Required",
            "Timed Out",
            "Unavailable Service",
        ],
    ),
    ("addressingMode", &["lid", "pn"]),
    ("status", &["ERROR", "PENDING", "SERVER_ACK", "DELIVERY_ACK", "READ", "PLAYED"]),
    ("action", &["add", "remove", "promote", "demote", "modify"]),
    ("server", &["s.whatsapp.net", "g.us", "lid"]),
];

/// Fields whose numbers are times, counts or codes.
const NUMBERS: [&str; 12] = [
    "lastSeen",
    "messageTimestamp",
    "timestamp",
    "t",
    "last",
    "date",
    "statusCode",
    "code",
    "count",
    "seconds",
    "status",
    "ephemeralDuration",
];

/// The fields of Baileys' events; the name of any other could be anything.
const FIELDS: [&str; 76] = [
    "addressingMode",
    "agentId",
    "attrs",
    "audioMessage",
    "broadcast",
    "buttonsMessage",
    "caption",
    "contactMessage",
    "contactsArrayMessage",
    "contextInfo",
    "conversation",
    "data",
    "degreesLatitude",
    "degreesLongitude",
    "displayName",
    "documentMessage",
    "editedMessage",
    "ephemeralMessage",
    "error",
    "event",
    "expiration",
    "extendedTextMessage",
    "fileLength",
    "fromMe",
    "height",
    "high",
    "id",
    "imageMessage",
    "isForwarded",
    "isNewLogin",
    "isOnline",
    "jpegThumbnail",
    "key",
    "lastDisconnect",
    "legacy",
    "listMessage",
    "liveLocationMessage",
    "locationMessage",
    "low",
    "mediaKey",
    "mentionedJid",
    "message",
    "messageContextInfo",
    "messageStubParameters",
    "messageStubType",
    "messages",
    "mimetype",
    "options",
    "output",
    "participant",
    "participantAlt",
    "payload",
    "phoneConnected",
    "pollCreationMessage",
    "pollUpdateMessage",
    "presences",
    "protocolMessage",
    "qr",
    "quotedMessage",
    "reactionMessage",
    "receivedPendingNotifications",
    "remoteJid",
    "remoteJidAlt",
    "senderKeyDistributionMessage",
    "stanzaId",
    "stickerMessage",
    "tag",
    "text",
    "title",
    "unsigned",
    "url",
    "user",
    "vcard",
    "videoMessage",
    "viewOnceMessage",
    "width",
];

/// Fields that hold a person's name.
const NAMES: [&str; 6] =
    ["pushName", "notify", "verifiedName", "verifiedBizName", "name", "subject"];

/// Numbers of at least this many digits could be phone numbers.
const LONG_NUMBER: usize = 5;

const FILLER: &str =
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor ";

/// Replaces numbers, names and texts, consistently over all that it is given.
#[derive(Debug)]
pub struct Scrubber {
    chance: ChaCha8Rng,
    people: StandIns,
    lids: StandIns,
    groups: StandIns,
    names: IndexMap<String, String>,
    ids: StandIns,
    sessions: IndexMap<String, String>,
}

impl Scrubber {
    /// A scrubber whose new numbers come from a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            chance: ChaCha8Rng::seed_from_u64(seed),
            people: StandIns::default(),
            lids: StandIns::default(),
            groups: StandIns::default(),
            names: IndexMap::new(),
            ids: StandIns::default(),
            sessions: IndexMap::new(),
        }
    }

    /// The event without its people.
    pub fn scrub(&mut self, recorded: Recorded) -> Recorded {
        let event = match recorded.event.as_str() {
            "presence.update" | "messages.upsert" | "connection.update" => recorded.event,
            _ => "other".to_owned(),
        };
        Recorded {
            time: recorded.time,
            session: self.session(recorded.session),
            event,
            data: self.value("", recorded.data, false),
        }
    }

    fn session(&mut self, name: String) -> String {
        if name == "default" {
            return name;
        }
        let number = self.sessions.len() + 1;
        self.sessions.entry(name).or_insert_with(|| format!("session-{number}")).clone()
    }

    /// `field` is where the value stands; `times` says that numbers within it are times.
    fn value(&mut self, field: &str, value: Value, times: bool) -> Value {
        let times = times || NUMBERS.contains(&field);
        match value {
            Value::Null | Value::Bool(_) => value,
            Value::Number(ref number) => {
                let harmless = times && is_harmless(&number.to_string());
                if harmless { value } else { json!(0) }
            }
            Value::String(text) => Value::String(self.text(field, text, times)),
            Value::Array(items) => {
                items.into_iter().map(|item| self.value(field, item, times)).collect()
            }
            Value::Object(fields) => {
                let mut scrubbed = Map::new();
                for (name, value) in fields {
                    let new_name = self.field_name(&name);
                    let value = self.value(&name, value, times);
                    scrubbed.insert(new_name, value);
                }
                Value::Object(scrubbed)
            }
        }
    }

    fn field_name(&mut self, name: &str) -> String {
        if let Some(jid) = self.jid(name) {
            return jid;
        }
        let known = FIELDS.contains(&name)
            || NUMBERS.contains(&name)
            || NAMES.contains(&name)
            || WORDS.iter().any(|(field, _)| *field == name);
        if known { name.to_owned() } else { self.id(name) }
    }

    fn text(&mut self, field: &str, text: String, times: bool) -> String {
        if let Some(jid) = self.jid(&text) {
            return jid;
        }
        if times && is_harmless(&text) {
            return text;
        }
        if text.len() >= LONG_NUMBER && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.person(&text);
        }
        if WORDS.iter().any(|(of, words)| *of == field && words.contains(&text.as_str())) {
            return text;
        }
        if NAMES.contains(&field) {
            let number = self.names.len() + 1;
            return self.names.entry(text).or_insert_with(|| format!("Person {number}")).clone();
        }
        if matches!(field, "id" | "stanzaId") {
            return self.id(&text);
        }
        FILLER.chars().cycle().take(text.chars().count()).collect()
    }

    /// The new jid for a text that is one.
    fn jid(&mut self, text: &str) -> Option<String> {
        let (user, server) = text.rsplit_once('@')?;
        let (user, device) = match user.split_once(':') {
            Some((user, device))
                if device.len() < 4 && device.bytes().all(|it| it.is_ascii_digit()) =>
            {
                (user, format!(":{device}"))
            }
            _ => (user, String::new()),
        };
        let new = match server {
            "s.whatsapp.net" | "c.us" if user.is_empty() => String::new(),
            "s.whatsapp.net" | "c.us" | "hosted" => self.person(user),
            "lid" | "hosted.lid" => self.lid(user),
            "g.us" | "newsletter" => self.group(user),
            "broadcast" if user == "status" => user.to_owned(),
            "broadcast" | "bot" | "call" => self.group(user),
            _ => return None,
        };
        Some(format!("{new}{device}@{server}"))
    }

    /// No country has the code 999, so no new number is anybody's.
    fn person(&mut self, user: &str) -> String {
        let Self { people, chance, .. } = self;
        people.of(user, || format!("999{:010}", chance.random_range(0..10_000_000_000_u64)))
    }

    fn lid(&mut self, user: &str) -> String {
        let Self { lids, chance, .. } = self;
        lids.of(user, || format!("999{:012}", chance.random_range(0..1_000_000_000_000_u64)))
    }

    fn group(&mut self, user: &str) -> String {
        let Self { groups, chance, .. } = self;
        let new = || format!("999{:015}", chance.random_range(0..1_000_000_000_000_000_u64));
        groups.of(user, new)
    }

    fn id(&mut self, id: &str) -> String {
        let Self { ids, chance, .. } = self;
        ids.of(id, || format!("3EB0{:016X}", chance.random::<u64>()))
    }
}

/// Whether digits are a small number, or a time of WhatsApp's: Unix seconds or milliseconds from 2009 to
/// 2099.
fn is_harmless(digits: &str) -> bool {
    const SECONDS: std::ops::Range<u64> = 1_230_768_000..4_102_444_800;
    digits.parse().is_ok_and(|number: u64| {
        number < 10_000 || SECONDS.contains(&number) || SECONDS.contains(&(number / 1000))
    })
}

/// The replacement of each id: always the same, and unique.
#[derive(Debug, Default)]
struct StandIns {
    known: IndexMap<String, String>,
    taken: IndexSet<String>,
}

impl StandIns {
    fn of(&mut self, real: &str, mut new: impl FnMut() -> String) -> String {
        if let Some(known) = self.known.get(real) {
            return known.clone();
        }
        let mut made = new();
        while !self.taken.insert(made.clone()) {
            made = new();
        }
        self.known.insert(real.to_owned(), made.clone());
        made
    }
}

#[cfg(test)]
mod tests;
