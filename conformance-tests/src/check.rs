//! A check: one promise, and the function that tries whether a target keeps it.

use std::fmt;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{Context, Verdict};

/// One promise of a presence API.
///
/// Its profile follows from the rest: a MAY is an extension; what rests on a statement of the
/// documentation belongs to the documentation; anything else is how today's WAHA behaves.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its name, for good: `presence/get-chat/direct-chat-has-one-participant`.
    pub id: &'static str,
    /// How binding it is.
    pub level: Level,
    /// The part of the catalogue that it stands in.
    pub section: &'static str,
    /// What must be so, in a sentence.
    pub requirement: &'static str,
    /// The [statements](crate::statements) of the documentation that say so.
    pub rests_on: &'static [&'static str],
    /// What it cannot be tried without.
    pub needs: &'static [Need],
    /// How a conflict in the public documentation is decided, and why.
    pub note: Option<&'static str>,
    pub(crate) run: Run,
}

/// The function of a check.
pub type Run = fn(Context) -> BoxFuture<'static, Verdict>;

impl Check {
    pub(crate) const fn must(id: &'static str, requirement: &'static str, run: Run) -> Self {
        Self::new(Level::Must, id, requirement, run)
    }

    pub(crate) const fn should(id: &'static str, requirement: &'static str, run: Run) -> Self {
        Self::new(Level::Should, id, requirement, run)
    }

    pub(crate) const fn may(id: &'static str, requirement: &'static str, run: Run) -> Self {
        Self::new(Level::May, id, requirement, run)
    }

    const fn new(level: Level, id: &'static str, requirement: &'static str, run: Run) -> Self {
        let (rests_on, needs, note, section) = (&[], &[], None, "");
        Self { id, level, section, requirement, rests_on, needs, note, run }
    }

    pub(crate) const fn rests_on(mut self, statements: &'static [&'static str]) -> Self {
        self.rests_on = statements;
        self
    }

    pub(crate) const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    pub(crate) const fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// The smallest profile that it belongs to.
    pub fn profile(&self) -> Profile {
        match (self.level, self.rests_on) {
            (Level::May, _) => Profile::Extensions,
            (_, []) => Profile::Waha,
            _ => Profile::Documentation,
        }
    }

    /// Whether it needs a driver that can make the engine do something.
    pub fn needs_driver(&self) -> bool {
        self.needs.iter().any(|need| matches!(need, Need::Driver(_)))
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({} {})", self.level, self.id)
    }
}

/// How binding a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// The documentation says so.
    Must,
    /// Today's WAHA does so, or the documentation implies it.
    Should,
    /// An extension, which a target need not have.
    May,
}

impl Level {
    /// The word: `MUST`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much of the catalogue is tried; each profile holds the one before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What the documentation says or implies.
    Documentation,
    /// And how today's WAHA behaves beyond it.
    #[default]
    Waha,
    /// And what only some servers offer.
    Extensions,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Documentation => "documentation",
            Self::Waha => "waha",
            Self::Extensions => "extensions",
        })
    }
}

/// What a check cannot be tried without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A driver that can do this.
    Driver(Ability),
    /// Deliveries to the suite's own webhook receiver.
    Webhook,
    /// A second session, made and deleted through WAHA's sessions API.
    SecondSession,
    /// The target's WebSocket.
    WebSocket,
    /// An API key that the target asks for.
    ApiKey,
    /// A session on another engine than NOWEB.
    OtherEngine,
}

/// What a driver can make happen on the engine's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ability {
    /// A contact comes online, goes offline, types, records, stops.
    Presence,
    /// Any number of made-up contacts do, whose last seen can be chosen.
    People,
    /// They do so in a group.
    Groups,
    /// A contact sends a message.
    Messages,
    /// Any stanza or event at all, also one that no phone would send.
    Raw,
    /// The connection to WhatsApp closes and opens.
    Connection,
    /// What the target sent to WhatsApp can be read.
    Journal,
    /// Sends to WhatsApp can be made to fail.
    Faults,
    /// Sessions that are newly made become WORKING by themselves.
    NewSessions,
    /// A session's status can be set.
    Status,
}

impl Ability {
    /// What it is good for: "put people into groups".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Presence => "make a contact come online, type and go offline",
            Self::People => "make up contacts and their last seen",
            Self::Groups => "make participants of a group do something",
            Self::Messages => "make a contact send a message",
            Self::Raw => "send any stanza or event",
            Self::Connection => "close and open the connection to WhatsApp",
            Self::Journal => "show what was sent to WhatsApp",
            Self::Faults => "make sends to WhatsApp fail",
            Self::NewSessions => "bring a newly made session to WORKING",
            Self::Status => "set a session's status",
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(ability) => write!(f, "a driver that can {}", ability.as_str()),
            Self::Webhook => f.write_str("a webhook to the suite's receiver"),
            Self::SecondSession => f.write_str("the sessions API, for a session of its own"),
            Self::WebSocket => f.write_str("the WebSocket /ws"),
            Self::ApiKey => f.write_str("a target that asks for an API key, and --api-key"),
            Self::OtherEngine => {
                f.write_str("a session on another engine than NOWEB: --other-engine-session NAME")
            }
        }
    }
}
