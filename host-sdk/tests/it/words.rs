//! What the sources must not say.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Of the presence feature: its paths, its words, its fields; upper and lower case are the same.
const FEATURE_WORDS: [&str; 8] = [
    "{session}/presence",
    "presence.update",
    "lastknownpresence",
    "lastseen",
    "\"typing\"",
    "\"recording\"",
    "composing",
    "subscri",
];

#[test]
fn the_gateway_knows_no_feature() {
    let found = lines_with(&["src", "delivery/src"], &FEATURE_WORDS);
    // A receiver of tokio's `watch` is not the feature.
    let found = found.into_iter().filter(|line| !line.contains("subscribe();"));
    assert_eq!(found.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn abi_stable_is_imported_in_the_interface_and_the_loader_alone() {
    let found = lines_with(&["src", "abi/src"], &["use abi_stable", "abi_stable::"]);
    let elsewhere: Vec<&String> = found
        .iter()
        .filter(|line| {
            let allowed =
                ["abi/src/abi", "abi/src/lib.rs", "abi/src/plugin.rs", "src/plugins/loader"];
            !allowed.iter().any(|place| line.starts_with(place))
        })
        .collect();
    assert_eq!(elsewhere, Vec::<&String>::new());
    assert!(found.len() > 5, "the test reads the sources: {found:?}");
}

#[test]
fn panics_are_caught_in_one_file() {
    let found = lines_with(&["src", "abi/src", "../presence-plugin/src"], &["catch_unwind("]);
    assert!(found.iter().all(|line| line.starts_with("abi/src/guard.rs")), "{found:?}");
    assert!(!found.is_empty());
}

/// Each line of code in these folders that has one of the words, with its file. Unit tests, at the end
/// of a file or in one called `tests.rs`, may take their examples where they like.
fn lines_with(folders: &[&str], words: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for file in folders.iter().flat_map(|folder| sources(&root.join(folder))) {
        let place = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
        for (number, line) in code.enumerate() {
            let code = !line.trim_start().starts_with("//");
            if code && {
                let line = line.to_lowercase();
                words.iter().any(|word| line.contains(word))
            } {
                found.push(format!("{place}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}
