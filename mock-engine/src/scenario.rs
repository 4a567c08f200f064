//! Scenarios: who there is and what happens when, in a TOML file.
//!
//! ```
//! use mock_engine::Scenario;
//!
//! let scenario = Scenario::parse(r#"
//!     [contacts.alice]
//!     phone = "5511999990001"
//!
//!     [[timeline]]
//!     at = "2s"
//!     who = "alice"
//!     does = "typing"
//! "#).unwrap();
//! assert_eq!(scenario.steps.len(), 1);
//! ```
//!
//! [`mod@format`] is the file as it is written, and the source of its JSON Schema; a [`Scenario`] is what a
//! file means, every name in it checked.

mod check;
mod embedded;
mod error;
pub mod format;
mod include;
mod timeline;

use std::path::Path;

use host_sdk::{Clock, SystemClock};
use indexmap::IndexMap;
use serde_json::Value;

pub(crate) use check::LATEST_START;
pub use embedded::{EMBEDDED, Embedded};
pub use error::{Diagnostic, ScenarioError};
pub use format::{Expect, ExpectPresence, Is, Switch};
pub use timeline::{Due, Timeline};

use crate::{
    delay::Delay,
    faults::Faults,
    noweb::{Baileys, Event},
    time::Pace,
    traffic::Population,
    wire::Node,
    world::{Contact, Does, Group, Rules, World},
};

/// The default start of a stepped clock: 2023-06-14 05:08:46 UTC, the moment of
/// the documentation's examples, in Unix milliseconds.
pub const DEFAULT_START_MS: u64 = 1_686_719_326_000;

/// The engines that a session can be on. Only NOWEB has presence.
pub const ENGINES: [&str; 4] = ["NOWEB", "WEBJS", "WPP", "GOWS"];

/// What a scenario file means.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// The seed of its chance, unless the command line says another.
    pub seed: Option<u64>,
    /// Which version of Baileys' events the sessions get.
    pub baileys: Baileys,
    /// When its clock starts, in Unix seconds.
    pub start: Option<u64>,
    /// How long it plays, when that is not until the last step.
    pub duration: Option<Delay>,
    /// What the application subscribes to before the first step; `None` is everything.
    pub subscribe: Option<Vec<String>>,
    /// What the sessions get to see.
    pub rules: Rules,
    /// The sessions, in the order of the file; `default` when it names none.
    pub sessions: Vec<Session>,
    /// Whether it names its sessions; one that does not is played with those of the server.
    pub names_sessions: bool,
    /// Who there is, by name.
    pub contacts: IndexMap<String, Contact>,
    /// The groups, by name.
    pub groups: IndexMap<String, Group>,
    /// A generated population.
    pub traffic: Option<Population>,
    /// What happens, by time; what happens at the same time is in the order of the file.
    pub steps: Vec<Step>,
}

/// A session of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub name: String,
    /// Its engine.
    pub engine: String,
    /// The account's phone number; derived from the seed when absent.
    pub phone: Option<String>,
    /// The account's name.
    pub push_name: Option<String>,
    /// Whether it announces itself as online when it connects.
    pub online: bool,
}

impl Session {
    /// A NOWEB session of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            engine: "NOWEB".to_owned(),
            phone: None,
            push_name: None,
            online: true,
        }
    }
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub struct Step {
    /// How long after the start.
    pub at: Delay,
    /// Repetition: the interval and the total count (`None`: without end).
    pub repeat: Option<(Delay, Option<u32>)>,
    /// To which session; `None` is each that it can concern, and [`first_session`](Scenario::first_session)
    /// where it must be one.
    pub session: Option<String>,
    /// What.
    pub action: Action,
    /// Where it is written: `file:line`.
    pub source: String,
}

/// What happens in a step.
#[derive(Clone, Debug)]
pub enum Action {
    /// A contact does something.
    Act {
        /// Who, by name.
        who: String,
        /// What.
        does: Does,
        /// In which group, by name.
        chat: Option<String>,
        /// A message's text.
        text: Option<String>,
    },
    /// The connection to WhatsApp closes or opens.
    Connection {
        /// Which of the two.
        state: Switch,
        /// Baileys' code of a close.
        code: u16,
    },
    /// Stanzas arrive, whatever the rules say.
    Stanzas(Vec<Node>),
    /// An event is handed to the gateway as it is.
    Event(Event),
    /// Something starts to go wrong.
    Faults(Faults),
    /// The application subscribes to chats.
    Subscribe(Vec<String>),
    /// Something must be so.
    Expect(Box<Expect>),
}

