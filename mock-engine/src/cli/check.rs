//! `mock-engine check`: validates scenarios.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use mock_engine::Scenario;

/// Validate scenario files.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  mock-engine check my-scenario.toml
  mock-engine check scenarios/            all *.toml files below a directory

Exits with 1 when a file is invalid. Errors are printed as FILE:LINE:COLUMN: MESSAGE.")]
pub(super) struct Args {
    /// Files and directories
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks each file.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut files = Vec::new();
    for file in &args.files {
        let before = files.len();
        collect(file, &mut BTreeSet::new(), true, &mut files)?;
        if files.len() == before {
            bail!("no scenario (*.toml) found in {}", file.display());
        }
    }
    let mut out = io::stdout().lock();
    let mut wrong = 0;
    for file in &files {
        match Scenario::load(file) {
            Ok(scenario) => {
                let (contacts, steps) = (scenario.contacts.len(), scenario.steps.len());
                writeln!(out, "{}: {contacts} contacts, {steps} steps", file.display())?;
            }
            Err(error) => {
                wrong += 1;
                writeln!(io::stderr(), "{:#}", anyhow::Error::new(error))?;
            }
        }
    }
    if wrong > 0 {
        writeln!(io::stderr(), "{wrong} of {} invalid", files.len())?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The scenario files of a folder, in order of their names; a file stands for itself. A link to a folder
/// is followed once.
fn collect(
    path: &Path,
    folders: &mut BTreeSet<PathBuf>,
    named: bool,
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    if !path.is_dir() {
        if named || path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    if !folders.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned())) {
        return Ok(());
    }
    let entries = std::fs::read_dir(path)
        .with_context(|| format!("failed to read the directory {}", path.display()))?;
    let mut entries: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| collect(entry, folders, false, files))
}
