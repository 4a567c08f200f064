//! JUnit XML: one suite per section, one case per check. A warning is a passed case with its text
//! as output.

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use super::{Entry, Outcome, RenderError, Report, terminal::explanation};

pub(super) fn render(report: &Report) -> Result<String, RenderError> {
    let mut junit = Junit::new("conformance");
    junit.set_time(report.took);
    for (section, entries) in report.sections() {
        let mut suite = TestSuite::new(section);
        suite.add_property(("target", report.target.as_str()));
        suite.add_property(("driver", report.driver.as_str()));
        suite.add_property(("seed", report.seed.to_string().as_str()));
        suite.add_test_cases(entries.into_iter().map(case));
        junit.add_test_suite(suite);
    }
    junit.to_string().map_err(RenderError::Junit)
}

fn case(entry: &Entry) -> TestCase {
    let text = explanation(entry);
    let status = match entry.outcome {
        Outcome::Pass | Outcome::Warn => TestCaseStatus::success(),
        Outcome::Skip | Outcome::KnownFailure => {
            let mut status = TestCaseStatus::skipped();
            let reason = entry.reason.as_deref().unwrap_or(Outcome::KnownFailure.as_str());
            status.set_message(reason);
            if entry.failure.is_some() {
                status.set_description(text.as_str());
            }
            status
        }
        Outcome::Broken => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(entry.reason.as_deref().unwrap_or_default());
            status
        }
        Outcome::Fail | Outcome::UnexpectedPass => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(entry.check.requirement).set_type(entry.check.level.as_str());
            status.set_description(text.as_str());
            status
        }
    };
    let mut case = TestCase::new(entry.check.id, status);
    case.set_classname(entry.check.section).set_time(entry.took);
    if entry.outcome == Outcome::Warn {
        case.set_system_out(format!("warning: {text}"));
    }
    case
}
