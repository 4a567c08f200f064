//! The result of a check: it holds, it fails with expected and actual, or it cannot be tried.

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::difference::{Difference, compare};

/// The result of a check's function.
pub type Verdict<T = ()> = Result<T, Halt>;

/// Why a check's function stopped early.
#[derive(Clone, Debug, Error)]
pub enum Halt {
    /// The target does not meet the requirement.
    #[error("{0}")]
    Failed(Box<Failure>),
    /// The check cannot be tried here.
    #[error("skipped: {0}")]
    Skipped(String),
    /// The check could not be tried because the driver failed.
    #[error("the driver failed: {0}")]
    Driver(String),
}

/// What was expected, and what the target did instead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Error)]
#[error("expected {expected}, got {actual}")]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What the requirement asks for.
    pub expected: String,
    /// What the target did.
    pub actual: String,
    /// Where two JSON values differ, if the failure is a comparison.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// The index in the trace of the exchange that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traced: Option<usize>,
    /// The check of the requirement that the step which failed rests on, if it is not what the
    /// check is about. When that check fails too, this one is not judged.
    #[serde(skip)]
    pub because: Option<&'static str>,
}

impl Failure {
    /// A failure in words.
    pub fn new(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self { expected: expected.into(), actual: actual.into(), ..Self::default() }
    }

    /// The same failure, shown by the exchange at this index of the trace.
    #[must_use]
    pub fn at(mut self, traced: usize) -> Self {
        self.traced = Some(traced);
        self
    }
}

/// Attributes the failure of a step to the check whose requirement it is.
pub(crate) trait Needed: Sized {
    /// The same result; a failure that is not attributed yet is because of `check`.
    fn needed(self, check: &'static str) -> Self;
}

impl<T> Needed for Result<T, Failure> {
    fn needed(self, check: &'static str) -> Self {
        self.map_err(|failure| Failure { because: failure.because.or(Some(check)), ..failure })
    }
}

impl<T> Needed for Verdict<T> {
    fn needed(self, check: &'static str) -> Self {
        self.map_err(|halt| match halt {
            Halt::Failed(mut failure) => {
                failure.because.get_or_insert(check);
                Halt::Failed(failure)
            }
            halt => halt,
        })
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// Holds when the condition does.
pub(crate) fn ensure(
    holds: bool,
    expected: impl Into<String>,
    actual: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(expected, actual())) }
}

/// Holds when two JSON values are equal, regardless of the order of keys.
pub(crate) fn same(expected: &Value, actual: &Value) -> Result<(), Failure> {
    let differences = compare(expected, actual);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure { differences, ..Failure::new(expected.to_string(), actual.to_string()) })
}

/// The value at a JSON pointer.
pub(crate) fn at<'a>(value: &'a Value, pointer: &str) -> Result<&'a Value, Failure> {
    value.pointer(pointer).ok_or_else(|| {
        let path = pointer.replace('/', ".");
        let missing =
            Difference { path: format!("${path}"), expected: Some("a value".into()), actual: None };
        Failure {
            differences: vec![missing],
            ..Failure::new(format!("a value at ${path}"), value.to_string())
        }
    })
}

/// The value at a JSON pointer, if `is` accepts it; `expected` describes what would be right.
pub(crate) fn at_if<'a>(
    value: &'a Value,
    pointer: &str,
    expected: &str,
    is: impl FnOnce(&Value) -> bool,
) -> Result<&'a Value, Failure> {
    let found = at(value, pointer)?;
    if is(found) {
        return Ok(found);
    }
    let path = format!("${}", pointer.replace('/', "."));
    let difference = Difference {
        path: path.clone(),
        expected: Some(expected.to_owned()),
        actual: Some(found.to_string()),
    };
    Err(Failure {
        differences: vec![difference],
        ..Failure::new(format!("{expected} at {path}"), found.to_string())
    })
}
