//! The report as text, for a terminal or a log.

use std::fmt::Write;

use super::{Entry, Outcome, Report};

/// Renders the report: failures, checks that were not tried, counts, and the verdict last.
pub fn render(report: &Report, colour: bool) -> String {
    let paint = Paint { colour };
    let mut text = String::new();
    for (section, entries) in report.sections() {
        let shown: Vec<&&Entry> = entries.iter().filter(|entry| is_shown(entry)).collect();
        if shown.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{}\n", paint.bold(section));
        for entry in shown {
            let head = format!("{:<16}{} {}", entry.outcome, entry.check.level, entry.check.id);
            let _ = writeln!(text, "{}", paint.outcome(entry.outcome, &head));
            for line in explanation(entry).lines() {
                let _ = writeln!(text, "    {line}");
            }
            let _ = writeln!(text);
        }
    }
    not_checked(report, &paint, &mut text);
    let _ = writeln!(
        text,
        "target {}, session {}, driver {}, seed {}",
        report.target, report.session, report.driver, report.seed
    );
    let _ = writeln!(text, "{}; {:.1} s", report.counts(), report.took.as_secs_f64());
    if let Some(advice) = &report.advice {
        let _ = writeln!(text, "{advice}");
    }
    for left in &report.left_behind {
        let _ = writeln!(text, "not restored: {}", harmless(left));
    }
    let outcome = if report.conforms() { Outcome::Pass } else { Outcome::Fail };
    let _ = writeln!(text, "{}", paint.outcome(outcome, &report.verdict()));
    text
}

/// Renders all exchanges, check by check.
pub fn trace(report: &Report) -> String {
    let mut text = String::new();
    for entry in &report.entries {
        let _ = writeln!(text, "{}\n", entry.check.id);
        for traced in &entry.trace {
            if let Some(curl) = traced.curl() {
                let _ = writeln!(text, "> {curl}");
            }
            let _ = writeln!(text, "< {}\n", traced.summary());
        }
    }
    harmless(&text)
}

/// The text with control characters escaped, since it may contain what a target sent.
pub fn harmless(text: &str) -> String {
    let shown = |char: char| match char {
        '\n' | '\t' => char.to_string(),
        char if char.is_control() => char.escape_default().to_string(),
        char => char.to_string(),
    };
    text.chars().map(shown).collect()
}

fn is_shown(entry: &Entry) -> bool {
    entry.outcome != Outcome::Pass && !entry.is_untried()
}

fn not_checked(report: &Report, paint: &Paint, text: &mut String) {
    let reasons = report.not_checked();
    if reasons.is_empty() {
        return;
    }
    let _ = writeln!(text, "{}\n", paint.bold("Not checked"));
    for (reason, checks) in reasons {
        let _ = writeln!(text, "  {}:", harmless(reason));
        for check in checks {
            let _ = writeln!(text, "    {check}");
        }
    }
    let _ = writeln!(text);
}

/// Explains an entry: requirement, request, expected and actual, one per line.
pub fn explanation(entry: &Entry) -> String {
    let mut text = format!("{}\n", entry.check.requirement);
    if let Some(failure) = &entry.failure {
        if let Some(curl) = entry.curl() {
            let _ = writeln!(text, "request:  {curl}");
        }
        let _ = writeln!(text, "expected: {}", failure.expected);
        let _ = writeln!(text, "actual:   {}", failure.actual);
        for difference in &failure.differences {
            let _ = writeln!(text, "  {difference}");
        }
    }
    if entry.outcome == Outcome::UnexpectedPass {
        let _ =
            writeln!(text, "It is listed as known to fail, but passed; remove it from the list.");
    }
    if let Some(note) = entry.check.note.filter(|_| entry.failure.is_some()) {
        let _ = writeln!(text, "note:     {note}");
    }
    harmless(&text)
}

struct Paint {
    colour: bool,
}

impl Paint {
    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }

    fn outcome(&self, outcome: Outcome, text: &str) -> String {
        let code = match outcome {
            Outcome::Pass => "32",
            Outcome::Fail | Outcome::UnexpectedPass | Outcome::Broken => "31",
            Outcome::Warn => "33",
            Outcome::Skip | Outcome::KnownFailure => "2",
        };
        self.with(code, text)
    }

    fn with(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
