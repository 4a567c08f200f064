//! The steps of the timeline: each says one thing, of people and groups that there are.

use std::{num::NonZeroU32, ops::Range};

use serde_json::Value;
use toml::Spanned;

use super::Checker;
use crate::{
    delay::Delay,
    nearest::did_you_mean,
    noweb::Event,
    scenario::{
        Action, Expect, ExpectPresence, Step, Switch,
        format::{ExpectTable, StepTable},
        include::Source,
    },
    wire::{Node, WireError, decode, encode},
    world::Does,
};

/// WAHA's words for how a session is.
const STATUSES: [&str; 5] = ["STOPPED", "STARTING", "SCAN_QR_CODE", "WORKING", "FAILED"];

impl Checker {
    pub(super) fn step(&mut self, source: &Source, step: &Spanned<StepTable>) {
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
        if let Some(end) = self.scenario.duration.filter(|end| table.at > *end) {
            self.wrong(source, &span, format!("at: it is after the duration, which is {end}"));
        }
        let Some(action) = self.action(source, &span, table) else { return };
        let session = table.session.as_ref().map(Spanned::get_ref);
        let other = self
            .scenario
            .sessions
            .iter()
            .find(|it| it.engine != "NOWEB" && session == Some(&it.name));
        let of_noweb = matches!(
            action,
            Action::Stanzas(_) | Action::Event(_) | Action::Faults(_) | Action::Subscribe(_)
        );
        if let Some(other) = other.filter(|_| of_noweb) {
            let message = format!("{:?} is on {}; only NOWEB has this", other.name, other.engine);
            self.wrong(source, &span, message);
        }
        let line = source.line(span.start);
        self.scenario.steps.push(Step {
            at: table.at,
            repeat: table.repeat.map(|repeat| (repeat.every, repeat.times.map(NonZeroU32::get))),
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
            if let (Switch::Open, Some(code)) = (*state.get_ref(), &table.code) {
                self.wrong(source, &code.span(), "only a close has a code");
            }
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
            return Some(self.expect(source, expect));
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
            let (who, group) = (who.get_ref(), chat.get_ref());
            self.known_group(source, chat);
            if matches!(does.get_ref(), Does::Online | Does::Offline) {
                self.wrong(source, &chat.span(), "online and offline do not apply to a group");
            } else if self.is_contact(who) && self.is_group(group) && !self.is_in(who, group) {
                let message = format!("{who:?} is not a participant of {group:?}");
                self.wrong(source, &chat.span(), message);
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
        let nodes = json_of(stanza.get_ref())
            .and_then(|json| Node::list_from_json(&json).map_err(|error| error.to_string()))
            .and_then(|nodes| match nodes.iter().try_for_each(on_the_wire) {
                Ok(()) => Ok(nodes),
                Err(error) => Err(format!("{error}: {}", error.source)),
            });
        match nodes {
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
            match json_of(data.get_ref()) {
                Ok(data) => json["data"] = data,
                Err(error) => {
                    self.wrong(source, &data.span(), format!("malformed event: {error}"));
                    return None;
                }
            }
        }
        match Event::from_json(&json, "$") {
            Ok(event) => Some(Action::Event(event)),
            Err(error) => {
                self.wrong(source, &event.span(), format!("malformed event: {error}"));
                None
            }
        }
    }

    fn expect(&mut self, source: &Source, expect: &Spanned<ExpectTable>) -> Action {
        let table = expect.get_ref();
        if let Some(status) = &table.status {
            self.one_of(source, status, "status of a session", &STATUSES);
        }
        let says_nothing = table.subscribed.is_empty()
            && table.unsubscribed.is_empty()
            && table.presence.is_none()
            && table.status.is_none();
        if says_nothing {
            self.wrong(
                source,
                &expect.span(),
                "it expects nothing; say subscribed, unsubscribed, presence or status",
            );
        }
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
            status: table.status.as_ref().map(|status| status.get_ref().clone()),
        }))
    }
}

/// Whether a stanza can be sent at all.
fn on_the_wire(stanza: &Node) -> Result<(), WireError> {
    decode(&encode(stanza)?).map(drop)
}

/// The same as JSON, if JSON has it.
fn json_of(value: &toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Boolean(truth) => Value::from(*truth),
        toml::Value::Float(number) if number.is_finite() => Value::from(*number),
        toml::Value::Float(number) => return Err(format!("JSON has no number {number}")),
        toml::Value::Datetime(time) => {
            return Err(format!("JSON has no time as {time}; expected a text, in quotes"));
        }
        toml::Value::Array(items) => items.iter().map(json_of).collect::<Result<_, _>>()?,
        toml::Value::Table(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| Ok((name.clone(), json_of(value)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}
