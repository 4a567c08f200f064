//! Fuzzes the wire format, broken frames to nodes to events, and the readers of what WhatsApp's clients
//! send: the handshake and its protobuf messages.
//!
//! ```text
//! cargo run --release -p mock-engine --example fuzz -- --cases 10000000
//! ```

use std::{
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use clap::Parser;
use mock_engine::{
    noweb::event_of,
    whatsapp::probe,
    wire::{Node, decode, encode},
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

/// Decode broken frames: none may panic or hang, and each error must point into its frame.
#[derive(Parser)]
struct Args {
    /// Number of frames
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    cases: u64,

    /// Seed of the frames
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
fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let started = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|first| {
            let (seed, cases) = (args.seed, args.cases);
            thread::spawn(move || fuzz(seed, (first..cases).step_by(threads as usize)))
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

/// Tries these cases. A case depends on the seed and its number only, not on the thread.
fn fuzz(seed: u64, cases: impl Iterator<Item = u64>) -> Result<Tally> {
    let seeds = seeds()?;
    let mut tally = Tally::default();
    let mut frame = Vec::new();
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    for case in cases {
        chance.set_stream(case);
        chance.set_word_pos(0);
        make(&mut frame, &seeds, &mut chance);
        let tried = catch_unwind(AssertUnwindSafe(|| tally.try_frame(&frame)));
        if let Err(wrong) = tried.unwrap_or_else(|_| Err("a panic".to_owned())) {
            let (length, hex) = (frame.len(), hex(&frame));
            bail!("case {case} of seed {seed}: {wrong}, of {length} bytes: {hex}");
        }
    }
    Ok(tally)
}

impl Tally {
    fn try_frame(&mut self, frame: &[u8]) -> Result<(), String> {
        let started = Instant::now();
        probe(frame);
        match decode(frame) {
            Ok(node) => {
                self.nodes += 1;
                self.events += u64::from(event_of(&node).is_some());
            }
            Err(error) => {
                self.errors += 1;
                // A compressed frame's offset is within what was compressed.
                let compressed = frame.first().is_some_and(|flags| flags & 2 != 0);
                if error.offset > frame.len().max(1) && !compressed {
                    return Err(error.to_string());
                }
            }
        }
        self.slowest = self.slowest.max(started.elapsed());
        Ok(())
    }
}

fn hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Valid frames, to be mutated.
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
        Node::new("message").attr("from", from).child(Node::new("body").text("hello".repeat(500))),
        (0..300).fold(Node::new("list"), |list, _| list.child(Node::new("item"))),
        (0..100).fold(Node::new("leaf"), |inner, _| Node::new("nest").child(inner)),
    ];
    nodes.iter().map(|node| Ok(encode(node)?)).collect()
}

/// A random frame, or a valid one with a few bytes changed, removed or inserted.
fn make(frame: &mut Vec<u8>, seeds: &[Vec<u8>], chance: &mut ChaCha8Rng) {
    frame.clear();
    if chance.random_ratio(1, 4) {
        frame.resize(chance.random_range(0..256), 0);
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
