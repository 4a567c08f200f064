//! The catalogue: every check, first in the documentation's order, then in WAHA's.

use std::sync::LazyLock;

use crate::{Check, Profile, checks, statements::STATEMENTS};

static CATALOGUE: LazyLock<Vec<Check>> = LazyLock::new(|| {
    let sections = [
        ("Get all presence", checks::get_all::checks()),
        ("Get chat presence", checks::get_chat::checks()),
        ("Subscribe to presence", checks::subscribe::checks()),
        ("Fields and notes", checks::fields::checks()),
        ("Webhook", checks::webhook::checks()),
        ("Envelope", checks::envelope::checks()),
        ("Engines", checks::engines::checks()),
        ("Set presence", checks::set_presence::checks()),
        ("Sessions", checks::sessions::checks()),
        ("Webhook headers", checks::headers::checks()),
        ("Webhook signature", checks::hmac::checks()),
        ("Webhook retries", checks::retries::checks()),
        ("WebSocket", checks::websocket::checks()),
        ("Errors", checks::errors::checks()),
    ];
    let of = |(section, checks): (&'static str, Vec<Check>)| {
        checks.into_iter().map(move |check| Check { section, ..check })
    };
    sections.into_iter().flat_map(of).collect()
});

/// All checks, in order.
pub fn catalogue() -> &'static [Check] {
    &CATALOGUE
}

/// The check with this name.
pub fn find(id: &str) -> Option<&'static Check> {
    catalogue().iter().find(|check| check.id == id)
}

/// The checks of a profile whose names start with one of the prefixes; all of them without a
/// prefix.
///
/// A full name selects its check in any profile.
pub fn select(profile: Profile, prefixes: &[String]) -> Vec<&'static Check> {
    let wanted = |check: &&Check| {
        let named = prefixes.iter().any(|prefix| prefix == check.id);
        let fits =
            prefixes.is_empty() || prefixes.iter().any(|it| check.id.starts_with(it.as_str()));
        named || (fits && check.profile() <= profile)
    };
    catalogue().iter().filter(wanted).collect()
}

/// The check or folder whose name is nearest to an unknown one.
pub fn nearest(id: &str) -> Option<&'static str> {
    let folders = |name: &'static str| name.match_indices('/').map(move |(end, _)| &name[..end]);
    let names = catalogue().iter().flat_map(|check| folders(check.id).chain([check.id]));
    let (distance, name) = names.map(|name| (strsim::levenshtein(id, name), name)).min()?;
    (distance <= id.len() / 3).then_some(name)
}

/// The checks that rest on a statement of the documentation.
pub fn resting_on(statement: &str) -> impl Iterator<Item = &'static Check> {
    catalogue().iter().filter(move |check| check.rests_on.contains(&statement))
}

/// The statements that no check rests on; there should be none.
pub fn uncovered() -> Vec<&'static str> {
    let bare = STATEMENTS.iter().filter(|statement| resting_on(statement.id).next().is_none());
    bare.map(|statement| statement.id).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{catalogue, nearest, uncovered};
    use crate::statements::STATEMENTS;

    #[test]
    fn every_statement_of_the_documentation_has_a_check() {
        assert_eq!(uncovered(), <Vec<&str>>::new());
    }

    #[test]
    fn checks_rest_on_statements_that_exist() {
        let known: BTreeSet<&str> = STATEMENTS.iter().map(|statement| statement.id).collect();
        for check in catalogue() {
            for statement in check.rests_on {
                assert!(known.contains(statement), "{} rests on {statement}", check.id);
            }
        }
    }

    #[test]
    fn names_are_words_and_used_once() {
        let mut seen = BTreeSet::new();
        for check in catalogue() {
            assert!(seen.insert(check.id), "{} occurs twice", check.id);
            assert!(
                check
                    .id
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'/')),
                "{}",
                check.id
            );
            assert!(check.requirement.ends_with('.'), "{}", check.id);
        }
    }

    #[test]
    fn a_must_rests_on_the_documentation() {
        for check in catalogue() {
            if check.level == crate::Level::Must {
                assert!(!check.rests_on.is_empty(), "{}", check.id);
            }
        }
    }

    #[test]
    fn a_misspelt_name_has_a_nearest_one() {
        assert_eq!(
            nearest("presence/get-all/lists-direct-chat"),
            Some("presence/get-all/lists-direct-chats")
        );
        assert_eq!(nearest("presence/get-chatt"), Some("presence/get-chat"));
        assert_eq!(nearest("zz"), None);
    }
}
