//! `mock-engine scrub`: takes the people out of a recording.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, Result};
use mock_engine::{
    Recording,
    recording::{Header, Scrubber, write_line},
};

use super::refuse_to_overwrite;

/// Replace the numbers, names and texts of a recording.
///
/// Each person keeps one replacement number throughout; replacements use a country code that does not
/// exist.
#[derive(clap::Args)]
#[command(after_help = "Example:
  mock-engine scrub raw.jsonl -o recording.jsonl")]
pub(super) struct Args {
    /// Recording to scrub
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Output file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Overwrite an existing file
    #[arg(long)]
    force: bool,

    /// Seed of the replacement numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Scrubs.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let name = args.file.display();
    let file = File::open(&args.file).with_context(|| format!("failed to open {name}"))?;
    let recording = Recording::read(BufReader::new(file)).with_context(|| name.to_string())?;
    let out: Box<dyn Write> = match &args.output {
        Some(path) => {
            refuse_to_overwrite(path, args.force)?;
            let file = File::create(path)
                .with_context(|| format!("failed to create {}", path.display()))?;
            Box::new(file)
        }
        None => Box::new(io::stdout()),
    };
    let mut out = BufWriter::new(out);
    let mut scrubber = Scrubber::new(args.seed);
    write_line(&mut out, &Header { scrubbed: Some(args.seed), ..recording.header })?;
    let events = recording.events.len();
    for event in recording.events {
        write_line(&mut out, &scrubber.scrub(event))?;
    }
    out.flush()?;
    let lost = if recording.truncated { "; the last line was cut off, and is lost" } else { "" };
    writeln!(io::stderr(), "{events} events scrubbed{lost}")?;
    Ok(ExitCode::SUCCESS)
}
