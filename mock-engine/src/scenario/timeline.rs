//! A scenario's steps in order of time: those of the file, repeated as it says, and generated ones.

use std::{borrow::Cow, cmp::Reverse, collections::BinaryHeap, iter::Peekable};

use super::{Action, Scenario};
use crate::{
    delay::Delay,
    traffic::{Deed, Traffic},
};

/// The steps of a scenario as they fall due. Without end where a step repeats without end.
#[derive(Debug)]
pub struct Timeline<'a> {
    scenario: &'a Scenario,
    /// When (ms), which step, and how often it was due already.
    waiting: BinaryHeap<Reverse<(u64, usize, u32)>>,
    traffic: Option<Peekable<Traffic>>,
}

/// A step that is due.
#[derive(Clone, Debug)]
pub struct Due<'a> {
    /// How long after the start.
    pub at: Delay,
    /// To which session, as the step says.
    pub session: Option<&'a str>,
    /// What happens.
    pub action: Cow<'a, Action>,
    /// Where it is written: `file:line`.
    pub source: &'a str,
}

impl<'a> Timeline<'a> {
    pub(super) fn new(scenario: &'a Scenario, seed: u64, start_ms: u64) -> Self {
        let first = |(index, step): (usize, &super::Step)| Reverse((step.at.as_millis(), index, 0));
        Self {
            scenario,
            waiting: scenario.steps.iter().enumerate().map(first).collect(),
            traffic: scenario
                .traffic
                .as_ref()
                .map(|population| Traffic::new(population, seed, start_ms).peekable()),
        }
    }

    fn written(&mut self) -> Option<Due<'a>> {
        let Reverse((at, index, done)) = self.waiting.pop()?;
        let step = &self.scenario.steps[index];
        if let Some((every, times)) = step.repeat
            && times.is_none_or(|times| done + 1 < times)
        {
            let next = at.saturating_add(every.as_millis());
            self.waiting.push(Reverse((next, index, done.saturating_add(1))));
        }
        Some(Due {
            at: Delay::from_millis(at),
            session: step.session.as_deref(),
            action: Cow::Borrowed(&step.action),
            source: &step.source,
        })
    }
}

impl<'a> Iterator for Timeline<'a> {
    type Item = Due<'a>;

    fn next(&mut self) -> Option<Due<'a>> {
        let written = self.waiting.peek().map(|Reverse((at, ..))| *at);
        let generated = self.traffic.as_mut().and_then(|traffic| traffic.peek()).map(|(at, _)| *at);
        match (written, generated) {
            (None, None) => None,
            (Some(written), generated) if generated.is_none_or(|it| written <= it) => {
                self.written()
            }
            _ => {
                let (at, Deed { who, does, chat, text }) = self.traffic.as_mut()?.next()?;
                Some(Due {
                    at: Delay::from_millis(at),
                    session: None,
                    action: Cow::Owned(Action::Act { who, does, chat, text }),
                    source: "[traffic]",
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_steps_stand_between_the_others_in_order_of_time() {
        let scenario = Scenario::parse(
            r#"
            [contacts.a]
            phone = "1001"
            [[timeline]]
            at = "1s"
            repeat = { every = "2s", times = 3 }
            who = "a"
            does = "online"
            [[timeline]]
            at = "3s"
            who = "a"
            does = "offline"
            [[timeline]]
            at = "4s"
            repeat = { every = "10s" }
            who = "a"
            does = "typing"
            "#,
        )
        .unwrap();
        let due: Vec<_> = scenario
            .timeline(1, 0)
            .take(6)
            .map(|due| match &*due.action {
                Action::Act { does, .. } => (due.at.as_millis(), format!("{does:?}")),
                _ => unreachable!(),
            })
            .collect();
        let expected = [
            (1000, "Online"),
            (3000, "Online"),
            (3000, "Offline"),
            (4000, "Typing"),
            (5000, "Online"),
            (14000, "Typing"),
        ];
        assert_eq!(due, expected.map(|(at, does)| (at, does.to_owned())));
        assert_eq!(scenario.ends(), None);
    }
}
