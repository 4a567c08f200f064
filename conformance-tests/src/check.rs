//! A check: one requirement, and the function that tests whether a target meets it.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{Context, Verdict};

/// One requirement on a presence API.
///
/// Its profile follows from the other fields: a MAY is an extension; a check that rests on a
/// statement of the documentation belongs to the profile documentation; any other describes how
/// WAHA behaves.
#[derive(Clone)]
pub struct Check {
    /// Its stable name: `presence/get-chat/direct-chat-has-one-participant`.
    pub id: &'static str,
    /// How binding it is.
    pub level: Level,
    /// Its section of the catalogue.
    pub section: &'static str,
    /// The requirement, in one sentence.
    pub requirement: &'static str,
    /// The [statements](crate::statements) of the documentation that it rests on.
    pub rests_on: &'static [&'static str],
    /// Its prerequisites.
    pub needs: &'static [Need],
    /// How a conflict in the public documentation was resolved, and why.
    pub note: Option<&'static str>,
    /// The [deliberate difference](crate::differences) from WAHA that it shows.
    pub differs: Option<&'static str>,
    pub(crate) run: Run,
}

/// The function of a check.
pub type Run = Arc<dyn Fn(Context) -> BoxFuture<'static, Verdict> + Send + Sync>;

impl Check {
    pub(crate) fn must<F: Future<Output = Verdict> + Send + 'static>(
        id: &'static str,
        run: fn(Context) -> F,
    ) -> Self {
        Self::new(Level::Must, id, run)
    }

    pub(crate) fn should<F: Future<Output = Verdict> + Send + 'static>(
        id: &'static str,
        run: fn(Context) -> F,
    ) -> Self {
        Self::new(Level::Should, id, run)
    }

    pub(crate) fn may<F: Future<Output = Verdict> + Send + 'static>(
        id: &'static str,
        run: fn(Context) -> F,
    ) -> Self {
        Self::new(Level::May, id, run)
    }

    fn new<F: Future<Output = Verdict> + Send + 'static>(
        level: Level,
        id: &'static str,
        run: fn(Context) -> F,
    ) -> Self {
        let (rests_on, needs, note, differs) = (&[], &[], None, None);
        let (section, requirement) = ("", "");
        let run: Run = Arc::new(move |cx| Box::pin(run(cx)));
        Self { id, level, section, requirement, rests_on, needs, note, differs, run }
    }

    pub(crate) fn requires(mut self, requirement: &'static str) -> Self {
        self.requirement = requirement;
        self
    }

    pub(crate) fn rests_on(mut self, statements: &'static [&'static str]) -> Self {
        self.rests_on = statements;
        self
    }

    pub(crate) fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    pub(crate) fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    pub(crate) fn differs(mut self, difference: &'static str) -> Self {
        self.differs = Some(difference);
        self
    }

    /// The smallest profile that includes it.
    pub fn profile(&self) -> Profile {
        match (self.level, self.rests_on) {
            (Level::May, _) => Profile::Extensions,
            (_, []) => Profile::Waha,
            _ => Profile::Documentation,
        }
    }

    /// Whether it needs a driver.
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
    /// WAHA does so, or the documentation implies it.
    Should,
    /// An optional extension.
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

/// The part of the catalogue that is tried; each profile includes the previous one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The documentation's statements and what they imply.
    Documentation,
    /// WAHA's behaviour beyond the documentation.
    #[default]
    Waha,
    /// Extensions that only some servers offer.
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

/// A prerequisite of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A driver with this ability.
    Driver(Ability),
    /// Deliveries to the suite's own webhook receiver.
    Webhook,
    /// A second session, created and deleted through WAHA's sessions API.
    SecondSession,
    /// The target's WebSocket endpoint.
    WebSocket,
    /// An API key that the target requires.
    ApiKey,
    /// A session on an engine other than NOWEB.
    OtherEngine,
}

/// Something that a driver can make happen on the engine's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ability {
    /// A contact comes online, goes offline, types, records or stops.
    Presence,
    /// Any number of generated contacts do so, with a chosen last seen.
    People,
    /// Participants of a group do so.
    Groups,
    /// A contact sends a message.
    Messages,
    /// Any stanza or event arrives, including ones that no phone would send.
    Raw,
    /// The connection to WhatsApp closes and opens.
    Connection,
    /// The stanzas that the target sent to WhatsApp can be read.
    Journal,
    /// Sending to WhatsApp fails on demand.
    Faults,
    /// Newly created sessions reach WORKING by themselves.
    NewSessions,
    /// A session's status can be set.
    Status,
}

impl Ability {
    /// The ability as a verb phrase: "make a contact send a message".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Presence => "make a contact come online, type and go offline",
            Self::People => "generate contacts and choose their last seen",
            Self::Groups => "change the presence of a group's participants",
            Self::Messages => "make a contact send a message",
            Self::Raw => "send any stanza or event",
            Self::Connection => "close and open the connection to WhatsApp",
            Self::Journal => "show the stanzas sent to WhatsApp",
            Self::Faults => "make sending to WhatsApp fail",
            Self::NewSessions => "bring a newly created session to WORKING",
            Self::Status => "set a session's status",
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(ability) => write!(f, "a driver that can {}", ability.as_str()),
            Self::Webhook => f.write_str("a webhook to the suite's receiver"),
            Self::SecondSession => f.write_str("the sessions API, to create a session"),
            Self::WebSocket => f.write_str("the WebSocket /ws"),
            Self::ApiKey => f.write_str("a target that requires an API key, and --api-key"),
            Self::OtherEngine => {
                f.write_str("a session on an engine other than NOWEB: --other-engine-session NAME")
            }
        }
    }
}
