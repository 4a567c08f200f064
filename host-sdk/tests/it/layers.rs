//! Which files of the gateway import which: rooms import downwards, and no files import in a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::words::sources;

/// The rooms from the top down; each imports only those below it.
const ROOMS: [&str; 7] = ["gateway", "http", "parts", "plugins", "sessions", "engine", "store"];

type Module = Vec<String>;

#[test]
fn rooms_import_only_the_rooms_below_them() {
    let rank = |module: &Module| ROOMS.iter().position(|room| *room == module[0]);
    let mut seen = BTreeSet::new();
    for (from, to) in imports() {
        let (above, below) = (rank(&from), rank(&to));
        assert!(above.is_some() && below.is_some(), "no such room: {from:?} or {to:?}");
        assert!(above <= below, "{} imports {}", from.join("::"), to.join("::"));
        seen.insert((from[0].clone(), to[0].clone()));
    }
    assert!(seen.len() > 10, "the test reads the sources: {seen:?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut edges: BTreeSet<(Module, Module)> = imports().into_iter().collect();
    edges.retain(|(from, to)| !from.starts_with(to) && !to.starts_with(from));
    assert!(!edges.is_empty());
    // What imports nothing that is left is in no circle.
    loop {
        let importers: BTreeSet<Module> = edges.iter().map(|(from, _)| from.clone()).collect();
        let before = edges.len();
        edges.retain(|(_, to)| importers.contains(to));
        if edges.len() == before {
            break;
        }
    }
    assert_eq!(edges, BTreeSet::new());
}

/// Each import of one module of the package by another; unit tests aside.
fn imports() -> Vec<(Module, Module)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let module = |file: &Path| -> Module {
        let path = file.strip_prefix(&root).unwrap().with_extension("");
        path.iter().map(|part| part.to_str().unwrap().to_owned()).collect()
    };
    let files: BTreeMap<Module, String> = sources(&root)
        .into_iter()
        .map(|file| (module(&file), fs::read_to_string(&file).unwrap()))
        .filter(|(module, _)| *module != ["lib"] && !module.ends_with(&["races".to_owned()]))
        .collect();
    let mut found = Vec::new();
    for (from, text) in &files {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let code: Vec<&str> =
            code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for statement in code.join("\n").split(';') {
            let tree = statement.rsplit_once("use ").map_or("", |(_, tree)| tree);
            for path in flatten(tree) {
                let path: Vec<String> = path.split("::").map(|part| part.trim().into()).collect();
                let mut whole = match path[0].as_str() {
                    "crate" => Vec::new(),
                    "super" => from[..from.len() - 1].to_vec(),
                    "self" => from.clone(),
                    _ => continue,
                };
                whole.extend_from_slice(&path[1..]);
                while !whole.is_empty() && !files.contains_key(&whole) {
                    whole.pop();
                }
                if !whole.is_empty() && whole != *from {
                    found.push((from.clone(), whole));
                }
            }
        }
    }
    found
}

/// The paths of a `use` tree: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn flatten(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut depth, mut start, mut paths) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = flatten(&inside[start..at]);
                paths.extend(part.into_iter().map(|path| format!("{}{path}", prefix.trim())));
                start = at + 1;
            }
            _ => {}
        }
    }
    paths
}
