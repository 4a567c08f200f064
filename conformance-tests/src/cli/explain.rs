//! `conformance explain`.

use std::fmt::Write;

use conformance_tests::{
    Check, WahaDifference, differences, differences_table, find, resting_on,
    statements::STATEMENTS, uncovered,
};

use super::{Ended, FAILED, no_such_check, print};

/// Explain a check, or list the documentation's statements or the differences from WAHA.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The check
    #[arg(value_name = "ID", required_unless_present_any = ["coverage", "differences"])]
    id: Option<String>,

    /// List the documentation's statements in order, with the checks that rest on each
    #[arg(long, conflicts_with = "id")]
    coverage: bool,

    /// List the deliberate differences from WAHA with the checks that show them, as a Markdown table
    #[arg(long, conflicts_with_all = ["id", "coverage"])]
    differences: bool,

    /// Print the differences as JSON
    #[arg(long, requires = "differences")]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, Ended> {
    if args.differences {
        let json = || serde_json::to_string_pretty(differences()).map(|text| text + "\n");
        let text = if args.json { json().map_err(Ended::failed)? } else { differences_table() };
        print(&text)?;
        return Ok(0);
    }
    let Some(id) = args.id.as_deref().filter(|_| !args.coverage) else {
        print(&coverage())?;
        return Ok(if uncovered().is_empty() { 0 } else { FAILED });
    };
    let check = find(id).ok_or_else(|| no_such_check(id))?;
    print(&explanation(check))?;
    Ok(0)
}

fn explanation(check: &Check) -> String {
    let mut text = format!("{}\n\n  {}\n\n", check.id, check.requirement);
    let _ = writeln!(text, "level    {}", check.level);
    let _ = writeln!(text, "profile  {}", check.profile());
    let _ = writeln!(text, "section  {}", check.section);
    for need in check.needs {
        let _ = writeln!(text, "needs    {need}");
    }
    for statement in STATEMENTS.iter().filter(|it| check.rests_on.contains(&it.id)) {
        let _ =
            writeln!(text, "rests on {} ({}): {}", statement.id, statement.section, statement.says);
    }
    if check.rests_on.is_empty() {
        let _ = writeln!(text, "rests on no statement of the documentation");
    }
    if let Some(note) = check.note {
        let _ = writeln!(text, "note     {note}");
    }
    for it in differences().iter().filter(|it| check.differs == Some(&*it.id)) {
        let WahaDifference { id, waha, here, why, .. } = it;
        let _ = writeln!(text, "differs  {id}\n  WAHA   {waha}\n  here   {here}\n  why    {why}");
    }
    for example in STATEMENTS.iter().filter(|it| check.rests_on.contains(&it.id)) {
        if let Some(json) = example.example {
            let _ = writeln!(text, "\n{}:\n\n{}", example.id, json.trim_end());
        }
    }
    text
}

fn coverage() -> String {
    let mut text = String::new();
    let mut section = "";
    for (number, statement) in STATEMENTS.iter().enumerate() {
        if statement.section != section {
            section = statement.section;
            let _ = writeln!(text, "{}{section}", if text.is_empty() { "" } else { "\n" });
        }
        let _ = writeln!(text, "  {:>2}. {} ({})", number + 1, statement.says, statement.id);
        let mut covered = false;
        for check in resting_on(statement.id) {
            covered = true;
            let _ = writeln!(text, "        {:<6} {}", check.level, check.id);
        }
        if !covered {
            let _ = writeln!(text, "        NO CHECK RESTS ON IT");
        }
    }
    let bare = uncovered().len();
    let _ = writeln!(text, "\n{} statements, {bare} without a check", STATEMENTS.len());
    text
}
