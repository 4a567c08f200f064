//! The engine's words stay in `dialect` and `jid.rs`, so that another engine needs only another dialect.

use std::{
    fs,
    path::{Path, PathBuf},
};

const ENGINE_WORDS: [&str; 8] = [
    "composing",
    "available",
    "s.whatsapp.net",
    "presenceSubscribe",
    "sendPresenceUpdate",
    "messages.upsert",
    "connection.update",
    "remoteJid",
];

#[test]
fn engine_words_occur_only_in_the_dialect_and_in_jid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for file in sources(&root) {
        let place = file.strip_prefix(&root).unwrap();
        if place.starts_with("dialect") || place == Path::new("jid.rs") {
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            for word in ENGINE_WORDS {
                let place = place.display();
                assert!(!line.contains(word), "{place}:{}: {word} is the engine's", number + 1);
            }
        }
    }
    assert!(seen > 15, "only {seen} sources were found");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
