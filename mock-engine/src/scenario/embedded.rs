//! The scenarios that the program carries: one for each situation that a developer meets.

use super::{Scenario, ScenarioError};
use crate::nearest::did_you_mean;

/// A scenario within the program.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// Its name: `group-typing`.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

macro_rules! embedded {
    ($($name:literal)*) => {
        &[$(Embedded {
            name: $name,
            text: include_str!(concat!("../../scenarios/", $name, ".toml")),
        }),*]
    };
}

/// All of them; `lively` is what a plain `mock-engine serve` plays.
pub const EMBEDDED: &[Embedded] = embedded![
    "lively"
    "first-contact"
    "last-seen-hidden"
    "group-typing"
    "stuck-typing"
    "message-ends-typing"
    "reconnect"
    "lid-contact"
    "silent-stranger"
    "large-group-storm"
    "flapping"
    "unknown-status"
    "clock-far-ahead"
];

impl Embedded {
    /// The one of that name.
    ///
    /// # Errors
    ///
    /// Fails when the name is unknown; the error suggests the nearest.
    pub fn find(name: &str) -> Result<Self, ScenarioError> {
        EMBEDDED.iter().find(|it| it.name == name).copied().ok_or_else(|| {
            let names = EMBEDDED.iter().map(|it| it.name);
            let hint = did_you_mean(name, names);
            let hint = hint.trim_end_matches('?').to_owned();
            ScenarioError::NotEmbedded { name: name.to_owned(), hint }
        })
    }

    /// What it means.
    ///
    /// # Errors
    ///
    /// Fails when its file is wrong, which a test excludes.
    pub fn scenario(&self) -> Result<Scenario, ScenarioError> {
        Scenario::parse_named(&format!("scenarios/{}.toml", self.name), self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_embedded_and_right() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let name = path.file_stem().unwrap().to_str().unwrap();
                let scenario = Scenario::embedded(name).unwrap();
                assert!(!scenario.description.is_empty(), "{name} says what it shows");
                let expects = |step: &super::super::Step| {
                    matches!(step.action, super::super::Action::Expect(_))
                };
                assert!(scenario.steps.iter().any(expects), "{name} expects something");
            }
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let error = Scenario::embedded("flaping").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no embedded scenario is called \"flaping\"; did you mean \"flapping\"; \
             `mock-engine scenario list` lists them"
        );
    }
}
