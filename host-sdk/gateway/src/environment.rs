//! The environment's variables, read as WAHA reads them.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// A copy of the environment. An empty or blank variable counts as absent, as in WAHA.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// A setting that is invalid: which one, and what would be valid. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct SettingError {
    /// The variable or the flag, as it was written.
    pub name: String,
    /// What is wrong with its value.
    pub problem: String,
}

impl SettingError {
    pub(crate) fn new(name: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self { name: name.into(), problem: problem.to_string() }
    }
}

impl Environment {
    /// The process's environment. A value that is not UTF-8 has its invalid parts replaced.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |it: std::ffi::OsString| it.to_string_lossy().into_owned();
        std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// The names that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Warnings about variables that are set and change nothing, one line each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        crate::variables::warnings(self.names().filter(|name| self.text(name).is_some()))
    }

    /// A variable's value without surrounding white space.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The first of `names` that is set, and its value.
    #[must_use]
    pub fn first<'a>(&self, names: &[&'a str]) -> Option<(&'a str, &str)> {
        names.iter().find_map(|&name| Some((name, self.text(name)?)))
    }

    /// A list separated by commas.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let items = self.text(name).unwrap_or_default().split(',').map(str::trim);
        items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// A boolean: `true`, `1`, `false` or `0`, in any case.
    ///
    /// # Errors
    ///
    /// When it is anything else.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, SettingError> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => {
                let problem = format!("expected true, 1, false or 0, found {other:?}");
                Err(SettingError::new(name, problem))
            }
        }
    }

    /// A value of a type that reads itself; `expected` says what would be valid.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn parse<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, SettingError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let problem = || format!("expected {expected}, found {text:?}");
        text.parse().map(Some).map_err(|_| SettingError::new(name, problem()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Shows names only: values may be secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_boolean_is_read_as_waha_reads_it() {
        for (text, expected) in [
            ("True", Some(true)),
            ("1", Some(true)),
            ("false", Some(false)),
            ("0", Some(false)),
            (" ", None),
        ] {
            assert_eq!(environment(&[("A", text)]).boolean("A"), Ok(expected), "{text:?}");
        }
        let error = environment(&[("WAHA_X", "yes")]).boolean("WAHA_X").unwrap_err();
        assert_eq!(error.to_string(), "WAHA_X: expected true, 1, false or 0, found \"yes\"");
    }

    #[test]
    fn a_list_leaves_out_what_is_empty_and_a_blank_variable_is_absent() {
        let environment = environment(&[("A", "a, ,b,"), ("B", "  "), ("C", "c")]);
        assert_eq!(environment.list("A"), ["a", "b"]);
        assert_eq!(environment.first(&["B", "C"]), Some(("C", "c")));
    }
}
