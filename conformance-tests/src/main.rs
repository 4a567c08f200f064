//! `conformance`: whether a WAHA-compatible server keeps the promises of the documentation.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
