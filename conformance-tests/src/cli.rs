//! The command line: `run`, `list`, `explain`, `fuzz`.
//!
//! Exit codes: 0 all checks passed; 1 a check failed, or a known failure passed; 2 invalid usage; 3
//! the target or the driver cannot be reached; 130, 143 and 129 interrupted by Ctrl-C, SIGTERM and
//! SIGHUP.

mod explain;
mod fuzz;
mod list;
mod run;
mod target;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use conformance_tests::{Check, Profile, nearest, report::terminal::harmless, select};

/// Check a WAHA-compatible server's presence API against the documentation.
#[derive(Debug, Parser)]
#[command(
    name = "conformance",
    version,
    after_help = "Exit codes: 0 all checks passed; 1 a check failed, or a known failure passed; 2 invalid usage;\n\
                  3 the target or driver cannot be reached; 129, 130, 143 interrupted (changes are undone first)."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    List(list::Args),
    Explain(explain::Args),
    Fuzz(fuzz::Args),
}

impl Cli {
    pub(crate) fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Run(args) => run::run(args),
            Command::List(args) => list::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Fuzz(args) => fuzz::run(args),
        };
        match result {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                say(&format!("error: {:#}", error.cause));
                ExitCode::from(error.code)
            }
        }
    }
}

/// Exit code 1: a check failed, or the output cannot be written.
const FAILED: u8 = 1;
/// Exit code 2: invalid usage.
const USAGE: u8 = 2;
/// Exit code 3: the target or the driver cannot be reached.
const UNREACHABLE: u8 = 3;

/// An error that ends the command, and its exit code.
#[derive(Debug)]
struct Ended {
    code: u8,
    cause: anyhow::Error,
}

impl Ended {
    fn usage(cause: impl Into<anyhow::Error>) -> Self {
        Self { code: USAGE, cause: cause.into() }
    }

    fn failed(cause: impl Into<anyhow::Error>) -> Self {
        Self { code: FAILED, cause: cause.into() }
    }

    fn unreachable(cause: impl Into<anyhow::Error>) -> Self {
        Self { code: UNREACHABLE, cause: cause.into() }
    }
}

/// The error for an unknown check, with the nearest name.
fn no_such_check(id: &str) -> Ended {
    let prefix = [format!("{}/", id.trim_end_matches('/'))];
    if let [first, ..] = select(Profile::Extensions, &prefix)[..] {
        let cause = anyhow::anyhow!(
            "{id:?} is a prefix, not a check; give a full name such as {}",
            first.id
        );
        return Ended::usage(cause);
    }
    let hint = nearest(id).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    Ended::usage(anyhow::anyhow!("unknown check {id:?}{hint}"))
}

/// The checks of a profile whose names start with a prefix; each prefix must match some check.
fn chosen(profile: Profile, prefixes: &[String]) -> Result<Vec<&'static Check>, Ended> {
    for prefix in prefixes {
        if select(Profile::Extensions, std::slice::from_ref(prefix)).is_empty() {
            return Err(no_such_check(prefix));
        }
    }
    let checks = select(profile, prefixes);
    if checks.is_empty() {
        let wanted = prefixes.join(", ");
        let cause = anyhow::anyhow!("the profile {profile} has no check {wanted}; see --profile");
        return Err(Ended::usage(cause));
    }
    Ok(checks)
}

/// Prints to standard output; a closed pipe is not an error.
fn print(text: &str) -> Result<(), Ended> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Ended::failed(
            anyhow::Error::new(error).context("failed to write to standard output"),
        )),
        _ => Ok(()),
    }
}

/// Prints a message to standard error; it may contain what a target sent.
fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(text));
}
