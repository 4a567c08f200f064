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

/// Check a server and report.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Most checks need a driver, which makes things happen on the engine's side:
  mock:URL          mock-engine's control API at URL
  exec:COMMAND      your command; it reads one JSON line per step from standard input and answers one:
                      {\"step\":\"hello\",\"version\":1}
                        {\"ok\":true,\"abilities\":[\"presence\",\"people\",\"groups\"],\"immediate\":true}
                      {\"step\":\"presence\",\"session\":\"default\",\"chat\":\"1@c.us\",\"participant\":\"1@c.us\",
                       \"is\":\"typing\"}
                        {\"ok\":true}, or {\"ok\":false,\"error\":\"why not\"}
                    See conformance-tests/examples/exec_driver.py
  peer:URL#SESSION  a session on another WAHA server, whose account is a contact of the one under test
  manual            you, at this terminal
  none              only the checks that need no driver

Examples:
  conformance run --target http://localhost:3000 --driver mock:http://localhost:3000
  conformance run --target http://localhost:3000 presence webhook/session-status
  conformance run --target http://localhost:3000 --known-failing @known.txt --report junit=report.xml
  conformance run --target http://localhost:3000 --trace presence/get-all/is-application-json"
)]
pub(super) struct Args {
    #[command(flatten)]
    target: target::TargetArgs,

    /// Run only checks with this prefix; a full name selects its check in any profile
    #[arg(value_name = "ID-PREFIX")]
    prefixes: Vec<String>,

    /// Part of the catalogue to check
    #[arg(long, value_enum, default_value_t = Profile::Waha)]
    profile: Profile,

    /// Treat a failing SHOULD or MAY as a failure, not a warning
    #[arg(long)]
    strict: bool,

    /// Check that is known to fail, or @FILE with one per line; fail if it passes
    #[arg(long, value_name = "ID|@FILE")]
    known_failing: Vec<String>,

    /// Check to skip, or @FILE with one per line
    #[arg(long, value_name = "ID|@FILE")]
    skip: Vec<String>,

    /// Number of checks to run at a time
    #[arg(long, value_name = "N", default_value_t = 8)]
    jobs: usize,

    /// Comma-separated reports: junit=FILE, json=FILE, html=FILE or tap=FILE; - is standard output
    #[arg(long, value_name = "FORMAT=FILE", value_delimiter = ',')]
    report: Vec<Destination>,

    /// Run only this check and show all of its exchanges
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
}

pub(super) fn run(args: Args) -> Result<u8, Ended> {
    let runtime = tokio::runtime::Runtime::new().map_err(Ended::usage)?;
    let code = runtime.block_on(check(args));
    // Do not wait for the manual driver's read from the terminal.
    runtime.shutdown_background();
    code
}

async fn check(args: Args) -> Result<u8, Ended> {
    let plan = plan(&args)?;
    let outputs = open(&args.report)?;
    let environment =
        args.target.prepare().await.inspect_err(|_| outputs.iter().for_each(Output::unmake))?;
    let progress = progress(plan.checks.len());
    let interrupted = interrupted();
    let running =
        conformance_tests::run(&environment, &plan, |entry| show_progress(&progress, entry));
    let report = tokio::select! {
        report = running => report,
        code = interrupted => return stopped(&environment, &progress, code).await,
    };
    progress.finish_and_clear();
    write_all(&report, &args, outputs)?;
    for left in &report.left_behind {
        say(&format!("not restored: {left}"));
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

/// Reads names of checks, also from files.
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

/// A progress bar, hidden unless standard error is a terminal.
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

fn show_progress(progress: &ProgressBar, entry: &Entry) {
    // A failure because of another check may turn out not to be judged.
    let own = entry.failure.as_ref().is_none_or(|failure| failure.because.is_none());
    if own && (entry.outcome.is_bad() || entry.outcome == Outcome::Warn) {
        progress.println(format!("{} {}", entry.outcome, entry.check.id));
    }
    progress.set_message(entry.check.id);
    progress.inc(1);
}

/// Restores the target after a signal; a second signal exits at once.
pub(super) async fn stopped(
    environment: &Arc<Environment>,
    progress: &ProgressBar,
    code: u8,
) -> Result<u8, Ended> {
    progress.finish_and_clear();
    say("interrupted; restoring the target");
    tokio::select! {
        () = environment.restore_for_good() => {
            environment.left_behind().iter().for_each(|left| say(&format!("not restored: {left}")));
        }
        _ = interrupted() => say("not restored"),
    }
    Ok(code)
}

/// Waits for a signal and returns its exit code. A signal is caught from this call on, and not only once
/// the future is polled.
#[cfg(unix)]
pub(super) fn interrupted() -> impl Future<Output = u8> {
    use tokio::signal::unix::{SignalKind, signal};
    let caught = |kind| {
        let signal = signal(kind);
        async move {
            match signal {
                Ok(mut signal) => signal.recv().await,
                Err(_) => std::future::pending().await,
            }
        }
    };
    // As in a shell: 128 plus the signal's number.
    let hangup = caught(SignalKind::hangup());
    let (interrupt, terminate) = (caught(SignalKind::interrupt()), caught(SignalKind::terminate()));
    async {
        tokio::select! {
            _ = hangup => 129,
            _ = interrupt => 130,
            _ = terminate => 143,
        }
    }
}

/// Waits for Ctrl-C and returns its exit code.
#[cfg(not(unix))]
pub(super) async fn interrupted() -> u8 {
    let _ = tokio::signal::ctrl_c().await;
    130
}

/// The open destination of a report.
struct Output {
    /// The file; none for standard output.
    file: Option<File>,
    /// The name of the file, if it did not exist before.
    made: Option<String>,
}

impl Output {
    /// Removes the new, empty file if there is no report after all.
    fn unmake(&self) {
        if let Some(made) = &self.made {
            let _ = std::fs::remove_file(made);
        }
    }
}

/// Opens the reports' files before anything is checked.
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
        // An earlier report stays until there is a new one to replace it.
        let file = OpenOptions::new().append(true).create(true).open(&report.file);
        let file = file.with_context(|| format!("failed to create {}", report.file))?;
        Ok(Output { file: Some(file), made })
    };
    reports.iter().map(file).collect::<anyhow::Result<_>>().map_err(Ended::usage)
}

/// Writes the requested reports, and the text report unless one of them goes to standard output. An
/// error does not prevent the others, and is reported at the end.
fn write_all(report: &Report, args: &Args, outputs: Vec<Output>) -> Result<(), Ended> {
    let mut failures: Vec<String> = Vec::new();
    let mut stdout_taken = false;
    for (destination, Output { file, .. }) in args.report.iter().zip(outputs) {
        let to_stdout = file.is_none();
        match write(report, destination, file) {
            Ok(()) => stdout_taken |= to_stdout,
            Err(error) => failures.push(format!("{:#}", error.cause)),
        }
    }
    if !stdout_taken {
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

/// Truncates a regular file; a pipe or device needs no truncation.
fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}
