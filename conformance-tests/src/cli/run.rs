//! `conformance run`.

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, anyhow};
use conformance_tests::{
    Entry, Environment, Outcome, Plan, Profile, Report, find, report,
    report::{Destination, terminal},
};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Ended, FAILED, UNREACHABLE, USAGE, chosen, no_such_check, print, say, target};

/// Check a server, and report.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Drivers make the engine do something, which most checks need:
  mock:URL          mock-engine's control API at URL
  exec:COMMAND      a command of yours; it gets one JSON line a step on standard input, answers one:
                      {\"step\":\"hello\",\"version\":1}
                        {\"ok\":true,\"abilities\":[\"presence\",\"people\",\"groups\"],\"immediate\":true}
                      {\"step\":\"presence\",\"session\":\"default\",\"chat\":\"1@c.us\",\"participant\":\"1@c.us\",
                       \"is\":\"typing\"}
                        {\"ok\":true}, or {\"ok\":false,\"error\":\"why not\"}
                    conformance-tests/examples/exec_driver.py is a whole one
  peer:URL#SESSION  a session on another WAHA, whose account is a contact of the one under test
  manual            you, at this terminal
  none              what nobody need do anything for is checked

Examples:
  conformance run --target http://localhost:3000 --driver mock:http://localhost:3000
  conformance run --target http://localhost:3000 presence webhook/session-status
  conformance run --target http://localhost:3000 --known-failing @known.txt --report junit=report.xml
  conformance run --target http://localhost:3000 --trace presence/get-all/is-application-json")]
pub(super) struct Args {
    #[command(flatten)]
    target: target::TargetArgs,

    /// Only checks whose names start so; a whole name is tried whatever the profile
    #[arg(value_name = "ID-PREFIX")]
    prefixes: Vec<String>,

    /// How much is checked
    #[arg(long, value_enum, default_value_t = Profile::Waha)]
    profile: Profile,

    /// A SHOULD or MAY that does not hold is a failure, not a warning
    #[arg(long)]
    strict: bool,

    /// A check that is known to fail, or @FILE with one a line; when it holds, that is a failure
    #[arg(long, value_name = "ID|@FILE")]
    known_failing: Vec<String>,

    /// A check that is not tried, or @FILE with one a line
    #[arg(long, value_name = "ID|@FILE")]
    skip: Vec<String>,

    /// How many checks run at a time
    #[arg(long, value_name = "N", default_value_t = 8)]
    jobs: usize,

    /// Reports, with commas between them: junit=FILE, json=FILE, html=FILE or tap=FILE; - is standard
    /// output
    #[arg(long, value_name = "FORMAT=FILE", value_delimiter = ',')]
    report: Vec<Destination>,

    /// Show everything that goes over the wire in this check, and run it alone
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
}

pub(super) fn run(args: Args) -> Result<u8, Ended> {
    let runtime = tokio::runtime::Runtime::new().map_err(Ended::usage)?;
    let code = runtime.block_on(check(args));
    // A terminal that is being waited on, by the manual driver, does not hold up the end.
    runtime.shutdown_background();
    code
}

async fn check(args: Args) -> Result<u8, Ended> {
    let plan = plan(&args)?;
    let outputs = open(&args.report)?;
    let environment =
        args.target.prepare().await.inspect_err(|_| outputs.iter().for_each(Output::unmake))?;
    let progress = progress(plan.checks.len());
    let running = conformance_tests::run(&environment, &plan, |entry| told(&progress, entry));
    let report = tokio::select! {
        report = running => report,
        code = interrupted() => return stopped(&environment, &progress, code).await,
    };
    progress.finish_and_clear();
    write_all(&report, &args, outputs)?;
    for left in &report.left_behind {
        say(&format!("not put back: {left}"));
    }
    Ok(if !report.holds() || !report.left_behind.is_empty() {
        FAILED
    } else if report.is_broken() {
        UNREACHABLE
    } else if report.tried() == 0 {
        USAGE
    } else {
        0
    })
}

fn plan(args: &Args) -> Result<Plan, Ended> {
    let prefixes = match &args.trace {
        Some(id) => vec![find(id).ok_or_else(|| no_such_check(id))?.id.to_owned()],
        None => args.prefixes.clone(),
    };
    Ok(Plan {
        checks: chosen(args.profile, &prefixes)?,
        strict: args.strict,
        known_failing: names(&args.known_failing)?,
        skip: names(&args.skip)?,
        jobs: args.jobs,
    })
}

/// The names, those in files too; each must be a check's.
fn names(given: &[String]) -> Result<Vec<String>, Ended> {
    let mut names = Vec::new();
    for name in given {
        let Some(file) = name.strip_prefix('@') else {
            names.push(name.clone());
            continue;
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("failed to read {file}"))
            .map_err(Ended::usage)?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        names.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    for name in &names {
        find(name).ok_or_else(|| no_such_check(name))?;
    }
    Ok(names)
}

/// A bar on a terminal, nothing anywhere else.
pub(super) fn progress(checks: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(checks).unwrap_or(u64::MAX));
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

fn told(progress: &ProgressBar, entry: &Entry) {
    if entry.outcome.is_bad() || entry.outcome == Outcome::Warn {
        progress.println(format!("{} {}", entry.outcome, entry.check.id));
    }
    progress.set_message(entry.check.id);
    progress.inc(1);
}

/// Puts the target back after a signal; a second one ends at once.
pub(super) async fn stopped(
    environment: &Arc<Environment>,
    progress: &ProgressBar,
    code: u8,
) -> Result<u8, Ended> {
    progress.finish_and_clear();
    say("interrupted; putting the target back");
    tokio::select! {
        () = environment.leave() => {
            environment.left_behind().iter().for_each(|left| say(&format!("not put back: {left}")));
        }
        _ = interrupted() => say("not put back"),
    }
    Ok(code)
}

/// The exit code of the signal that came.
#[cfg(unix)]
pub(super) async fn interrupted() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let caught = |kind: SignalKind| async move {
        match signal(kind) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    // As a shell tells them: 128 and the signal's number.
    tokio::select! {
        _ = caught(SignalKind::hangup()) => 129,
        _ = caught(SignalKind::interrupt()) => 130,
        _ = caught(SignalKind::terminate()) => 143,
    }
}

/// The exit code of Ctrl-C.
#[cfg(not(unix))]
pub(super) async fn interrupted() -> u8 {
    let _ = tokio::signal::ctrl_c().await;
    130
}

/// Where a report goes.
struct Output {
    /// None: standard output.
    file: Option<File>,
    /// The name of a file that was not there before.
    made: Option<String>,
}

impl Output {
    /// Removes the file when there is no report after all: an empty one is none.
    fn unmake(&self) {
        if let Some(made) = &self.made {
            let _ = std::fs::remove_file(made);
        }
    }
}

/// The files of the reports, made before anything is checked.
fn open(reports: &[Destination]) -> Result<Vec<Output>, Ended> {
    for (place, report) in reports.iter().enumerate() {
        if reports[..place].iter().any(|earlier| earlier.file == report.file) {
            let file = if report.file == "-" { "standard output" } else { &report.file };
            return Err(Ended::usage(anyhow!("only one report can go to {file}")));
        }
    }
    let file = |report: &Destination| {
        if report.file == "-" {
            return Ok(Output { file: None, made: None });
        }
        let made = (!Path::new(&report.file).exists()).then(|| report.file.clone());
        // What an earlier run left stays until there is something to put in its place.
        let file = OpenOptions::new().append(true).create(true).open(&report.file);
        let file = file.with_context(|| format!("failed to create {}", report.file))?;
        Ok(Output { file: Some(file), made })
    };
    reports.iter().map(file).collect::<anyhow::Result<_>>().map_err(Ended::usage)
}

/// The reports that were asked for, and the text for a person unless one of them takes its place. What
/// cannot be written does not keep the others back, and is named at the end.
fn write_all(report: &Report, args: &Args, outputs: Vec<Output>) -> Result<(), Ended> {
    let mut failures: Vec<String> = Vec::new();
    let mut taken = false;
    for (destination, Output { file, .. }) in args.report.iter().zip(outputs) {
        let to_a_person = file.is_none();
        match write(report, destination, file) {
            Ok(()) => taken |= to_a_person,
            Err(error) => failures.push(format!("{:#}", error.cause)),
        }
    }
    if !taken {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let traced = if args.trace.is_some() { terminal::trace(report) } else { String::new() };
        if let Err(error) = print(&format!("{traced}{}", terminal::render(report, colour))) {
            say(&report.verdict());
            failures.push(format!("{:#}", error.cause));
        }
    }
    failures.dedup();
    if failures.is_empty() { Ok(()) } else { Err(Ended::failed(anyhow!(failures.join("; ")))) }
}

/// Writes one report to its file, or to standard output.
fn write(report: &Report, destination: &Destination, file: Option<File>) -> Result<(), Ended> {
    let text = report::render(report, destination.format).map_err(Ended::failed)?;
    let Some(mut file) = file else { return print(&text) };
    empty(&file)
        .and_then(|()| file.write_all(text.as_bytes()))
        .with_context(|| format!("failed to write {}", destination.file))
        .map_err(Ended::failed)
}

/// Empties a file; what is none, a pipe for example, has nothing to lose.
fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}
