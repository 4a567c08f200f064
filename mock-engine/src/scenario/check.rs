//! From the file as written to what it means: every name and number looked at, all errors at once.

mod step;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
};

use host_sdk::is_session_name;
use toml::Spanned;

use super::{
    Diagnostic, ENGINES, Scenario, ScenarioError, Session,
    format::{ContactTable, GroupTable, SessionTable},
    include::{Reader, Source},
};
use crate::{
    nearest::did_you_mean,
    traffic::Population,
    world::{Contact, Group},
};

/// The latest start: the end of the year 9999, in Unix seconds.
pub(crate) const LATEST_START: u64 = 253_402_300_799;

/// The most errors that are listed. Each can take time in proportion to the scenario.
const MAX_ERRORS: usize = 100;

/// The longest name of a contact or group, in bytes.
const MAX_NAME: usize = 100;

/// The most sessions of a scenario.
const MAX_SESSIONS: usize = 1_000;

/// The most subscriptions before the first step: NOWEB sessions times subscribed chats.
const MAX_SUBSCRIPTIONS: usize = 1_000_000;

/// Reads a text; what it includes is looked for beside `path`.
pub(super) fn parse(
    file: &str,
    text: &str,
    path: Option<&Path>,
) -> Result<Scenario, ScenarioError> {
    let mut reader = Reader::default();
    reader.read(file, text, path);
    if reader.diagnostics.is_empty() {
        let mut checker = Checker::default();
        checker.check(&reader.sources);
        reader.diagnostics = checker.diagnostics;
        if reader.diagnostics.is_empty() {
            return Ok(checker.scenario);
        }
    }
    Err(ScenarioError::Wrong(reader.diagnostics))
}

#[derive(Default)]
struct Checker {
    diagnostics: Vec<Diagnostic>,
    scenario: Scenario,
    /// The owner of each phone number, LID and group id.
    owners: BTreeMap<String, String>,
}

/// Map entries by their place in the file.
fn in_order<T>(table: &BTreeMap<Spanned<String>, T>) -> Vec<(&Spanned<String>, &T)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

