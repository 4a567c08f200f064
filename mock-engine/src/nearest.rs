//! The known word that is nearest to an unknown one, for errors that help.

/// The candidate with the fewest edits from `word`, if they are few enough to have been a slip.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    let allowed = word.chars().count().div_ceil(3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A sentence's end that offers the nearest candidate: `; did you mean "alice"?`, or nothing.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    nearest(word, candidates).map(|it| format!("; did you mean {it:?}?")).unwrap_or_default()
}

/// An error of serde with the nearest known word where it lists the known ones: "unknown field `dose`,
/// expected one of `at`, `does`; did you mean "does"?".
pub(crate) fn with_hint(message: &str) -> String {
    let mut words = message.split('`').skip(1).step_by(2);
    let hint = match (message.starts_with("unknown "), words.next()) {
        (true, Some(unknown)) => did_you_mean(unknown, words),
        _ => String::new(),
    };
    format!("{}{hint}", message.replace('\n', " "))
}

fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_another_word_is_not() {
        assert_eq!(nearest("alcie", ["bob", "alice"]), Some("alice"));
        assert_eq!(nearest("Typing", ["typing", "recording"]), Some("typing"));
        assert_eq!(nearest("zebra", ["bob", "alice"]), None);
        assert_eq!(did_you_mean("bop", ["bob"]), "; did you mean \"bob\"?");
    }
}
