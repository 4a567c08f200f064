//! The command `mock-engine`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
