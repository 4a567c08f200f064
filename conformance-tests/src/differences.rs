//! The deliberate differences from WAHA, which are data: `differences.toml`.

use std::{fmt::Write, sync::LazyLock};

use serde::{Deserialize, Serialize};

/// A deliberate difference from WAHA.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "kebab-case", serialize = "camelCase"), deny_unknown_fields)]
pub struct WahaDifference {
    /// Its name, which checks refer to: `last-seen-null`.
    pub id: String,
    /// WAHA's behaviour.
    pub waha: String,
    /// This project's behaviour.
    pub here: String,
    /// The reason.
    pub why: String,
    /// The checks that show it, or files of this repository whose tests do.
    pub shown_by: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    difference: Vec<WahaDifference>,
}

static DIFFERENCES: LazyLock<Vec<WahaDifference>> = LazyLock::new(|| {
    let file = toml::from_str::<File>(include_str!("differences.toml"));
    file.map_or_else(|error| panic!("differences.toml: {error}"), |file| file.difference)
});

/// All deliberate differences from WAHA, in the order of the API.
///
/// # Panics
///
/// Panics if the embedded `differences.toml` is invalid, which a test rules out.
pub fn differences() -> &'static [WahaDifference] {
    &DIFFERENCES
}

/// The differences as a Markdown table.
pub fn differences_table() -> String {
    let mut text = "| WAHA | here | why | shown by |\n|---|---|---|---|\n".to_owned();
    for WahaDifference { waha, here, why, shown_by, .. } in differences() {
        let shown_by: Vec<String> = shown_by.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "| {waha} | {here} | {why} | {} |", shown_by.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::{differences, differences_table};
    use crate::{catalogue, find};

    #[test]
    fn checks_and_differences_name_each_other() {
        let ids: BTreeSet<&str> = differences().iter().map(|it| it.id.as_str()).collect();
        assert_eq!(ids.len(), differences().len(), "an id occurs twice");
        let named: BTreeSet<(&str, &str)> =
            catalogue().iter().filter_map(|check| Some((check.differs?, check.id))).collect();
        let shown = |it: &'static super::WahaDifference| {
            it.shown_by.iter().filter(|name| find(name).is_some()).map(|name| (&*it.id, &**name))
        };
        assert_eq!(named, differences().iter().flat_map(shown).collect());
    }

    #[test]
    fn what_no_check_shows_is_shown_by_a_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for name in differences().iter().flat_map(|it| &it.shown_by) {
            assert!(find(name).is_some() || root.join(name).is_file(), "{name} does not exist");
        }
    }

    /// To update the README, replace the table with the output of `conformance explain --differences`.
    #[test]
    fn the_readme_of_the_mock_shows_the_table() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("mock-engine/README.md");
        let readme = std::fs::read_to_string(file).unwrap();
        assert!(readme.contains(&differences_table()), "mock-engine/README.md is out of date");
    }

    #[test]
    fn a_cell_of_the_table_is_one_line_without_a_bar() {
        for it in differences() {
            let cells = [&it.waha, &it.here, &it.why];
            assert!(cells.iter().all(|cell| !cell.contains(['|', '\n'])), "{}", it.id);
        }
    }
}
