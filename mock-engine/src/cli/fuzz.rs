//! `mock-engine fuzz`: bytes to node to event, many times over.

use std::{
    io::{self, Write},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use mock_engine::{
    noweb::event_of,
    wire::{Node, decode, encode},
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

/// Feed the wire format with broken frames: nothing may panic, hang, or be wrong about where.
#[derive(clap::Args)]
#[command(after_help = "Example:
  mock-engine fuzz --cases 10000000")]
pub(super) struct Args {
    /// How many frames
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    cases: u64,

    /// Which frames
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

#[derive(Default)]
struct Tally {
    nodes: u64,
    events: u64,
    errors: u64,
    slowest: Duration,
}

/// Fuzzes on every core.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let started = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|index| {
            let cases = args.cases / threads + u64::from(index < args.cases % threads);
            let mut chance = ChaCha8Rng::seed_from_u64(args.seed);
            chance.set_stream(index);
            thread::spawn(move || fuzz(cases, &mut chance))
        })
        .collect();
    let mut tally = Tally::default();
    for worker in workers {
        let Ok(found) = worker.join() else { bail!("a thread panicked: see above") };
        let found = found?;
        tally.nodes += found.nodes;
        tally.events += found.events;
        tally.errors += found.errors;
        tally.slowest = tally.slowest.max(found.slowest);
    }
    let took = started.elapsed();
    writeln!(
        io::stdout(),
        "{} frames in {:.1} s: {} nodes, {} events, {} errors; the slowest took {:?}",
        args.cases,
        took.as_secs_f64(),
        tally.nodes,
        tally.events,
        tally.errors,
        tally.slowest
    )?;
    Ok(ExitCode::SUCCESS)
}

fn fuzz(cases: u64, chance: &mut ChaCha8Rng) -> Result<Tally> {
    let seeds = seeds()?;
    let mut tally = Tally::default();
    let mut frame = Vec::new();
    for _ in 0..cases {
        make(&mut frame, &seeds, chance);
        let started = Instant::now();
        match decode(&frame) {
            Ok(node) => {
                tally.nodes += 1;
                tally.events += u64::from(event_of(&node).is_some());
            }
            Err(error) => {
                tally.errors += 1;
                // A compressed frame's offset is within what was compressed.
                let compressed = frame.first().is_some_and(|flags| flags & 2 != 0);
                if error.offset > frame.len().max(1) && !compressed {
                    bail!("{error}, of {} bytes: {frame:02x?}", frame.len());
                }
            }
        }
        tally.slowest = tally.slowest.max(started.elapsed());
    }
    Ok(tally)
}

/// Frames that are right, to begin with.
fn seeds() -> Result<Vec<Vec<u8>>> {
    let from = "5511999990001@s.whatsapp.net";
    let chatstate = |from: &str| Node::new("chatstate").attr("from", from);
    let nodes = [
        Node::new("presence")
            .attr("from", from)
            .attr("type", "unavailable")
            .attr("last", "1686719326"),
        Node::new("presence").attr("from", "777:4@s.whatsapp.net"),
        Node::new("presence").attr("from", "120363041234567890@g.us").attr("count", "3"),
        chatstate(from).child(Node::new("composing").attr("media", "audio")),
        chatstate("120363041234567890@g.us")
            .attr("participant", "12345678901234@lid")
            .child(Node::new("paused")),
        Node::new("message").attr("from", from).child(Node::new("body").text("hello")),
    ];
    nodes.iter().map(|node| Ok(encode(node)?)).collect()
}

/// A frame of chance alone, or a right one with a few bytes changed, cut out or put in.
fn make(frame: &mut Vec<u8>, seeds: &[Vec<u8>], chance: &mut ChaCha8Rng) {
    frame.clear();
    if chance.random_ratio(1, 4) {
        frame.resize(chance.random_range(0..64), 0);
        chance.fill_bytes(frame);
        return;
    }
    frame.extend_from_slice(&seeds[chance.random_range(0..seeds.len())]);
    for _ in 0..chance.random_range(1..6) {
        if frame.is_empty() {
            return;
        }
        let at = chance.random_range(0..frame.len());
        match chance.random_range(0..5) {
            0 => frame.truncate(at),
            1 => frame.insert(at, chance.random()),
            2 => drop(frame.remove(at)),
            // Tokens of lists, jids and packed digits, where the format branches.
            3 => frame[at] = chance.random_range(236..=255),
            _ => frame[at] = chance.random(),
        }
    }
}
