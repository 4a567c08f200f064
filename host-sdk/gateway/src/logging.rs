//! Log lines: which, and in what format.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::environment::{Environment, SettingError};

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text per event.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// Writes log lines to standard error from now on. `RUST_LOG` filters them; without it
/// `DEBUG` or `WAHA_LOG_LEVEL` gives their level, else `level`. Without `format`,
/// `WAHA_LOG_FORMAT` says it, else they are text.
///
/// # Errors
///
/// When a variable is invalid.
///
/// # Panics
///
/// When logging was set up before.
pub fn start(
    format: Option<LogFormat>,
    level: &str,
    environment: &Environment,
) -> Result<(), SettingError> {
    let filter = filter(level, environment)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match self::format(format, environment)? {
        LogFormat::Pretty => subscriber.compact().init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(())
}

fn filter(level: &str, environment: &Environment) -> Result<EnvFilter, SettingError> {
    let name = EnvFilter::DEFAULT_ENV;
    if let Some(directives) = environment.text(name) {
        return EnvFilter::try_new(directives).map_err(|error| SettingError::new(name, error));
    }
    let level = asked_level(environment)?.unwrap_or_else(|| level.to_owned());
    Ok(EnvFilter::new(level))
}

fn asked_level(environment: &Environment) -> Result<Option<String>, SettingError> {
    // Other programs read DEBUG too, with values of their own: only WAHA's are taken.
    if environment.boolean("DEBUG") == Ok(Some(true)) {
        return Ok(Some("debug".to_owned()));
    }
    let name = "WAHA_LOG_LEVEL";
    let Some(text) = environment.text(name) else { return Ok(None) };
    let level = text.to_ascii_lowercase();
    let levels = ["error", "warn", "info", "debug", "trace"];
    if levels.contains(&level.as_str()) {
        return Ok(Some(level));
    }
    let problem = format!("expected one of {}, found {text:?}", levels.join(", "));
    Err(SettingError::new(name, problem))
}

fn format(flag: Option<LogFormat>, environment: &Environment) -> Result<LogFormat, SettingError> {
    let name = "WAHA_LOG_FORMAT";
    let format = match (flag, environment.text(name)) {
        (Some(format), _) => format,
        (None, None) => LogFormat::Pretty,
        (None, Some(text)) => LogFormat::from_str(text, true).map_err(|_| {
            SettingError::new(name, format!("expected PRETTY or JSON, found {text:?}"))
        })?,
    };
    Ok(format)
}

#[cfg(test)]
mod tests {
    use super::{LogFormat, asked_level, format};
    use crate::environment::Environment;

    fn environment(name: &str, value: &str) -> Environment {
        [(name.to_owned(), value.to_owned())].into_iter().collect()
    }

    #[test]
    fn the_level_and_the_format_are_wahas() {
        let level = |name, value| asked_level(&environment(name, value));
        assert_eq!(level("DEBUG", "1"), Ok(Some("debug".to_owned())));
        assert_eq!(level("DEBUG", "express:*"), Ok(None));
        assert_eq!(level("WAHA_LOG_LEVEL", "WARN"), Ok(Some("warn".to_owned())));
        assert_eq!(
            level("WAHA_LOG_LEVEL", "loud").unwrap_err().to_string(),
            "WAHA_LOG_LEVEL: expected one of error, warn, info, debug, trace, found \"loud\""
        );
        let waha = environment("WAHA_LOG_FORMAT", "JSON");
        assert_eq!(format(None, &waha), Ok(LogFormat::Json));
        assert_eq!(format(Some(LogFormat::Pretty), &waha), Ok(LogFormat::Pretty));
        assert_eq!(
            format(None, &environment("WAHA_LOG_FORMAT", "XML")).unwrap_err().to_string(),
            "WAHA_LOG_FORMAT: expected PRETTY or JSON, found \"XML\""
        );
    }
}
