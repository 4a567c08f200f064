//! "Did you mean" hints for error messages.

/// The longest word that a hint is looked for, in bytes: the distance of two words takes the product of their
/// lengths.
const LONGEST: usize = 100;

/// The candidate with the fewest edits from `word`, if those are at most a third of its letters.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    let allowed = word.chars().count().div_ceil(3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The end of an error message: `; did you mean "alice"?`, or nothing when no candidate is near.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    nearest(word, candidates).map(|it| format!("; did you mean {it:?}?")).unwrap_or_default()
}

/// A serde error with a hint, where it lists the known words: "unknown field `dose`, expected one of
/// `at`, `does`; did you mean "does"?".
pub(crate) fn with_hint(message: &str) -> String {
    let mut words = message.split('`').skip(1).step_by(2);
    let hint = match (message.starts_with("unknown "), words.next()) {
        (true, Some(unknown)) => did_you_mean(unknown, words),
        _ => String::new(),
    };
    format!("{}{hint}", message.replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_another_word_is_not() {
        assert_eq!(nearest("alcie", ["bob", "alice"]), Some("alice"));
        assert_eq!(nearest("Typing", ["typing", "recording"]), Some("typing"));
        assert_eq!(nearest("zebra", ["bob", "alice"]), None);
        assert_eq!(nearest(&"a".repeat(LONGEST + 1), [&*"a".repeat(LONGEST)]), None);
        assert_eq!(did_you_mean("bop", ["bob"]), "; did you mean \"bob\"?");
    }
}
