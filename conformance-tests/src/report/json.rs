//! The report as JSON, for programs.

use serde_json::{Value, json};

use super::{Entry, Outcome, RenderError, Report};

pub(super) fn render(report: &Report) -> Result<String, RenderError> {
    let counts = Outcome::ALL.iter().map(|outcome| (outcome.as_str(), report.count(*outcome)));
    let counts: indexmap::IndexMap<&str, usize> = counts.collect();
    let whole = json!({
        "target": report.target,
        "session": report.session,
        "driver": report.driver,
        "profile": report.profile(),
        "strict": report.strict,
        "seed": report.seed,
        "tookMs": report.took.as_secs_f64() * 1000.0,
        "conforms": report.conforms(),
        "verdict": report.verdict(),
        "advice": report.advice,
        "leftBehind": report.left_behind,
        "counts": counts,
        "checks": report.entries.iter().map(entry).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&whole).map(|text| text + "\n").map_err(RenderError::Json)
}

fn entry(entry: &Entry) -> Value {
    let check = entry.check;
    json!({
        "id": check.id,
        "level": check.level,
        "section": check.section,
        "profile": check.profile(),
        "requirement": check.requirement,
        "restsOn": check.rests_on,
        "note": check.note,
        "differs": check.differs,
        "outcome": entry.outcome,
        "tookMs": entry.took.as_secs_f64() * 1000.0,
        "reason": entry.reason,
        "failure": entry.failure,
        "curl": entry.curl(),
        "trace": entry.trace,
    })
}
