//! The commands, one per file.

mod check;
mod record;
mod replay;
mod scenario;
mod scrub;
mod serve;
mod signals;
mod webhooks;

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

/// A WAHA presence API without a phone: a simulated WhatsApp on a clock that you control.
#[derive(Parser)]
#[command(
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  mock-engine serve                              start a server on port 3000 with a lively scenario
  mock-engine serve --webhook http://localhost:8080/
  mock-engine scenario list                      list the built-in scenarios
  mock-engine check my-scenario.toml             check a scenario
  mock-engine replay my-scenario.toml            print what happens, without a server

Exit codes: 0 success, 1 failure, 2 invalid usage."
)]
struct Cli {
    /// Format of the log on standard error; RUST_LOG sets the filter
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Pretty)]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
    Replay(replay::Args),
    Check(check::Args),
    #[command(subcommand)]
    Scenario(scenario::Args),
    Record(record::Args),
    Scrub(scrub::Args),
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Human-readable lines.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// Runs the command of the command line.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    // Commands that print what happens are quiet about how, unless asked.
    let level = if matches!(cli.command, Command::Serve(_)) { "info" } else { "error" };
    log(cli.log_format, level);
    let done = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Replay(args) => replay::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Scenario(args) => scenario::run(args),
        Command::Record(args) => record::run(&args),
        Command::Scrub(args) => scrub::run(&args),
    };
    match done {
        Ok(code) => code,
        // The reader of our output has exited, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed too.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

fn log(format: LogFormat, level: &str) {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = if asked.is_empty() { level } else { &asked };
    let filter = EnvFilter::try_new(filter)
        .unwrap_or_else(|error| usage(format_args!("{}: {error}", EnvFilter::DEFAULT_ENV)));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match format {
        LogFormat::Pretty => subscriber.compact().init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
}

/// Fails when the file exists and is not empty, unless `force` is set.
fn refuse_to_overwrite(file: &Path, force: bool) -> Result<()> {
    let taken = std::fs::metadata(file).is_ok_and(|it| it.is_file() && it.len() > 0);
    if taken && !force {
        let name = file.display();
        bail!("{name} already exists; choose another file, or overwrite it with --force");
    }
    Ok(())
}

/// Ends the program as clap does for a wrong command line: exit code 2.
fn usage(message: impl std::fmt::Display) -> ! {
    use clap::{CommandFactory, error::ErrorKind};
    Cli::command().error(ErrorKind::ValueValidation, message).exit()
}
