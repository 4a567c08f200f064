//! A scenario's file and those that it includes.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Diagnostic, format::File};

/// A file, read.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) file: File,
    /// Where its lines begin.
    lines: Vec<usize>,
}

impl Source {
    fn new(name: &str, text: &str, file: File) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        let lines = [0].into_iter().chain(ends).collect();
        Self { name: name.to_owned(), text: text.to_owned(), file, lines }
    }

    /// The line of a place in the text, from 1.
    pub(super) fn line(&self, place: usize) -> usize {
        self.lines.partition_point(|start| *start <= place)
    }
}

#[derive(Default)]
pub(super) struct Reader {
    /// Included files stand before those that include them.
    pub(super) sources: Vec<Source>,
    read: BTreeSet<PathBuf>,
    /// How many files are between this one and the first.
    depth: usize,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// How deep files may include files.
const DEEPEST: usize = 32;

impl Reader {
    pub(super) fn read(&mut self, name: &str, text: &str, path: Option<&Path>) {
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                self.diagnostics.push(Diagnostic::of_toml(name, text, &error));
                return;
            }
        };
        if let Some(path) = path {
            self.read.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
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
            if self.read.contains(&canonical) {
                continue;
            }
            if self.depth == DEEPEST {
                let message = format!("files include files {DEEPEST} deep, and no deeper");
                self.diagnostics.push(wrong(message));
                continue;
            }
            match std::fs::read_to_string(&included) {
                Ok(text) => {
                    self.depth += 1;
                    self.read(&included.display().to_string(), &text, Some(&included));
                    self.depth -= 1;
                }
                Err(error) => {
                    let message = format!("failed to read {}: {error}", included.display());
                    self.diagnostics.push(wrong(message));
                }
            }
        }
        self.sources.push(Source::new(name, text, file));
    }
}
