//! A run: the checks on one target, several at a time.

mod blame;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use crate::{
    Check, Context, Environment, Level, Need, Outcome, Report,
    report::Entry,
    verdict::{Failure, Halt, Needed, Verdict},
};

/// The checks to run, and how their failures count.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The checks, in the order of the report.
    pub checks: Vec<&'static Check>,
    /// Whether a failing SHOULD or MAY is a failure rather than a warning.
    pub strict: bool,
    /// Names of checks that are known to fail.
    pub known_failing: Vec<String>,
    /// Names of checks to skip.
    pub skip: Vec<String>,
    /// The number of checks that run at a time; 1 if they share a contact.
    pub jobs: usize,
}

/// Runs the checks, calls `progress` as each ends, and reports.
///
/// When the future is dropped, the checks stop where they are; [`Environment::restore`] undoes
/// their changes.
pub async fn run(
    environment: &Arc<Environment>,
    plan: &Plan,
    mut progress: impl FnMut(&Entry),
) -> Report {
    let started = Instant::now();
    if plan.checks.iter().any(|check| check.needs.contains(&Need::SecondSession)) {
        environment.try_sessions().await;
    }
    prepare_webhooks(environment, plan).await;
    let one_contact = environment.driver.only_contact().is_some();
    let jobs = if one_contact { 1 } else { plan.jobs.max(1) };
    let mut waiting: VecDeque<(usize, &'static Check)> =
        plan.checks.iter().copied().enumerate().collect();
    let mut running: JoinSet<(usize, Entry)> = JoinSet::new();
    let mut entries: Vec<Option<Entry>> = plan.checks.iter().map(|_| None).collect();
    loop {
        while running.len() < jobs {
            let Some((place, check)) = waiting.pop_front() else { break };
            let environment = Arc::clone(environment);
            let (skipped, known) =
                (is_listed(&plan.skip, check), is_listed(&plan.known_failing, check));
            let strict = plan.strict;
            running.spawn(async move {
                (place, try_one(&environment, check, skipped, known, strict).await)
            });
        }
        match running.join_next().await {
            Some(Ok((place, entry))) => {
                progress(&entry);
                entries[place] = Some(entry);
            }
            Some(Err(_)) => {}
            None => break,
        }
    }
    let mut entries: Vec<Entry> = entries
        .into_iter()
        .zip(&plan.checks)
        .map(|(entry, check)| entry.unwrap_or_else(|| Entry::broken(check)))
        .collect();
    blame::one_failure_per_fault(environment, &mut entries).await;
    environment.restore().await;
    Report {
        target: environment.target.url().to_owned(),
        session: environment.settings.session.clone(),
        driver: environment.driver.name().to_owned(),
        seed: environment.settings.seed,
        strict: plan.strict,
        took: started.elapsed(),
        advice: environment.advice(&entries),
        left_behind: environment.left_behind(),
        entries,
    }
}

/// Configures the webhook that checks share before any of them runs, since that may restart the
/// session.
async fn prepare_webhooks(environment: &Arc<Environment>, plan: &Plan) {
    let hooked = |check: &&Check| check.needs.contains(&Need::Webhook);
    let mut hooked = plan.checks.iter().copied().filter(hooked);
    if hooked.any(|check| environment.missing(check).is_none()) {
        // Each check that needs it reports the failure.
        let _ = Context::named(Arc::clone(environment), "webhooks").hooked().await;
    }
}

fn is_listed(list: &[String], check: &Check) -> bool {
    list.iter().any(|name| name == check.id)
}

async fn try_one(
    environment: &Arc<Environment>,
    check: &'static Check,
    skipped: bool,
    known: bool,
    strict: bool,
) -> Entry {
    let started = Instant::now();
    if skipped {
        return Entry::skipped(check, "--skip".to_owned());
    }
    if let Some(reason) = environment.missing(check) {
        return Entry::skipped(check, reason);
    }
    let context = Context::new(Arc::clone(environment), check);
    let verdict = judged(&context, check).await;
    let outcome = outcome(check, &verdict, known, strict);
    let (failure, reason) = match verdict {
        Ok(()) => (None, None),
        Err(Halt::Failed(failure)) => (Some(*failure), None),
        Err(Halt::Skipped(reason)) => (None, Some(reason)),
        Err(halt @ Halt::Driver(_)) => (None, Some(halt.to_string())),
    };
    Entry { check, outcome, took: started.elapsed(), failure, reason, trace: context.trace.take() }
}

/// Runs the check and undoes its changes. A failure without a subscription is because of that.
async fn judged(context: &Context, check: &Check) -> Verdict {
    let limit = context.timeout() * 8 + Duration::from_secs(10);
    let verdict = verdict(context, check, limit).await;
    context.environment.restore_after(check.id).await;
    match context.unsubscribed.get() {
        Some(subscription) => verdict.needed(subscription),
        None => verdict,
    }
}

/// Runs the check's function; not finishing in time counts as a failure of the target.
async fn verdict(context: &Context, check: &Check, limit: Duration) -> Verdict {
    let ended = context.patience.within(limit, (check.run)(context.clone())).await;
    ended.unwrap_or_else(|| {
        let none = format!("none within {} s", limit.as_secs());
        Err(Failure::new("a result", none).into())
    })
}

fn outcome(check: &Check, verdict: &Verdict, known: bool, strict: bool) -> Outcome {
    match verdict {
        Ok(()) if known => Outcome::UnexpectedPass,
        Ok(()) => Outcome::Pass,
        Err(Halt::Skipped(_)) => Outcome::Skip,
        Err(Halt::Driver(_)) => Outcome::Broken,
        Err(Halt::Failed(_)) if known => Outcome::KnownFailure,
        Err(Halt::Failed(_)) if check.level == Level::Must || strict => Outcome::Fail,
        Err(Halt::Failed(_)) => Outcome::Warn,
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use futures_util::future::BoxFuture;
    use serde_json::Value;
    use tokio::time::sleep;

    use super::verdict;
    use crate::{
        Ability, Check, Context, Driver, Environment, Receiver, Settings, Target,
        driver::{Action, DriverError, Step},
        verdict::Halt,
    };

    const LIMIT: Duration = Duration::from_millis(20);

    /// Takes longer than the check's time limit.
    #[derive(Debug)]
    struct Slow;

    impl Driver for Slow {
        fn name(&self) -> &str {
            "slow"
        }

        fn abilities(&self) -> &[Ability] {
            &[]
        }

        fn perform<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Value, DriverError>> {
            Box::pin(async move {
                sleep(LIMIT * 5).await;
                match step.action {
                    Action::Sent => Ok(Value::Null),
                    _ => Err(DriverError::failed("too slow")),
                }
            })
        }
    }

    async fn of(check: Check) -> Result<(), Halt> {
        let closed = Target::new("http://127.0.0.1:1", None, LIMIT).unwrap();
        let receiver = Receiver::listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        let settings = Settings::new("default", LIMIT);
        let environment = Environment::prepare(closed, Box::new(Slow), receiver, settings).await;
        let context = Context::new(Arc::new(environment), &check);
        verdict(&context, &check, LIMIT).await
    }

    #[tokio::test]
    async fn a_slow_driver_is_not_the_targets_fault() {
        let waits = |cx: Context| async move { cx.act(Action::Sent).await.map(|_| ()) };
        assert!(of(Check::must("a/check", waits)).await.is_ok());
        let fails =
            |cx: Context| async move { cx.act(Action::Faults { send: None }).await.map(|_| ()) };
        assert!(matches!(of(Check::must("a/check", fails)).await, Err(Halt::Driver(_))));
        let hangs = |_: Context| std::future::pending();
        assert!(matches!(of(Check::must("a/check", hangs)).await, Err(Halt::Failed(_))));
    }
}