impl Scenario {
    /// Reads a scenario from a text.
    ///
    /// # Errors
    ///
    /// Fails with everything that is wrong in it, each with its line and column.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        check::parse("scenario", text, None)
    }

    /// Reads a scenario from a text that came from `file`, for errors to name; it can include none.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_named(file: &str, text: &str) -> Result<Self, ScenarioError> {
        check::parse(file, text, None)
    }

    /// Reads a scenario file, and what it includes.
    ///
    /// # Errors
    ///
    /// Fails when a file cannot be read, or with everything that is wrong in it.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { file: path.display().to_string(), source })?;
        check::parse(&path.display().to_string(), &text, Some(path))
    }

    /// Reads the scenario that this program carries under that name.
    ///
    /// # Errors
    ///
    /// Fails when the name is unknown.
    pub fn embedded(name: &str) -> Result<Self, ScenarioError> {
        Embedded::find(name)?.scenario()
    }

    /// When its clock starts, in Unix milliseconds: a stepped one, unless the scenario says, where the
    /// documentation's examples are, a running one at the wall clock's time.
    pub fn start_ms(&self, pace: Pace) -> u64 {
        let start = self.start.map(|seconds| seconds.saturating_mul(1000));
        start.unwrap_or_else(|| match pace {
            Pace::Stepped => DEFAULT_START_MS,
            Pace::Running { .. } => SystemClock::new().now_ms(),
        })
    }

    /// The world before the first step, at `now` in Unix seconds.
    pub fn world(&self, seed: u64, now: u64) -> World {
        let mut world = World::new(seed, self.rules);
        for (name, contact) in &self.contacts {
            world.add_contact(name, contact.clone(), now);
        }
        for (name, group) in &self.groups {
            world.add_group(name, group.clone());
        }
        if let Some(population) = &self.traffic {
            population.settle(&mut world, seed, now);
        }
        for session in &self.sessions {
            world.add_session(&session.name);
        }
        world
    }

    /// Everything that happens, in order of time.
    pub fn timeline(&self, seed: u64, start_ms: u64) -> Timeline<'_> {
        Timeline::new(self, seed, start_ms)
    }

    /// When the scenario is over; `None` when it never is.
    pub fn ends(&self) -> Option<Delay> {
        if self.duration.is_some() {
            return self.duration;
        }
        if self.traffic.is_some() {
            return None;
        }
        let last = |step: &Step| match step.repeat {
            None => Some(step.at),
            Some((every, Some(times))) => {
                let more = every.as_millis().saturating_mul(u64::from(times.saturating_sub(1)));
                Some(Delay::from_millis(step.at.as_millis().saturating_add(more)))
            }
            Some((_, None)) => None,
        };
        self.steps.iter().map(last).try_fold(Delay::default(), |end, last| Some(end.max(last?)))
    }

    /// The session of what is about one, where a step does not say: the first that has presence.
    pub fn first_session(&self) -> &str {
        let noweb = self.sessions.iter().find(|session| session.engine == "NOWEB");
        noweb.or(self.sessions.first()).map_or("default", |session| &session.name)
    }

    /// The chats to subscribe to before the first step, by name.
    pub fn subscriptions(&self) -> Vec<String> {
        match &self.subscribe {
            Some(names) => names.clone(),
            None => self.contacts.keys().chain(self.groups.keys()).cloned().collect(),
        }
    }

    /// The same with the names of a generated population, which is subscribed to where nothing is said.
    pub(crate) fn all_subscriptions(&self) -> Vec<String> {
        let mut names = self.subscriptions();
        if let (None, Some(population)) = (&self.subscribe, &self.traffic) {
            names.extend(population.names());
        }
        names
    }

    /// The number of [`all_subscriptions`](Self::all_subscriptions).
    fn subscription_count(&self) -> usize {
        let generated = self.traffic.as_ref().map_or(0, Population::size);
        match &self.subscribe {
            Some(names) => names.len(),
            None => self.contacts.len() + self.groups.len() + generated,
        }
    }

    /// The JSON Schema of the format, for editors.
    pub fn schema() -> Value {
        let mut schema = schemars::schema_for!(format::File).to_value();
        schema["title"] = Value::from("mock-engine scenario");
        schema
    }
}
