//! From the file as written to what it means: every name and number looked at, all errors at once.

use std::{
    collections::BTreeSet,
    ops::Range,
    path::{Path, PathBuf},
};

use toml::Spanned;

use super::{
    Action, Diagnostic, Expect, ExpectPresence, Scenario, ScenarioError, Session, Step,
    format::{ContactTable, ExpectTable, File, GroupTable, SessionTable, StepTable},
};
use crate::{
    delay::Delay,
    nearest::did_you_mean,
    noweb::Event,
    wire::Node,
    world::{Contact, Does, Group},
};

/// Reads a text; what it includes is looked for beside `path`.
pub(super) fn parse(
    file: &str,
    text: &str,
    path: Option<&Path>,
) -> Result<Scenario, ScenarioError> {
    let mut reader = Reader::default();
    reader.read(file, text, path)?;
    if reader.diagnostics.is_empty() {
        let mut checker = Checker { diagnostics: Vec::new(), scenario: Scenario::default() };
        checker.check(&reader.sources);
        reader.diagnostics = checker.diagnostics;
        if reader.diagnostics.is_empty() {
            return Ok(checker.scenario);
        }
    }
    Err(ScenarioError::Wrong(reader.diagnostics))
}

/// A file, read.
struct Source {
    name: String,
    text: String,
    file: File,
}

#[derive(Default)]
struct Reader {
    /// Included files stand before those that include them.
    sources: Vec<Source>,
    open: BTreeSet<PathBuf>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader {
    fn read(&mut self, name: &str, text: &str, path: Option<&Path>) -> Result<(), ScenarioError> {
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                self.diagnostics.push(Diagnostic::of_toml(name, text, &error));
                return Ok(());
            }
        };
        if let Some(path) = path {
            self.open.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        }
        for include in &file.include {
            let wrong = |message| Diagnostic::at(name, text, &include.span(), message);
            let Some(folder) = path.and_then(Path::parent) else {
                let message = "only a scenario that is a file can include others";
                self.diagnostics.push(wrong(message.to_owned()));
                continue;
            };
            let included = folder.join(include.get_ref());
            let canonical = included.canonicalize().unwrap_or_else(|_| included.clone());
            if self.open.contains(&canonical) {
                continue;
            }
            match std::fs::read_to_string(&included) {
                Ok(text) => {
                    self.read(&included.display().to_string(), &text, Some(&included))?;
                }
                Err(error) => {
                    let message = format!("failed to read {}: {error}", included.display());
                    self.diagnostics.push(wrong(message));
                }
            }
        }
        self.sources.push(Source { name: name.to_owned(), text: text.to_owned(), file });
        Ok(())
    }
}

struct Checker {
    diagnostics: Vec<Diagnostic>,
    scenario: Scenario,
}

