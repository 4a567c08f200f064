//! `mock-engine replay`: plays a scenario or a recording to its end, and prints what happens.

use std::{
    io::{self, BufWriter, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mock_engine::{
    Delay, MockWaha,
    engine::{Happened, Heard},
    noweb::Event,
    time::SPEEDS,
};
use tokio::time::Instant;

use super::usage;

/// Play a scenario or a recording without a server, and print each event.
///
/// The clock jumps from one event to the next, so that a day takes seconds and the output is identical,
/// byte for byte, at any speed.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  mock-engine replay my-scenario.toml
  mock-engine replay group-typing --json
  mock-engine replay recording.jsonl --speed 10
  mock-engine replay day-of-traffic.toml --for 24h --quiet

Exits with 1 when an expectation of the scenario fails.")]
pub(super) struct Args {
    /// A scenario (TOML), a recording (.jsonl), or the name of an embedded scenario
    #[arg(value_name = "FILE")]
    file: String,

    /// Print one JSON object per line: at (ms), session, and event and data, or sent
    #[arg(long)]
    json: bool,

    /// Print only the summary
    #[arg(long, conflicts_with = "json")]
    quiet: bool,

    /// Virtual time to play [default: until the scenario ends]
    #[arg(long = "for", value_name = "TIME")]
    length: Option<Delay>,

    /// Multiple of real time [default: as fast as possible]
    #[arg(long, value_name = "N")]
    speed: Option<f64>,

    /// Seeds all randomness [default: the scenario's seed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Presence plugin library [default: found beside this program]
    #[arg(long, value_name = "FILE", env = "PRESENCE_PLUGIN")]
    plugin: Option<PathBuf>,

    /// How many threads work; what is printed does not depend on it
    #[arg(long, value_name = "N", hide = true)]
    workers: Option<usize>,
}

/// Replays.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    if args.speed.is_some_and(|speed| !SPEEDS.contains(&speed)) {
        let (least, most) = (SPEEDS.start(), SPEEDS.end());
        usage(format_args!("--speed: expected a number from {least} to {most}"));
    }
    // One step at a time leaves nothing to do for a second thread.
    let mut runtime = match args.workers {
        None => tokio::runtime::Builder::new_current_thread(),
        Some(_) => tokio::runtime::Builder::new_multi_thread(),
    };
    if let Some(workers) = args.workers {
        runtime.worker_threads(workers.max(1));
    }
    runtime.enable_all().build()?.block_on(replay(args))
}

