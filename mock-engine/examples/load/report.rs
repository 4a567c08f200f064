//! The figures of a load run.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::Result;
use serde::Serialize;

use super::receiver::Ledger;

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    events: u32,
    chats: u32,
    receivers: usize,
    /// From the first event to the last arrival.
    seconds: f64,
    events_per_second: f64,
    latency_ms: Latency,
    /// Over all receivers, as the numbers that follow.
    arrived: u64,
    conflated: u64,
    lost: u64,
    doubled: u64,
    /// Arrivals that were older than what the receiver already knew of the chat.
    backwards: u64,
    /// Arrivals that were none of the events sent.
    foreign: u64,
    /// Of the whole process, receivers included; on Linux.
    cpu_micros_per_event: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Latency {
    p50: f64,
    p99: f64,
    max: f64,
}

impl Report {
    pub(super) fn new(ledger: &Ledger, took: Duration, cpu: Option<Duration>) -> Self {
        let mut latencies = ledger.latencies();
        latencies.sort_unstable();
        let arrived = latencies.len() as u64;
        let at = |share: f64| {
            let index = (latencies.len() as f64 * share) as usize;
            let index = index.min(latencies.len().saturating_sub(1));
            latencies.get(index).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
        };
        let all = u64::from(ledger.events()) * ledger.receivers() as u64;
        let seconds = took.as_secs_f64();
        Self {
            events: ledger.events(),
            chats: ledger.chats(),
            receivers: ledger.receivers(),
            seconds,
            events_per_second: f64::from(ledger.events()) / seconds.max(1e-9),
            latency_ms: Latency { p50: at(0.5), p99: at(0.99), max: at(1.0) },
            arrived,
            conflated: ledger.conflated(),
            lost: all.saturating_sub(arrived + ledger.conflated()),
            doubled: ledger.doubled(),
            backwards: ledger.backwards(),
            foreign: ledger.foreign(),
            cpu_micros_per_event: cpu
                .map(|cpu| cpu.as_secs_f64() * 1e6 / f64::from(ledger.events())),
        }
    }

    /// Whether nothing was lost, and no chat went back in time.
    pub(super) fn holds(&self) -> bool {
        self.lost == 0 && self.backwards == 0 && self.foreign == 0
    }

    pub(super) fn print(&self, json: bool) -> Result<()> {
        let mut out = io::stdout().lock();
        if json {
            writeln!(out, "{}", serde_json::to_string(self)?)?;
            return Ok(());
        }
        let Latency { p50, p99, max } = self.latency_ms;
        let cpu =
            self.cpu_micros_per_event.map_or("unknown".to_owned(), |it| format!("{it:.1} µs"));
        writeln!(
            out,
            "{} events about {} chats to {} receivers in {:.2} s",
            self.events, self.chats, self.receivers, self.seconds
        )?;
        writeln!(out, "  events a second  {:.0}", self.events_per_second)?;
        writeln!(out, "  latency          p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms")?;
        writeln!(out, "  conflated        {}", self.conflated)?;
        writeln!(out, "  lost             {}", self.lost)?;
        writeln!(out, "  doubled          {}", self.doubled)?;
        writeln!(out, "  backwards        {}", self.backwards)?;
        writeln!(out, "  CPU an event     {cpu}, receivers included")?;
        Ok(())
    }
}

/// The CPU time that this process has used, on Linux, where a tick is a hundredth of a second.
pub(super) fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 10))
}
