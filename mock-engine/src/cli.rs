//! The commands, one per file.

mod check;
mod record;
mod replay;
mod scenario;
mod scrub;
mod serve;
mod signals;
mod whatsapp;

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use gateway::{
    Environment,
    logging::{self, LogFormat},
};

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
    /// Format of the log on standard error; RUST_LOG or WAHA_LOG_LEVEL sets the filter
    /// [env: WAHA_LOG_FORMAT] [default: pretty]
    #[arg(long, global = true, value_enum)]
    log_format: Option<LogFormat>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    Replay(replay::Args),
    Check(check::Args),
    #[command(subcommand)]
    Scenario(scenario::Args),
    Record(record::Args),
    Scrub(scrub::Args),
    Whatsapp(whatsapp::Args),
}

/// Runs the command of the command line.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    // Commands that print what happens are quiet about how, unless asked.
    let serves = matches!(cli.command, Command::Serve(_) | Command::Whatsapp(_));
    let level = if serves { "info" } else { "error" };
    let environment = Environment::of_process();
    logging::start(cli.log_format, level, &environment).unwrap_or_else(|error| usage(error));
    let done = match cli.command {
        Command::Serve(args) => serve::run(*args, &environment),
        Command::Replay(args) => replay::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Scenario(args) => scenario::run(args),
        Command::Record(args) => record::run(&args),
        Command::Scrub(args) => scrub::run(&args),
        Command::Whatsapp(args) => whatsapp::run(&args),
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
