//! `mock-engine scenario`: the scenarios that come with the program, and their format.

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, Result};
use mock_engine::{
    Recording, Scenario,
    scenario::{EMBEDDED, Embedded},
};

/// The scenarios that come with the program, and the format of your own.
#[derive(clap::Subcommand)]
#[command(after_help = "Examples:
  mock-engine scenario list
  mock-engine scenario show group-typing > my-scenario.toml
  mock-engine scenario schema > scenario.schema.json     completion in your editor")]
pub(super) enum Args {
    /// List the embedded scenarios
    List,
    /// Print an embedded scenario
    Show {
        /// Its name
        name: String,
    },
    /// Print the JSON Schema of the format
    Schema,
}

/// Lists, shows, or prints the schema.
pub(super) fn run(args: Args) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    match args {
        Args::List => {
            for embedded in EMBEDDED {
                let description = embedded.scenario()?.description;
                writeln!(out, "{:<22}{description}", embedded.name)?;
            }
        }
        Args::Show { name } => out.write_all(Embedded::find(&name)?.text.as_bytes())?,
        Args::Schema => writeln!(out, "{}", serde_json::to_string_pretty(&Scenario::schema())?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The scenario of that name: a file if there is one, else an embedded one.
pub(super) fn find(name: &str) -> Result<Scenario> {
    let path = Path::new(name);
    let is_file = path.extension().is_some() || name.contains(std::path::MAIN_SEPARATOR);
    if is_file || path.is_file() {
        return Scenario::load(path).map_err(anyhow::Error::new);
    }
    Ok(Scenario::embedded(name)?)
}

/// The same, or the recording of that name, `….jsonl`.
pub(super) fn find_or_recorded(name: &str) -> Result<Scenario> {
    if Path::new(name).extension().is_some_and(|extension| extension == "jsonl") {
        recorded(Path::new(name))
    } else {
        find(name)
    }
}

/// A recording, as a scenario.
pub(super) fn recorded(path: &Path) -> Result<Scenario> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("failed to open {name}"))?;
    let recording = Recording::read(BufReader::new(file)).with_context(|| name.clone())?;
    if recording.truncated {
        writeln!(io::stderr(), "{name}: the last line was cut off, and is lost")?;
    }
    Ok(recording.scenario(&name))
}
