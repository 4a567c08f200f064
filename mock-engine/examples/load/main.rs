//! Measures delivery: events per second, and latency, from the engine's event to the webhook's receipt.
//!
//! ```text
//! cargo run --release -p mock-engine --example load -- --events 400000
//! ```

mod receiver;
mod report;

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Parser;
use futures_util::future::BoxFuture;
use host_sdk::{
    Engine, EngineError, EngineEvents, EngineStatus, Gateway, PresenceUpdate, SessionSpec,
    SessionStatus, loader, webhook::WebhookConfig,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{net::TcpListener, runtime::Runtime, time::Instant};

use self::{
    receiver::Ledger,
    report::{Report, cpu_time},
};

/// How long nothing may arrive before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Measure delivery: engine events through the plugin to webhooks on this machine.
///
/// In each event one contact goes offline; its last seen is the event's number, by which the receiver
/// recognises it. Receivers run in this process, so that their CPU time is included.
#[derive(Parser)]
#[command(after_help = "Examples:
  load --events 400000                 throughput: as many per second as the receiver accepts
  load --events 100000 --rate 10000    latency at 10,000 events per second
  load --slow 5 --receivers 2 --json

Exits with 1 when an event is lost or delivered out of order.")]
struct Args {
    /// Number of events
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    events: u32,

    /// Events per second [default: as many as the receivers accept]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// Number of chats
    #[arg(long, value_name = "C", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    chats: u32,

    /// Number of webhooks; each receives every event
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    receivers: u16,

    /// Milliseconds that a receiver takes to answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    slow: u64,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,

    /// Presence plugin library [default: found beside this program]
    #[arg(long, value_name = "FILE", env = "PRESENCE_PLUGIN")]
    plugin: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    Runtime::new()?.block_on(load(&Args::parse()))
}

async fn load(args: &Args) -> Result<ExitCode> {
    let ledger = Arc::new(Ledger::new(args.events, args.chats, usize::from(args.receivers)));
    let mut builder = Gateway::builder();
    for index in 0..usize::from(args.receivers) {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("failed to listen")?;
        let url = format!("http://{}/", listener.local_addr()?);
        tokio::spawn(receiver::receive(listener, index, args.slow, ledger.clone()));
        builder = builder.webhook(WebhookConfig::new(&url)?.events(["presence.update"]));
    }
    let file = match &args.plugin {
        Some(file) => file.clone(),
        None => loader::find("presence_plugin")?,
    };
    let source = Arc::new(Source::default());
    let gateway = builder
        .engine(source.clone())
        .plugin(loader::load(file)?)
        .session(SessionSpec::new("load"))
        .build()?;
    gateway.start().await;
    let Some(events) = source.events.get().cloned() else { bail!("the session did not start") };
    events.settled().await;

    let bar = progress(args);
    let cpu = cpu_time();
    let started = Instant::now();
    let sending = tokio::spawn(send(events.clone(), ledger.clone(), args.rate));
    wait(&ledger, &bar).await;
    sending.await?;
    let took = ledger.finished();
    let cpu = cpu_time().zip(cpu).map(|(after, before)| after.saturating_sub(before));
    bar.finish_and_clear();
    gateway.shutdown(Duration::from_secs(10)).await;
    let report = Report::new(&ledger, took.min(started.elapsed()), cpu);
    report.print(args.json)?;
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends the events, at the rate or as fast as they arrive.
async fn send(events: EngineEvents, ledger: Arc<Ledger>, rate: Option<u32>) {
    let chats: Vec<String> =
        (0..ledger.chats()).map(|chat| format!("55119{chat:08}@s.whatsapp.net")).collect();
    // Enough to keep every lane busy, and less than makes one of them fold.
    let window = u64::from(ledger.chats()) * 16 + 1_024;
    let started = Instant::now();
    let mut interval = tokio::time::interval(Duration::from_millis(1));
    let mut sent = 0_u32;
    while sent < ledger.events() {
        let allowed = match rate {
            Some(rate) => {
                interval.tick().await;
                (started.elapsed().as_secs_f64() * f64::from(rate)) as u64
            }
            None => {
                let allowed = ledger.arrived() + window;
                if u64::from(sent) >= allowed {
                    ledger.progress().await;
                }
                allowed
            }
        };
        while sent < ledger.events() && u64::from(sent) < allowed {
            let chat = &chats[(sent % ledger.chats()) as usize];
            ledger.send(sent);
            let last_seen = Some(receiver::FIRST + u64::from(sent));
            let update = PresenceUpdate::new(chat, EngineStatus::UNAVAILABLE, last_seen);
            events.presence(chat, &[update]).await;
            sent += 1;
        }
    }
}

/// Waits until everything has arrived, or nothing does any more.
async fn wait(ledger: &Ledger, bar: &ProgressBar) {
    let mut before = u64::MAX;
    let mut idle = Instant::now();
    while !ledger.is_complete() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = ledger.accounted();
        bar.set_position(now);
        if now != before {
            (before, idle) = (now, Instant::now());
        } else if idle.elapsed() > PATIENCE {
            return;
        }
    }
}

fn progress(args: &Args) -> ProgressBar {
    let shows = !args.json && io::stderr().is_terminal();
    let target = if shows { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let total = u64::from(args.events) * u64::from(args.receivers);
    let bar = ProgressBar::with_draw_target(Some(total), target);
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len}, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// An engine that says what it is told to say, and nothing else.
#[derive(Default)]
struct Source {
    events: OnceLock<EngineEvents>,
}

impl Engine for Source {
    fn name(&self) -> &str {
        "NOWEB"
    }

    fn start(&self, _: &str, events: EngineEvents) -> BoxFuture<'static, Result<(), EngineError>> {
        // A session is started once here.
        let _ = self.events.set(events.clone());
        Box::pin(async move {
            events.status(SessionStatus::Working).await;
            Ok(())
        })
    }

    fn stop(&self, _: &str) -> BoxFuture<'static, Result<(), EngineError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn call(&self, _: &str, _: &str, _: Bytes) -> BoxFuture<'static, Result<Bytes, EngineError>> {
        Box::pin(std::future::ready(Ok(Bytes::from_static(b"null"))))
    }
}