async fn replay(args: &Args) -> Result<ExitCode> {
    let scenario = super::scenario::find_or_recorded(&args.file)?;
    let Some(length) = args.length.or(scenario.ends()) else {
        usage(format_args!("{} never ends; limit it, for example with --for 10m", args.file));
    };
    let mut builder = MockWaha::builder().scenario(scenario);
    if let Some(seed) = args.seed {
        builder = builder.seed(seed);
    }
    if let Some(plugin) = &args.plugin {
        builder = builder.plugin(plugin);
    }
    let waha = builder.build()?;
    let started = Instant::now();
    let start_ms = waha.engine().now_ms();
    let printer = Arc::new(Printer::new(args, start_ms));
    let observer = printer.clone();
    waha.engine().observe(move |happened| observer.print(happened));
    waha.begin().await;
    let bar = progress(length, args.quiet);
    while let Some(step) = next_step(&waha, start_ms, length) {
        if let Some(speed) = args.speed {
            tokio::time::sleep(step.duration().div_f64(speed)).await;
        }
        waha.engine().clock().advance(step.duration()).await;
        bar.set_position(waha.engine().now_ms() - start_ms);
        if printer.is_closed() {
            break;
        }
    }
    waha.engine().settled().await;
    bar.finish_and_clear();
    // Events caused by the program's end are not part of the scenario.
    printer.end();
    waha.stop_playing().await;
    waha.gateway().shutdown(Duration::from_secs(10)).await;
    printer.finish()?;
    let took = started.elapsed();
    let mut stderr = io::stderr().lock();
    let (events, sent) = printer.counts();
    let memory = peak_memory().map(|kib| format!(", {} MiB at most", kib / 1024));
    writeln!(
        stderr,
        "{events} events and {sent} sends in {length}, played in {:.2} s{}",
        took.as_secs_f64(),
        memory.unwrap_or_default()
    )?;
    let unmet = waha.unmet();
    for unmet in &unmet {
        writeln!(stderr, "{unmet}")?;
    }
    Ok(if unmet.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The next advance of the clock: to the next timer, or in large steps when no output depends on it.
fn next_step(waha: &MockWaha, start_ms: u64, length: Delay) -> Option<Delay> {
    let gone = waha.engine().now_ms() - start_ms;
    let left = length.as_millis().checked_sub(gone)?;
    let wait = waha.engine().clock().until_next_timer();
    let wait = wait.and_then(|wait| u64::try_from(wait.as_millis()).ok());
    match wait {
        Some(wait) if wait <= left && left > 0 => Some(Delay::from_millis(wait)),
        _ if left > 0 => Some(Delay::from_millis(left)),
        _ => None,
    }
}

fn progress(length: Delay, quiet: bool) -> ProgressBar {
    let shows = quiet && io::stderr().is_terminal();
    let target = if shows { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(length.as_millis()), target);
    let style = ProgressStyle::with_template("{bar:40} {percent}% of the time, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Writes what happens, in order, and counts it.
struct Printer {
    state: Mutex<State>,
    start_ms: u64,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
    None,
}

struct State {
    out: BufWriter<io::Stdout>,
    failed: Option<io::Error>,
    over: bool,
    events: u64,
    sent: u64,
}

impl Printer {
    fn new(args: &Args, start_ms: u64) -> Self {
        let form = match (args.json, args.quiet) {
            (true, _) => Form::Json,
            (_, true) => Form::None,
            _ => Form::Text,
        };
        let out = BufWriter::new(io::stdout());
        let state = Mutex::new(State { out, failed: None, over: false, events: 0, sent: 0 });
        Self { state, start_ms, form }
    }

    fn print(&self, happened: &Happened) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.over {
            return;
        }
        match happened.heard {
            Heard::Event(_) => state.events += 1,
            Heard::Sent(_) => state.sent += 1,
        }
        let line = match self.form {
            Form::Json => happened.to_json(self.start_ms).to_string(),
            Form::Text => text(happened, self.start_ms),
            Form::None => return,
        };
        if state.failed.is_none()
            && let Err(error) = writeln!(state.out, "{line}")
        {
            state.failed = Some(error);
        }
    }

    /// Prints and counts nothing that happens from now on.
    fn end(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).over = true;
    }

    /// Whether whoever reads has gone.
    fn is_closed(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failed.is_some()
    }

    fn counts(&self) -> (u64, u64) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.events, state.sent)
    }

    fn finish(&self) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.failed.take() {
            Some(error) => Err(error).context("failed to write to standard output"),
            None => state.out.flush().context("failed to write to standard output"),
        }
    }
}

/// `    2.000s  default  <- 120363041234567890@g.us  5511999990001@s.whatsapp.net composing`
fn text(happened: &Happened, start_ms: u64) -> String {
    let at = happened.time.saturating_sub(start_ms);
    let what = match &happened.heard {
        Heard::Sent(entry) => format!("-> {}", entry.node),
        Heard::Event(Event::Presence { id, presences }) => {
            let mut line = format!("<- {id} ");
            for presence in presences {
                line += &format!(" {} {}", presence.participant, presence.status);
                if let Some(last_seen) = presence.last_seen {
                    line += &format!(" since {last_seen}");
                }
            }
            line
        }
        Heard::Event(event) => format!("<- {} {}", event.kind(), event.data()),
    };
    format!("{:>6}.{:03}s  {}  {what}", at / 1000, at % 1000, happened.session)
}

/// The most memory that this process has had, in KiB; on Linux.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
