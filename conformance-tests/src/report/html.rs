//! The report as one HTML file: the verdict, then each section with its exchanges folded.

use minijinja::{AutoEscape, Environment, value::Serde};
use serde_json::{Value, json};

use super::{Entry, Outcome, RenderError, Report};
use crate::trace::{Answered, Traced};

pub(super) fn render(report: &Report) -> Result<String, RenderError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("report", include_str!("report.html")).map_err(RenderError::Html)?;
    let template = environment.get_template("report").map_err(RenderError::Html)?;
    let counts: Vec<Value> = Outcome::ALL
        .iter()
        .map(|outcome| json!({ "word": outcome.as_str(), "class": outcome, "count": report.count(*outcome) }))
        .filter(|count| count["count"] != 0)
        .collect();
    let sections: Vec<Value> = report
        .sections()
        .into_iter()
        .map(|(title, entries)| {
            let held = entries.iter().filter(|entry| entry.outcome == Outcome::Pass).count();
            let broken = |entry: &&Entry| entry.outcome.is_bad() || entry.outcome == Outcome::Broken;
            let worst = if entries.iter().any(broken) {
                "fail"
            } else if entries.iter().any(|entry| entry.outcome == Outcome::Warn) {
                "warn"
            } else {
                "pass"
            };
            let checks: Vec<Value> = entries.iter().map(|entry| check(entry)).collect();
            json!({ "title": title, "held": held, "of": checks.len(), "worst": worst, "checks": checks })
        })
        .collect();
    let not_checked: Vec<Value> = report
        .not_checked()
        .into_iter()
        .map(|(reason, checks)| json!({ "reason": reason, "checks": checks }))
        .collect();
    let whole = json!({
        "headline": headline(report),
        "tone": if report.conforms() { "pass" } else { "fail" },
        "verdict": report.verdict(),
        "advice": report.advice,
        "left_behind": report.left_behind,
        "target": report.target,
        "session": report.session,
        "driver": report.driver,
        "profile": report.profile(),
        "strict": report.strict,
        "seed": report.seed.to_string(),
        "took": format!("{:.1}", report.took.as_secs_f64()),
        "counts": counts,
        "sections": sections,
        "not_checked": not_checked,
    });
    template.render(Serde(&whole)).map_err(RenderError::Html)
}

fn headline(report: &Report) -> &'static str {
    match (report.holds(), report.is_broken(), report.tried()) {
        (false, ..) => "Does not conform",
        (true, true, _) => "The driver failed",
        (true, false, 0) => "Nothing was checked",
        _ if report.count(Outcome::KnownFailure) > 0 => "Conforms except for known failures",
        _ => "Conforms",
    }
}

fn check(entry: &Entry) -> Value {
    json!({
        "id": entry.check.id,
        "level": entry.check.level,
        "requirement": entry.check.requirement,
        "restsOn": entry.check.rests_on,
        "note": entry.check.note,
        "outcome": entry.outcome,
        "word": entry.outcome.as_str(),
        "reason": entry.reason,
        "failure": entry.failure,
        "curl": entry.curl(),
        "open": entry.outcome.is_bad(),
        "took": format!("{:.0}", entry.took.as_secs_f64() * 1000.0),
        "trace": entry.trace.iter().map(exchange).collect::<Vec<_>>(),
    })
}

fn exchange(traced: &Traced) -> Value {
    let lines = |headers: &[(String, String)]| {
        headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>()
    };
    match traced {
        Traced::Request { method, url, answer, took_ms, .. } => {
            let (result, detail) = match answer {
                Answered::Http { status, headers, body } => {
                    (status.to_string(), format!("{}\n{}", lines(headers), pretty(body)))
                }
                Answered::Nothing(why) => ("no answer".to_owned(), why.clone()),
            };
            json!({
                "head": format!("{method} {url}"), "result": format!("{result}, {took_ms} ms"),
                "detail": format!("{}\n\n{detail}", traced.curl().unwrap_or_default()),
            })
        }
        Traced::Webhook { headers, body, answered } => json!({
            "head": "webhook received", "result": format!("answered {answered}"),
            "detail": format!("{}\n{}", lines(headers), pretty(body)),
        }),
        Traced::Socket { text } => {
            json!({ "head": "WebSocket", "result": "", "detail": pretty(text) })
        }
        Traced::Step { step, result } => {
            json!({ "head": format!("driver: {step}"), "result": "", "detail": pretty(result) })
        }
    }
}

fn pretty(text: &str) -> String {
    let parsed = serde_json::from_str::<Value>(text).ok();
    parsed
        .and_then(|json| serde_json::to_string_pretty(&json).ok())
        .unwrap_or_else(|| text.to_owned())
}
