//! The report of a run, and its formats.

mod html;
mod json;
mod junit;
mod tap;
pub mod terminal;

use std::{fmt, str::FromStr, time::Duration};

use serde::Serialize;
use thiserror::Error;

use crate::{Check, Profile, trace::Traced, verdict::Failure};

/// A finished run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The server under test.
    pub target: String,
    /// The session under test.
    pub session: String,
    /// The driver.
    pub driver: String,
    /// The seed of all generated ids.
    pub seed: u64,
    /// Whether a failing SHOULD or MAY was a failure.
    pub strict: bool,
    /// The run's duration.
    pub took: Duration,
    /// A likely problem with the set-up rather than with the target.
    pub advice: Option<String>,
    /// Changes to the target that could not be undone.
    pub left_behind: Vec<String>,
    /// Each check, in the order of the catalogue.
    pub entries: Vec<Entry>,
}

/// The result of one check.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The check.
    pub check: &'static Check,
    /// The outcome.
    pub outcome: Outcome,
    /// The check's duration.
    pub took: Duration,
    /// Expected and actual, if it failed.
    pub failure: Option<Failure>,
    /// The reason, if it was not tried.
    pub reason: Option<String>,
    /// The check's exchanges.
    pub trace: Vec<Traced>,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The target meets the requirement.
    Pass,
    /// The target does not meet the requirement.
    Fail,
    /// The target does not meet a SHOULD or MAY, without `--strict`.
    Warn,
    /// The check could not be tried, or was skipped on request.
    Skip,
    /// The check failed, as expected by `--known-failing`.
    KnownFailure,
    /// The check passed, although `--known-failing` lists it.
    UnexpectedPass,
    /// The check could not be tried because the driver failed.
    Broken,
}

impl Outcome {
    /// All outcomes, best first.
    pub const ALL: [Self; 7] = [
        Self::Pass,
        Self::KnownFailure,
        Self::Warn,
        Self::Skip,
        Self::Broken,
        Self::Fail,
        Self::UnexpectedPass,
    ];

    /// The outcome in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Skip => "skip",
            Self::KnownFailure => "known failure",
            Self::UnexpectedPass => "unexpected pass",
            Self::Broken => "driver failed",
        }
    }

    /// Whether it fails the whole run.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Fail | Self::UnexpectedPass)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Report {
    /// The number of checks with this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.entries.iter().filter(|entry| entry.outcome == outcome).count()
    }

    /// Whether no check failed.
    pub fn holds(&self) -> bool {
        !self.entries.iter().any(|entry| entry.outcome.is_bad())
    }

    /// The number of checks that were tried.
    pub fn tried(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.is_untried()).count()
    }

    /// Whether at least one check was tried, the driver did not fail, and no check failed other
    /// than known ones and warnings.
    pub fn conforms(&self) -> bool {
        self.tried() > 0 && self.holds() && !self.is_broken()
    }

    /// Whether the driver failed, so that some checks could not be tried.
    pub fn is_broken(&self) -> bool {
        self.count(Outcome::Broken) > 0
    }

    /// The verdict in a sentence.
    pub fn verdict(&self) -> String {
        let (broken, known) = (self.count(Outcome::Broken), self.count(Outcome::KnownFailure));
        let bad = self.entries.iter().filter(|entry| entry.outcome.is_bad()).count();
        match (self.tried(), bad) {
            (_, 0) if broken > 0 => {
                format!("inconclusive: the driver failed in {broken} checks")
            }
            (0, 0) => "nothing was checked".to_owned(),
            (tried, 0) if known > 0 => {
                format!("conforms except for known failures: {known} of {tried} checks")
            }
            (tried, 0) => match tried - self.count(Outcome::Pass) {
                0 => format!("conforms: all {tried} checks passed"),
                rest => {
                    format!("conforms: {} of {tried} checks passed, {rest} warned", tried - rest)
                }
            },
            (tried, bad) => format!("does not conform: {bad} of {tried} checks failed"),
        }
    }

    /// The counts of all outcomes that occurred: `104 pass, 2 warn`.
    pub fn counts(&self) -> String {
        let count = |outcome: &Outcome| (self.count(*outcome), *outcome);
        let counts = Outcome::ALL.iter().map(count).filter(|(count, _)| *count > 0);
        counts.map(|(count, outcome)| format!("{count} {outcome}")).collect::<Vec<_>>().join(", ")
    }

    /// The checks that were not tried, grouped by reason, in order of occurrence.
    pub fn not_checked(&self) -> Vec<(&str, Vec<&'static str>)> {
        let mut reasons: Vec<(&str, Vec<&'static str>)> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.is_untried()) {
            let reason = entry.reason.as_deref().unwrap_or("no reason given");
            match reasons.iter_mut().find(|(of, _)| *of == reason) {
                Some((_, checks)) => checks.push(entry.check.id),
                None => reasons.push((reason, vec![entry.check.id])),
            }
        }
        reasons
    }

    /// The entries grouped by section, in order.
    pub(crate) fn sections(&self) -> Vec<(&'static str, Vec<&Entry>)> {
        let mut sections: Vec<(&'static str, Vec<&Entry>)> = Vec::new();
        for entry in &self.entries {
            match sections.last_mut() {
                Some((section, entries)) if *section == entry.check.section => entries.push(entry),
                _ => sections.push((entry.check.section, vec![entry])),
            }
        }
        sections
    }

    /// The largest profile that any of its checks belongs to.
    pub fn profile(&self) -> Profile {
        let profiles = self.entries.iter().map(|entry| entry.check.profile());
        profiles.max().unwrap_or(Profile::Documentation)
    }
}