/// Map entries by their place in the file.
fn in_order<T>(
    table: &std::collections::BTreeMap<Spanned<String>, T>,
) -> Vec<(&Spanned<String>, &T)> {
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
        self.scenario.seed = root.file.seed;
        self.scenario.start = root.file.start;
        self.scenario.duration = root.file.duration;
        let newest_first = || sources.iter().rev();
        self.scenario.rules = newest_first().find_map(|it| it.file.rules).unwrap_or_default();
        self.scenario.traffic = newest_first().find_map(|it| it.file.traffic.clone());
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
        if self.scenario.sessions.is_empty() {
            self.scenario.sessions.push(Session::new("default"));
        }
        if let Some(names) = &root.file.subscribe {
            names.iter().for_each(|name| self.known(root, name));
            self.scenario.subscribe =
                Some(names.iter().map(|name| name.get_ref().clone()).collect());
        }
        for source in sources {
            for step in &source.file.timeline {
                self.step(source, step);
            }
        }
        self.scenario.steps.sort_by_key(|step| step.at);
    }

    fn wrong(&mut self, source: &Source, span: &Range<usize>, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::at(&source.name, &source.text, span, message.into()));
    }

    fn contact(&mut self, source: &Source, name: &Spanned<String>, table: &ContactTable) {
        for digits in [&table.phone, &table.lid].into_iter().flatten() {
            self.digits(source, digits);
            let taken = self.scenario.contacts.iter().find(|(_, other)| {
                [&other.phone, &other.lid].into_iter().flatten().any(|id| id == digits.get_ref())
            });
            if let Some((other, _)) = taken {
                let message = format!("{:?} already has the number {}", other, digits.get_ref());
                self.wrong(source, &digits.span(), message);
            }
        }
        if table.phone.is_none() && table.lid.is_none() {
            self.wrong(source, &name.span(), "a contact needs a phone or a lid");
        }
        if self.scenario.contacts.iter().any(|(other, _)| other == name.get_ref()) {
            self.wrong(
                source,
                &name.span(),
                format!("there are two contacts {:?}", name.get_ref()),
            );
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
        self.scenario.contacts.push((name.get_ref().clone(), contact));
    }

    fn group(&mut self, source: &Source, name: &Spanned<String>, table: &GroupTable) {
        let id = table.id.get_ref();
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_digit() || c == '-') {
            let message = format!("{id:?} is no group's id; expected digits");
            self.wrong(source, &table.id.span(), message);
        }
        let taken = self.is_contact(name.get_ref()) || self.is_group(name.get_ref());
        if taken {
            let message = format!("{:?} is already somebody's name", name.get_ref());
            self.wrong(source, &name.span(), message);
        }
        for participant in &table.participants {
            self.known_contact(source, participant);
        }
        let group = Group {
            id: id.clone(),
            participants: table.participants.iter().map(|it| it.get_ref().clone()).collect(),
            addressing: table.addressing,
        };
        self.scenario.groups.push((name.get_ref().clone(), group));
    }

    fn session(&mut self, source: &Source, name: &Spanned<String>, table: &SessionTable) {
        if let Some(phone) = &table.phone {
            self.digits(source, phone);
        }
        let mut session = Session::new(name.get_ref());
        if let Some(engine) = &table.engine {
            session.engine.clone_from(engine);
        }
        session.phone = table.phone.as_ref().map(|phone| phone.get_ref().clone());
        session.push_name.clone_from(&table.push_name);
        session.online = table.online.unwrap_or(true);
        self.scenario.sessions.push(session);
    }

    fn step(&mut self, source: &Source, step: &Spanned<StepTable>) {
        let (span, table) = (step.span(), step.get_ref());
        if let Some(session) = &table.session {
            let known: Vec<_> = self.scenario.sessions.iter().map(|it| it.name.clone()).collect();
            if !known.contains(session.get_ref()) {
                let hint = did_you_mean(session.get_ref(), known.iter().map(String::as_str));
                let message = format!("there is no session {:?}{hint}", session.get_ref());
                self.wrong(source, &session.span(), message);
            }
        }
        if table.repeat.is_some_and(|repeat| repeat.every == Delay::default()) {
            self.wrong(source, &span, "a repeat's every must be longer than 0s");
        }
        let Some(action) = self.action(source, &span, table) else { return };
        let line = Diagnostic::at(&source.name, &source.text, &span, String::new()).line;
        self.scenario.steps.push(Step {
            at: table.at,
            repeat: table.repeat.map(|repeat| (repeat.every, repeat.times)),
            session: table.session.as_ref().map(|session| session.get_ref().clone()),
            action,
            source: format!("{}:{line}", source.name),
        });
    }

    fn action(
        &mut self,
        source: &Source,
        span: &Range<usize>,
        table: &StepTable,
    ) -> Option<Action> {
        let kinds = [
            ("who", table.who.is_some() || table.does.is_some()),
            ("connection", table.connection.is_some()),
            ("stanza", table.stanza.is_some()),
            ("event", table.event.is_some()),
            ("fault", table.fault.is_some()),
            ("subscribe", table.subscribe.is_some()),
            ("expect", table.expect.is_some()),
        ];
        let said: Vec<_> = kinds.iter().filter(|(_, said)| *said).map(|(kind, _)| *kind).collect();
        let [kind] = said.as_slice() else {
            let what = if said.is_empty() { "nothing".to_owned() } else { said.join(" and ") };
            let message = format!(
                "a step says one thing: who and does, connection, stanza, event, fault, subscribe or \
                 expect; this one says {what}"
            );
            self.wrong(source, span, message);
            return None;
        };
        let belongs = [
            ("in", "who", table.r#in.as_ref().map(Spanned::span)),
            ("text", "who", table.text.as_ref().map(Spanned::span)),
            ("code", "connection", table.code.as_ref().map(Spanned::span)),
            ("data", "event", table.data.as_ref().map(Spanned::span)),
        ];
        for (field, owner, place) in belongs {
            if let Some(place) = place.filter(|_| owner != *kind) {
                self.wrong(source, &place, format!("{field} belongs to a step with {owner}"));
            }
        }
        if let Some(state) = &table.connection {
            let code = table.code.as_ref().map_or(428, |code| *code.get_ref());
            return Some(Action::Connection { state: *state.get_ref(), code });
        }
        if let Some(stanza) = &table.stanza {
            return self.stanzas(source, stanza);
        }
        if let Some(event) = &table.event {
            return self.event(source, event, table.data.as_ref());
        }
        if let Some(faults) = &table.fault {
            return Some(Action::Faults(faults.get_ref().clone()));
        }
        if let Some(names) = &table.subscribe {
            names.get_ref().iter().for_each(|name| self.known(source, name));
            let names = names.get_ref().iter().map(|name| name.get_ref().clone()).collect();
            return Some(Action::Subscribe(names));
        }
        if let Some(expect) = &table.expect {
            return Some(self.expect(source, expect.get_ref()));
        }
        self.act(source, span, table)
    }

    fn act(&mut self, source: &Source, span: &Range<usize>, table: &StepTable) -> Option<Action> {
        let (Some(who), Some(does)) = (&table.who, &table.does) else {
            let missing = if table.who.is_some() { "does" } else { "who" };
            self.wrong(source, span, format!("{missing} is missing: who and does belong together"));
            return None;
        };
        self.known_contact(source, who);
        if let Some(text) = table.text.as_ref().filter(|_| *does.get_ref() != Does::Message) {
            self.wrong(source, &text.span(), "only a message has a text");
        }
        if let Some(chat) = &table.r#in {
            let group = self.scenario.groups.iter().find(|(name, _)| name == chat.get_ref());
            match group {
                Some((_, group)) if !group.participants.contains(who.get_ref()) => {
                    let who = who.get_ref();
                    let message = format!("{who:?} is no participant of {:?}", chat.get_ref());
                    self.wrong(source, &chat.span(), message);
                }
                Some(_) => {}
                None if self.generated(chat.get_ref()) => {}
                None => {
                    let groups = self.scenario.groups.iter().map(|(name, _)| name.as_str());
                    let hint = did_you_mean(chat.get_ref(), groups);
                    let message = format!("there is no group {:?}{hint}", chat.get_ref());
                    self.wrong(source, &chat.span(), message);
                }
            }
        }
        Some(Action::Act {
            who: who.get_ref().clone(),
            does: *does.get_ref(),
            chat: table.r#in.as_ref().map(|chat| chat.get_ref().clone()),
            text: table.text.as_ref().map(|text| text.get_ref().clone()),
        })
    }

    fn stanzas(&mut self, source: &Source, stanza: &Spanned<toml::Value>) -> Option<Action> {
        let json = serde_json::to_value(stanza.get_ref()).unwrap_or_default();
        match Node::list_from_json(&json) {
            Ok(nodes) => Some(Action::Stanzas(nodes)),
            Err(error) => {
                self.wrong(source, &stanza.span(), format!("malformed stanza: {error}"));
                None
            }
        }
    }

    fn event(
        &mut self,
        source: &Source,
        event: &Spanned<String>,
        data: Option<&Spanned<toml::Value>>,
    ) -> Option<Action> {
        let mut json = serde_json::json!({ "event": event.get_ref() });
        if let Some(data) = data {
            json["data"] = serde_json::to_value(data.get_ref()).unwrap_or_default();
        }
        match Event::from_json(&json, "$") {
            Ok(event) => Some(Action::Event(event)),
            Err(error) => {
                self.wrong(source, &event.span(), format!("malformed event: {error}"));
                None
            }
        }
    }

    fn expect(&mut self, source: &Source, table: &ExpectTable) -> Action {
        table
            .subscribed
            .iter()
            .chain(&table.unsubscribed)
            .for_each(|name| self.known(source, name));
        let names =
            |names: &[Spanned<String>]| names.iter().map(|name| name.get_ref().clone()).collect();
        let presence = table.presence.as_ref().map(|presence| {
            let participant = presence.participant.as_ref().unwrap_or(&presence.chat);
            self.known(source, &presence.chat);
            if participant != &presence.chat {
                self.known_contact(source, participant);
            }
            ExpectPresence {
                chat: presence.chat.get_ref().clone(),
                participant: participant.get_ref().clone(),
                is: presence.is,
                last_seen: presence.last_seen,
            }
        });
        Action::Expect(Box::new(Expect {
            subscribed: names(&table.subscribed),
            unsubscribed: names(&table.unsubscribed),
            presence,
            status: table.status.clone(),
        }))
    }

    fn is_contact(&self, name: &str) -> bool {
        self.scenario.contacts.iter().any(|(other, _)| other == name)
    }

    fn is_group(&self, name: &str) -> bool {
        self.scenario.groups.iter().any(|(other, _)| other == name)
    }

    fn generated(&self, name: &str) -> bool {
        self.scenario.traffic.as_ref().is_some_and(|population| population.has(name))
    }

    fn known_contact(&mut self, source: &Source, name: &Spanned<String>) {
        if self.is_contact(name.get_ref()) || self.generated(name.get_ref()) {
            return;
        }
        let contacts = self.scenario.contacts.iter().map(|(name, _)| name.as_str());
        let hint = did_you_mean(name.get_ref(), contacts);
        let message = format!("there is no contact {:?}{hint}", name.get_ref());
        self.wrong(source, &name.span(), message);
    }

    fn known(&mut self, source: &Source, name: &Spanned<String>) {
        if self.is_group(name.get_ref())
            || self.is_contact(name.get_ref())
            || self.generated(name.get_ref())
        {
            return;
        }
        let contacts = self.scenario.contacts.iter().map(|(name, _)| name.as_str());
        let groups = self.scenario.groups.iter().map(|(name, _)| name.as_str());
        let hint = did_you_mean(name.get_ref(), contacts.chain(groups));
        let message = format!("there is no contact or group {:?}{hint}", name.get_ref());
        self.wrong(source, &name.span(), message);
    }

    fn digits(&mut self, source: &Source, text: &Spanned<String>) {
        let digits = text.get_ref();
        if !(4..=20).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let message =
                format!("{digits:?} is no number; expected 4 to 20 digits and nothing else");
            self.wrong(source, &text.span(), message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        match parse("s.toml", text, None) {
            Ok(_) => Vec::new(),
            Err(error) => error.to_string().lines().map(str::to_owned).collect(),
        }
    }

    const PEOPLE: &str = r#"
[contacts.alice]
phone = "5511999990001"
[contacts.bob]
phone = "5511999990002"
[groups.team]
id = "120363041234567890"
participants = ["alice"]
"#;

    fn step_errors(step: &str) -> Vec<String> {
        errors(&format!("{PEOPLE}[[timeline]]\n{step}"))
    }

    #[test]
    fn an_unknown_name_is_named_with_its_place_and_the_nearest() {
        let all = step_errors("at = \"1s\"\nwho = \"alcie\"\ndoes = \"typing\"\nin = \"tem\"");
        assert_eq!(
            all,
            [
                "s.toml:11:7: there is no contact \"alcie\"; did you mean \"alice\"?",
                "s.toml:13:6: there is no group \"tem\"; did you mean \"team\"?",
            ]
        );
    }

    #[test]
    fn an_unknown_field_or_word_is_answered_with_the_nearest() {
        let all = step_errors("at = \"1s\"\nwho = \"alice\"\ndose = \"typing\"");
        assert!(
            all[0].starts_with("s.toml:12:1: unknown field `dose`, expected one of"),
            "{all:?}"
        );
        assert!(all[0].ends_with("did you mean \"does\"?"), "{all:?}");
        let all = step_errors("at = \"1s\"\nwho = \"alice\"\ndoes = \"typin\"");
        assert!(all[0].starts_with("s.toml:12:8: unknown variant `typin`"), "{all:?}");
        assert!(all[0].ends_with("did you mean \"typing\"?"), "{all:?}");
    }

    #[test]
    fn a_step_says_exactly_one_thing() {
        let all = step_errors("at = \"1s\"");
        assert!(all[0].contains("this one says nothing"), "{all:?}");
        let all =
            step_errors("at = \"1s\"\nwho = \"alice\"\ndoes = \"online\"\nconnection = \"open\"");
        assert!(all[0].ends_with("this one says who and connection"), "{all:?}");
        let all = step_errors("at = \"1s\"\nwho = \"alice\"");
        assert!(all[0].ends_with("does is missing: who and does belong together"), "{all:?}");
        let all = step_errors("at = \"1s\"\nconnection = \"open\"\ntext = \"x\"");
        assert_eq!(all, ["s.toml:12:8: text belongs to a step with who"]);
    }

    #[test]
    fn times_numbers_and_nodes_are_looked_at() {
        let all = step_errors("at = \"soon\"\nwho = \"alice\"\ndoes = \"online\"");
        assert!(all[0].starts_with("s.toml:10:6: \"soon\" is no length of time"), "{all:?}");
        let all = errors("[contacts.a]\nphone = \"+55 11\"\n[contacts.b]\n");
        assert!(all[0].starts_with("s.toml:2:9: \"+55 11\" is no number"), "{all:?}");
        assert_eq!(all[1], "s.toml:3:11: a contact needs a phone or a lid");
        let all =
            step_errors("at = \"1s\"\nstanza = { tag = \"presence\", attrs = { from = [] } }");
        assert!(
            all[0].contains("$.attrs.from: expected a string or a number, found []"),
            "{all:?}"
        );
        let all = step_errors("at = \"1s\"\nwho = \"bob\"\ndoes = \"typing\"\nin = \"team\"");
        assert_eq!(all, ["s.toml:13:6: \"bob\" is no participant of \"team\""]);
    }

    #[test]
    fn broken_toml_is_an_error_at_its_place() {
        let all = errors("name = \"x\n");
        assert!(all[0].starts_with("s.toml:1:"), "{all:?}");
    }

    #[test]
    fn includes_are_read_beside_the_file_and_errors_name_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.toml");
        std::fs::write(folder.path().join("people.toml"), PEOPLE).unwrap();
        let text = "include = [\"people.toml\"]\n[[timeline]]\nat = \"1s\"\nwho = \"bob\"\ndoes = \"online\"\n";
        std::fs::write(&path, text).unwrap();
        let scenario = Scenario::load(&path).unwrap();
        assert_eq!((scenario.contacts.len(), scenario.steps.len()), (2, 1));
        std::fs::write(folder.path().join("people.toml"), "x = 1").unwrap();
        let error = Scenario::load(&path).unwrap_err().to_string();
        assert!(error.contains("people.toml:1:1: unknown field `x`"), "{error}");
        std::fs::write(&path, "include = [\"nobody.toml\"]").unwrap();
        let error = Scenario::load(&path).unwrap_err().to_string();
        assert!(error.contains("main.toml:1:12: failed to read"), "{error}");
    }
}
