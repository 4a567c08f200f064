//! The Test Anything Protocol, version 14.

use std::fmt::Write;

use super::{
    Entry, Outcome, Report,
    terminal::{explanation, harmless},
};

pub(super) fn render(report: &Report) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", report.entries.len());
    for (number, entry) in report.entries.iter().enumerate() {
        point(&mut text, number + 1, entry);
    }
    if let Some(advice) = &report.advice {
        let _ = writeln!(text, "# {advice}");
    }
    for left in &report.left_behind {
        let _ = writeln!(text, "# not restored: {}", harmless(left).replace('\n', " "));
    }
    let _ = writeln!(text, "# {}", report.verdict());
    let _ = writeln!(text, "# {}", report.counts());
    text
}

fn point(text: &mut String, number: usize, entry: &Entry) {
    let ok = if matches!(
        entry.outcome,
        Outcome::Fail | Outcome::UnexpectedPass | Outcome::KnownFailure | Outcome::Broken
    ) {
        "not ok"
    } else {
        "ok"
    };
    let directive = match entry.outcome {
        Outcome::Skip => format!(" # SKIP {}", reason(entry)),
        Outcome::KnownFailure => " # TODO known failure".to_owned(),
        Outcome::Broken => format!(" # {}", reason(entry)),
        Outcome::Warn => " # warning".to_owned(),
        _ => String::new(),
    };
    let _ = writeln!(text, "{ok} {number} - {}{directive}", entry.check.id);
    if entry.failure.is_none() && entry.outcome != Outcome::UnexpectedPass {
        return;
    }
    let _ = writeln!(text, "  ---\n  level: {}\n  message: |", entry.check.level);
    for line in explanation(entry).lines() {
        let _ = writeln!(text, "    {line}");
    }
    let _ = writeln!(text, "  ...");
}

/// The reason on one line, as the protocol requires.
fn reason(entry: &Entry) -> String {
    harmless(entry.reason.as_deref().unwrap_or_default()).replace('\n', " ")
}
