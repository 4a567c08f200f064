//! What is wrong with a scenario, and where.

use std::{fmt, io, ops::Range};

use thiserror::Error;

use crate::nearest::with_hint;

/// Why a scenario cannot be played.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// A file cannot be read.
    #[error("failed to read the scenario {file}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No scenario of that name is embedded.
    #[error(
        "no embedded scenario is called {name:?}{hint}; `mock-engine scenario list` lists them"
    )]
    NotEmbedded {
        /// The name.
        name: String,
        /// The nearest name, as part of the sentence.
        hint: String,
    },
    /// The text is wrong.
    #[error("{}", lines(.0))]
    Wrong(Vec<Diagnostic>),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Diagnostic {
    /// Something wrong at `span` of `text`.
    pub(super) fn at(file: &str, text: &str, span: &Range<usize>, message: String) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
        }
    }

    /// What the TOML reader says, with the nearest known word where it lists the known ones.
    pub(super) fn of_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        Self::at(file, text, &span, with_hint(error.message()))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n")
}
