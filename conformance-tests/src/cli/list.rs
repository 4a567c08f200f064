//! `conformance list`.

use std::fmt::Write;

use conformance_tests::{Level, Profile, catalogue};

use super::{Ended, chosen, print};

/// List the checks, by section.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// List only the checks of this profile
    #[arg(long, value_enum, default_value_t = Profile::Extensions)]
    profile: Profile,

    /// List only names with this prefix
    #[arg(value_name = "ID-PREFIX")]
    prefixes: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<u8, Ended> {
    let checks = chosen(args.profile, &args.prefixes)?;
    let mut text = String::new();
    let mut section = "";
    for check in &checks {
        if check.section != section {
            section = check.section;
            let _ = writeln!(text, "{}{section}", if text.is_empty() { "" } else { "\n" });
        }
        let driver = if check.needs_driver() { "driver" } else { "" };
        let _ = writeln!(text, "  {:<6} {:<6} {}", check.level, driver, check.id);
    }
    let of = |level: Level| checks.iter().filter(|check| check.level == level).count();
    let driven = checks.iter().filter(|check| check.needs_driver()).count();
    let _ = writeln!(
        text,
        "\n{} of {} checks: {} MUST, {} SHOULD, {} MAY; {driven} need a driver",
        checks.len(),
        catalogue().len(),
        of(Level::Must),
        of(Level::Should),
        of(Level::May),
    );
    print(&text)?;
    Ok(0)
}