impl Checker {
    fn check(&mut self, sources: &[Source]) {
        let Some(root) = sources.last() else { return };
        let stem =
            Path::new(&root.name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        self.scenario.name = root.file.name.clone().or(stem).unwrap_or_default();
        self.scenario.description = root.file.description.clone().unwrap_or_default();
        // What a file does not say is as the last one says that it includes.
        let newest_first = || sources.iter().rev();
        self.scenario.baileys = newest_first().find_map(|it| it.file.baileys).unwrap_or_default();
        self.scenario.seed = newest_first().find_map(|it| it.file.seed);
        if let Some(source) = newest_first().find(|it| it.file.start.is_some()) {
            self.start(source);
        }
        self.scenario.duration = newest_first().find_map(|it| it.file.duration);
        self.scenario.rules = newest_first().find_map(|it| it.file.rules).unwrap_or_default();
        let traffic = newest_first().find_map(|it| Some((it, it.file.traffic.as_ref()?)));
        if let Some((source, traffic)) = traffic {
            match traffic.get_ref().fault() {
                // What is built on a population that is too large is not checked.
                Some(fault) => self.wrong(source, &traffic.span(), fault),
                None => self.scenario.traffic = Some(traffic.get_ref().clone()),
            }
        }
        for source in sources {
            for (name, table) in in_order(&source.file.contacts) {
                self.contact(source, name, table);
            }
        }
        for source in sources {
            for (name, table) in in_order(&source.file.groups) {
                self.group(source, name, table);
            }
            for (name, table) in in_order(&source.file.sessions) {
                self.session(source, name, table);
            }
        }
        self.scenario.names_sessions = !self.scenario.sessions.is_empty();
        if self.scenario.sessions.is_empty() {
            self.scenario.sessions.push(Session::new("default"));
        }
        let subscribe = newest_first().find_map(|it| Some((it, it.file.subscribe.as_ref()?)));
        if let Some((source, names)) = subscribe {
            names.iter().for_each(|name| self.known(source, name));
            self.scenario.subscribe =
                Some(names.iter().map(|name| name.get_ref().clone()).collect());
        }
        self.bound_sessions(root);
        for source in sources {
            for step in &source.file.timeline {
                if self.is_full() {
                    return;
                }
                self.step(source, step);
            }
        }
        self.scenario.steps.sort_by_key(|step| step.at);
    }

    fn wrong(&mut self, source: &Source, span: &Range<usize>, message: impl Into<String>) {
        if self.is_full() {
            return;
        }
        let mut message = message.into();
        if self.diagnostics.len() + 1 == MAX_ERRORS {
            message.push_str("; further errors are not listed");
        }
        self.diagnostics.push(Diagnostic::at(&source.name, &source.text, span, message));
    }

    fn is_full(&self) -> bool {
        self.diagnostics.len() == MAX_ERRORS
    }

    fn bound_sessions(&mut self, root: &Source) {
        let first = root.file.sessions.keys().map(Spanned::span).min_by_key(|span| span.start);
        let place = first.unwrap_or(0..0);
        let sessions = self.scenario.sessions.len();
        if sessions > MAX_SESSIONS {
            let message = format!("expected at most {MAX_SESSIONS} sessions, found {sessions}");
            return self.wrong(root, &place, message);
        }
        let noweb = self.scenario.sessions.iter().filter(|it| it.engine == "NOWEB").count();
        let chats = self.scenario.subscription_count();
        let subscriptions = noweb.saturating_mul(chats);
        if subscriptions > MAX_SUBSCRIPTIONS {
            let message = format!(
                "sessions times subscribed chats: expected at most {MAX_SUBSCRIPTIONS}, found \
                 {subscriptions}; subscribe to fewer with `subscribe`"
            );
            self.wrong(root, &place, message);
        }
    }

    fn start(&mut self, source: &Source) {
        let Some(start) = &source.file.start else { return };
        if *start.get_ref() > LATEST_START {
            let message = format!("start: expected Unix seconds up to {LATEST_START}");
            self.wrong(source, &start.span(), message);
        }
        self.scenario.start = Some(*start.get_ref());
    }

    fn contact(&mut self, source: &Source, name: &Spanned<String>, table: &ContactTable) {
        self.new_name(source, name);
        for digits in [&table.phone, &table.lid].into_iter().flatten() {
            self.digits(source, digits);
            self.new_number(source, digits, name);
        }
        if table.phone.is_none() && table.lid.is_none() {
            self.wrong(source, &name.span(), "a contact needs a phone or a lid");
        }
        let contact = Contact {
            phone: table.phone.as_ref().map(|it| it.get_ref().clone()),
            lid: table.lid.as_ref().map(|it| it.get_ref().clone()),
            name: table.name.clone(),
            last_seen_visible: table.last_seen,
            online_visible: table.online,
            stranger: table.stranger,
            addressing: table.addressing,
            last_online_before: table.last_online,
            ..Contact::default()
        };
        self.scenario.contacts.insert(name.get_ref().clone(), contact);
    }

    fn group(&mut self, source: &Source, name: &Spanned<String>, table: &GroupTable) {
        let id = table.id.get_ref();
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_digit() || c == '-') {
            let message = format!("invalid group id {id:?}; expected digits");
            self.wrong(source, &table.id.span(), message);
        }
        self.new_name(source, name);
        self.new_number(source, &table.id, name);
        let mut named = BTreeSet::new();
        for participant in &table.participants {
            self.known_contact(source, participant);
            if !named.insert(participant.get_ref()) {
                let message = format!("{:?} is named twice", participant.get_ref());
                self.wrong(source, &participant.span(), message);
            }
        }
        let group = Group {
            id: id.clone(),
            participants: table.participants.iter().map(|it| it.get_ref().clone()).collect(),
            addressing: table.addressing,
        };
        self.scenario.groups.insert(name.get_ref().clone(), group);
    }

    fn session(&mut self, source: &Source, name: &Spanned<String>, table: &SessionTable) {
        if let Some(phone) = &table.phone {
            self.digits(source, phone);
        }
        if !is_session_name(name.get_ref()) {
            let message = format!(
                "invalid session name {:?}; expected 1 to 64 letters, digits, '-' or '_'",
                name.get_ref()
            );
            self.wrong(source, &name.span(), message);
        }
        if self.scenario.sessions.iter().any(|other| other.name == *name.get_ref()) {
            let message = format!("there are two sessions {:?}", name.get_ref());
            self.wrong(source, &name.span(), message);
        }
        let mut session = Session::new(name.get_ref());
        if let Some(engine) = &table.engine {
            self.one_of(source, engine, "engine", &ENGINES);
            session.engine.clone_from(engine.get_ref());
        }
        session.phone = table.phone.as_ref().map(|phone| phone.get_ref().clone());
        session.push_name.clone_from(&table.push_name);
        session.online = table.online.unwrap_or(true);
        self.scenario.sessions.push(session);
    }

