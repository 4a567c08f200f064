//! One failure per fault: a check whose prerequisite is another failing check is not judged.

use std::{collections::BTreeMap, sync::Arc};

use super::judged;
use crate::{Context, Environment, Outcome, find, report::Entry, verdict::Halt};

/// Turns each failure that is because of another failing check into a check that was not judged.
///
/// A failure whose prerequisite's own check passes stands as it is, so that no fault is lost. A
/// prerequisite's check that is not part of the run is tried for this purpose.
pub(super) async fn one_failure_per_fault(environment: &Arc<Environment>, entries: &mut [Entry]) {
    let mut faults = Faults { environment, of: BTreeMap::new() };
    for entry in entries.iter().filter(|entry| !entry.is_untried()) {
        let because =
            entry.failure.as_ref().map(|failure| failure.because.unwrap_or(entry.check.id));
        faults.of.insert(entry.check.id, because);
    }
    for entry in entries {
        let Some(failure) = &entry.failure else { continue };
        let Some(because) = failure.because.filter(|id| *id != entry.check.id) else { continue };
        if let Some(root) = faults.root(entry.check.id, because).await {
            entry.outcome = Outcome::Skip;
            entry.reason = Some(format!("not judged, because of {root}"));
            entry.failure = None;
        }
    }
}

/// The faults of a target: for each check that was tried, the check that its failure is because of,
/// which may be itself; none if it passed.
struct Faults<'a> {
    environment: &'a Arc<Environment>,
    of: BTreeMap<&'static str, Option<&'static str>>,
}

impl Faults<'_> {
    /// The check at the end of the chain of prerequisites that starts with `because`, if all of them
    /// fail; `check` itself is not one of them.
    async fn root(&mut self, check: &'static str, because: &'static str) -> Option<&'static str> {
        let (mut seen, mut fault) = (Vec::new(), None);
        let mut next = because;
        while !seen.contains(&next) {
            seen.push(next);
            let Some(of) = self.of(next).await else { break };
            fault = Some(next);
            next = of;
        }
        // Two checks that blame each other both fail.
        fault.filter(|_| next != check && !seen.contains(&check))
    }

    /// What the check's failure is because of.
    async fn of(&mut self, id: &'static str) -> Option<&'static str> {
        if let Some(known) = self.of.get(id) {
            return *known;
        }
        let check = find(id)?;
        let because = if self.environment.missing(check).is_some() {
            None
        } else {
            let context = Context::new(Arc::clone(self.environment), check);
            match judged(&context, check).await {
                Err(Halt::Failed(failure)) => Some(failure.because.unwrap_or(id)),
                _ => None,
            }
        };
        self.of.insert(id, because);
        because
    }
}
