//! The names of events that a receiver can ask for.

use std::{collections::BTreeSet, sync::Arc};

/// WAHA's events (<https://waha.devlike.pro/docs/how-to/events>). A program written for WAHA may ask for
/// any of them, whether or not they are ever emitted here. Those that a plugin emits are the plugin's to name.
const WAHA: [&str; 30] = [
    "call.accepted",
    "call.received",
    "call.rejected",
    "chat.archive",
    "engine.event",
    "event.response",
    "event.response.failed",
    "group.join",
    "group.leave",
    "group.v2.join",
    "group.v2.leave",
    "group.v2.participants",
    "group.v2.update",
    "label.chat.added",
    "label.chat.deleted",
    "label.deleted",
    "label.upsert",
    "message",
    "message.ack",
    "message.ack.group",
    "message.any",
    "message.edited",
    "message.reaction",
    "message.revoked",
    "message.waiting",
    "poll.vote",
    "poll.vote.failed",
    "session.status",
    "state.change",
    "*",
];

/// The events that a gateway emits, by name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventNames(Arc<BTreeSet<String>>);

impl EventNames {
    /// The gateway's own `session.status`, and what its plugins emit.
    pub fn new(plugins_emit: impl IntoIterator<Item = String>) -> Self {
        let own = std::iter::once("session.status".to_owned());
        Self(Arc::new(own.chain(plugins_emit).collect()))
    }

    /// Whether `name` is emitted here; `*` stands for all that are.
    #[must_use]
    pub fn emits(&self, name: &str) -> bool {
        name == "*" || self.0.contains(name)
    }

    /// Checks a name that a receiver asks for.
    ///
    /// # Errors
    ///
    /// When neither this gateway nor WAHA has such an event: what is wrong, with the nearest name.
    pub fn check(&self, name: &str) -> Result<(), String> {
        if self.emits(name) || WAHA.contains(&name) {
            return Ok(());
        }
        let known = || self.0.iter().map(String::as_str).chain(WAHA);
        let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
        let nearest = known().min_by_key(distance).filter(|near| distance(near) <= 3);
        let hint = match nearest {
            Some(nearest) if name.len() > 3 => format!("did you mean `{nearest}`?"),
            _ => format!("expected one of {}, or `*`", self.list()),
        };
        Err(format!("unknown event `{}`; {hint}", name.escape_debug()))
    }

    fn list(&self) -> String {
        self.0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::EventNames;

    #[test]
    fn a_name_is_emitted_here_or_wahas_or_unknown() {
        let names = EventNames::new(["some.update".to_owned(), "count".to_owned()]);
        for name in ["some.update", "count", "session.status", "*", "message.any"] {
            assert_eq!(names.check(name), Ok(()), "{name}");
        }
        assert!(names.emits("count") && names.emits("*") && !names.emits("message.any"));
        let problems = ["some.updat", "nonsense", "x", ""];
        let problems: Vec<String> =
            problems.iter().map(|name| names.check(name).unwrap_err()).collect();
        insta::assert_snapshot!(problems.join("\n"), @"
        unknown event `some.updat`; did you mean `some.update`?
        unknown event `nonsense`; expected one of `count`, `session.status`, `some.update`, or `*`
        unknown event `x`; expected one of `count`, `session.status`, `some.update`, or `*`
        unknown event ``; expected one of `count`, `session.status`, `some.update`, or `*`
        ");
    }
}