impl Entry {
    pub(crate) fn skipped(check: &'static Check, reason: String) -> Self {
        let (outcome, took, failure) = (Outcome::Skip, Duration::ZERO, None);
        Self { check, outcome, took, failure, reason: Some(reason), trace: Vec::new() }
    }

    /// A check that panicked, which is a defect of the suite.
    pub(crate) fn broken(check: &'static Check) -> Self {
        let failure = Failure::new("a verdict", "the check itself panicked; please report this");
        let (outcome, took, reason) = (Outcome::Fail, Duration::ZERO, None);
        Self { check, outcome, took, failure: Some(failure), reason, trace: Vec::new() }
    }

    /// Whether it was not tried.
    pub fn is_untried(&self) -> bool {
        matches!(self.outcome, Outcome::Skip | Outcome::Broken)
    }

    /// The request that shows the failure, or the last one before it.
    pub fn curl(&self) -> Option<String> {
        let failure = self.failure.as_ref()?;
        let upto = failure.traced.map_or(self.trace.len(), |place| place + 1).min(self.trace.len());
        self.trace[..upto].iter().rev().find_map(Traced::curl)
    }
}

/// A report's format and file: `junit=report.xml`; `-` is standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The format.
    pub format: Format,
    /// The file, or `-`.
    pub file: String,
}

/// A report format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For CI servers.
    Junit,
    /// For programs.
    Json,
    /// For people, as one file.
    Html,
    /// The Test Anything Protocol, version 14.
    Tap,
}

/// An invalid destination.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "invalid report {0:?}; expected junit=FILE, json=FILE, html=FILE or tap=FILE, with - for standard output"
)]
pub struct BadDestination(String);

impl FromStr for Destination {
    type Err = BadDestination;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (format, file) = text.split_once('=').ok_or_else(|| BadDestination(text.to_owned()))?;
        let format = match format {
            "junit" => Format::Junit,
            "json" => Format::Json,
            "html" => Format::Html,
            "tap" => Format::Tap,
            _ => return Err(BadDestination(text.to_owned())),
        };
        if file.is_empty() {
            return Err(BadDestination(text.to_owned()));
        }
        Ok(Self { format, file: file.to_owned() })
    }
}

/// A report that cannot be rendered in its format.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The JUnit report.
    #[error("failed to write the JUnit report")]
    Junit(#[source] quick_junit::SerializeError),
    /// The JSON report.
    #[error("failed to write the JSON report")]
    Json(#[source] serde_json::Error),
    /// The HTML report.
    #[error("failed to write the HTML report")]
    Html(#[source] minijinja::Error),
}

/// Renders the report in this format.
///
/// # Errors
///
/// If the report contains something that the format cannot express.
pub fn render(report: &Report, format: Format) -> Result<String, RenderError> {
    match format {
        Format::Junit => junit::render(report),
        Format::Json => json::render(report),
        Format::Html => html::render(report),
        Format::Tap => Ok(tap::render(report)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Destination, Format};

    #[test]
    fn a_destination_is_a_format_and_a_file() {
        let read: Destination = "junit=a/b=c.xml".parse().unwrap();
        assert_eq!(read, Destination { format: Format::Junit, file: "a/b=c.xml".to_owned() });
        for bad in ["junit", "xml=a", "json="] {
            assert!(bad.parse::<Destination>().is_err(), "{bad}");
        }
    }
}
