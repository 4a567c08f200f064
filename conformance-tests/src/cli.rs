//! The command line: `run`, `list`, `explain`, `fuzz`.
//!
//! Exit codes: 0 all held; 1 a check failed, or a known failure passed; 2 wrong usage; 3 the target,
//! or the driver, cannot be reached; 130, 143 and 129 interrupted by Ctrl-C, SIGTERM and SIGHUP.

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

/// Check whether a WAHA-compatible server's presence API keeps the promises of the documentation.
#[derive(Debug, Parser)]
#[command(
    name = "conformance",
    version,
    after_help = "Exit codes: 0 all held; 1 a check failed, or a known failure passed; 2 wrong usage;\n\
                  3 the target cannot be reached; 129, 130, 143 interrupted (the target is put back first)."
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

/// Exit code 1: a promise is not kept, or what came out cannot be written.
const FAILED: u8 = 1;
/// Exit code 2: wrong usage.
const USAGE: u8 = 2;
/// Exit code 3: the target, or the driver, cannot be reached.
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

/// There is no check of this name, and which one may have been meant.
fn no_such_check(id: &str) -> Ended {
    let prefix = [format!("{}/", id.trim_end_matches('/'))];
    if let [first, ..] = select(Profile::Extensions, &prefix)[..] {
        let cause = anyhow::anyhow!(
            "{id:?} is no check but the beginning of some; give a whole name, as {}",
            first.id
        );
        return Ended::usage(cause);
    }
    let hint = nearest(id).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    Ended::usage(anyhow::anyhow!("there is no check {id:?}{hint}"))
}

/// The checks of a profile whose names start so; each prefix must be of some check's name.
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

/// Prints to standard output; a reader that has gone away is no error.
fn print(text: &str) -> Result<(), Ended> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Ended::failed(
            anyhow::Error::new(error).context("failed to write to standard output"),
        )),
        _ => Ok(()),
    }
}

/// Says something to the person at the terminal; what a target sent may be part of it.
fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(text));
}