    /// Whether the text is one of the words; what they are is said in the message.
    fn one_of(&mut self, source: &Source, text: &Spanned<String>, what: &str, words: &[&str]) {
        if !words.contains(&text.get_ref().as_str()) {
            let (found, words_shown) = (text.get_ref(), words.join(", "));
            let hint = did_you_mean(found, words.iter().copied());
            let message =
                format!("{found:?} is not a valid {what}; expected one of {words_shown}{hint}");
            self.wrong(source, &text.span(), message);
        }
    }

    fn is_contact(&self, name: &str) -> bool {
        let generated = |population: &Population| population.has_contact(name);
        self.scenario.contacts.contains_key(name)
            || self.scenario.traffic.as_ref().is_some_and(generated)
    }

    fn is_group(&self, name: &str) -> bool {
        let generated = |population: &Population| population.has_group(name);
        self.scenario.groups.contains_key(name)
            || self.scenario.traffic.as_ref().is_some_and(generated)
    }

    fn is_in(&self, who: &str, group: &str) -> bool {
        match self.scenario.groups.get(group) {
            Some(group) => group.participants.contains(who),
            None => self.scenario.traffic.as_ref().is_some_and(|it| it.is_in(who, group)),
        }
    }

    fn new_name(&mut self, source: &Source, name: &Spanned<String>) {
        if name.get_ref().len() > MAX_NAME {
            let found = name.get_ref().len();
            let message = format!("the name has {found} bytes; expected at most {MAX_NAME}");
            self.wrong(source, &name.span(), message);
        }
        if self.is_contact(name.get_ref()) || self.is_group(name.get_ref()) {
            let message = format!("the name {:?} is already used", name.get_ref());
            self.wrong(source, &name.span(), message);
        }
    }

    fn new_number(&mut self, source: &Source, number: &Spanned<String>, owner: &Spanned<String>) {
        let generated = self.scenario.traffic.as_ref().and_then(|it| it.owner_of(number.get_ref()));
        let before = self.owners.insert(number.get_ref().clone(), owner.get_ref().clone());
        if let Some(other) = before.or(generated) {
            let message = format!("{other:?} already has the number {}", number.get_ref());
            self.wrong(source, &number.span(), message);
        }
    }

    fn known_contact(&mut self, source: &Source, name: &Spanned<String>) {
        if !self.is_full() && !self.is_contact(name.get_ref()) {
            let contacts = self.scenario.contacts.keys().map(String::as_str);
            let hint = did_you_mean(name.get_ref(), contacts);
            let message = format!("there is no contact {:?}{hint}", name.get_ref());
            self.wrong(source, &name.span(), message);
        }
    }

    fn known_group(&mut self, source: &Source, name: &Spanned<String>) {
        if !self.is_full() && !self.is_group(name.get_ref()) {
            let groups = self.scenario.groups.keys().map(String::as_str);
            let hint = did_you_mean(name.get_ref(), groups);
            let message = format!("there is no group {:?}{hint}", name.get_ref());
            self.wrong(source, &name.span(), message);
        }
    }

    fn known(&mut self, source: &Source, name: &Spanned<String>) {
        if !self.is_full() && !self.is_contact(name.get_ref()) && !self.is_group(name.get_ref()) {
            let names = self.scenario.contacts.keys().chain(self.scenario.groups.keys());
            let hint = did_you_mean(name.get_ref(), names.map(String::as_str));
            let message = format!("there is no contact or group {:?}{hint}", name.get_ref());
            self.wrong(source, &name.span(), message);
        }
    }

    fn digits(&mut self, source: &Source, text: &Spanned<String>) {
        let digits = text.get_ref();
        if !(4..=20).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("invalid number {digits:?}; expected 4 to 20 digits");
            self.wrong(source, &text.span(), message);
        }
    }
}

#[cfg(test)]
mod tests;
