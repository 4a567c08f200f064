//! The program `conformance`: checks a WAHA-compatible server's presence API against the
//! documentation.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
