//! Properties against a live target: chance makes sequences of stanzas, requests, reconnects and
//! receiver failures, a plain [`Model`] says what must be shown, and what differs is shrunk to a
//! minimal scenario.

mod act;
mod model;
mod play;
mod scenario;

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};

use proptest::{
    collection::vec,
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use tokio::{runtime::Handle, sync::watch};

pub use act::{Act, Told};
pub use model::{Model, Record};
pub use scenario::to_toml;

use crate::{Ability, Environment, Failure, Halt, Need, Settings, trace::quoted};

/// How much is tried, and how strictly it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How many sequences.
    pub cases: u32,
    /// How long a sequence may be.
    pub length: usize,
    /// Whether extensions must hold too: the order of first-seen, null for no last seen, a message that
    /// ends a recording, nothing for an unknown status, every webhook in its order.
    pub strict: bool,
}

/// What a fuzz run found.
#[derive(Clone, Debug)]
pub enum Found {
    /// Every sequence ended as the model says.
    Nothing,
    /// A shortest sequence that does not.
    Counterexample(Counterexample),
    /// Nothing could be tried, and why.
    Impossible(String),
    /// The driver broke down, and how.
    Broken(String),
    /// It was told to stop, and had found nothing.
    Stopped,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many sequences have been played.
    Played(u32),
    /// One ends wrongly, and shorter ones are tried for at most [`SHRINKING`].
    Shrinking,
}

/// How long it is tried to shorten a sequence.
pub const SHRINKING: Duration = Duration::from_secs(120);

/// A shortest sequence whose end is not what the model says.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// What happens.
    pub acts: Vec<Act>,
    /// What was expected, and what came.
    pub failure: Failure,
    /// The same as a scenario for a mock engine.
    pub scenario: String,
    /// The command that finds it again.
    pub again: String,
}

impl Counterexample {
    /// Whether it is shown only by a webhook receiver that fails, which no scenario can have.
    pub fn needs_a_failing_receiver(&self) -> bool {
        self.acts.contains(&Act::ReceiverFails)
    }
}

/// Tries so many sequences on the target, and shrinks the first one that ends wrongly. Once `stop` is
/// true it ends with what it has.
///
/// It blocks: call it from a thread that may, as [`tokio::task::spawn_blocking`] gives.
pub fn fuzz(
    environment: &Arc<Environment>,
    effort: Effort,
    handle: &Handle,
    stop: &watch::Receiver<bool>,
    mut progress: impl FnMut(Progress),
) -> Found {
    let needed = [Ability::Presence, Ability::People, Ability::Groups, Ability::Raw];
    if let Some(ability) = needed.into_iter().find(|ability| !environment.can(*ability)) {
        return Found::Impossible(format!("it needs {}", Need::Driver(ability)));
    }
    let seed = environment.settings.seed;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: effort.cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        max_shrink_time: u32::try_from(SHRINKING.as_millis()).unwrap_or(u32::MAX),
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let strategy = vec(act::any(environment), 1..=effort.length.max(1));
    let strict = effort.strict;
    let strategy =
        strategy.prop_map(move |acts| if strict { acts } else { model::without_extensions(acts) });
    let (played, progress) = (Cell::new(0), RefCell::new(&mut progress));
    let (failed, untried) = (RefCell::new(None), RefCell::new(None));
    let result = runner.run(&strategy, |acts| {
        if untried.borrow().is_some() {
            return Err(TestCaseError::fail("there is nothing to shrink"));
        }
        let number = played.replace(played.get() + 1);
        let mut stopping = stop.clone();
        let play = play::play(environment, number, &acts, strict);
        let ended = handle.block_on(async {
            tokio::select! {
                ended = play => Some(ended),
                Ok(_) = stopping.wait_for(|stop| *stop) => None,
            }
        });
        let is_shrinking = failed.borrow().is_some();
        let halt = match ended {
            Some(Ok(())) => {
                if !is_shrinking {
                    (progress.borrow_mut())(Progress::Played(number + 1));
                }
                return Ok(());
            }
            Some(Err(halt)) => halt,
            // What is found stays as it is.
            None if is_shrinking => return Ok(()),
            None => {
                untried.replace(Some(Found::Stopped));
                return Err(TestCaseError::fail("stopped"));
            }
        };
        let reason = halt.to_string();
        let ended = match halt {
            Halt::Failed(failure) => {
                if !is_shrinking {
                    (progress.borrow_mut())(Progress::Shrinking);
                }
                failed.replace(Some(*failure));
                return Err(TestCaseError::fail(reason));
            }
            // While a failure is shrunk this sequence does not show it.
            _ if is_shrinking => return Ok(()),
            Halt::Skipped(why) => Found::Impossible(why),
            Halt::Driver(_) => Found::Broken(reason.clone()),
        };
        untried.replace(Some(ended));
        Err(TestCaseError::fail(reason))
    });
    if let Some(untried) = untried.into_inner() {
        return untried;
    }
    match (result, failed.into_inner()) {
        (Ok(()), _) => Found::Nothing,
        (Err(TestError::Fail(_, acts)), Some(failure)) => {
            let again = command(environment, effort);
            let scenario = to_toml(&acts, &again, &failure);
            Found::Counterexample(Counterexample { acts, failure, scenario, again })
        }
        (Err(error), _) => Found::Impossible(error.to_string()),
    }
}

/// The command that plays the same sequences on the same target; the key is left to `$WAHA_API_KEY`.
fn command(environment: &Environment, effort: Effort) -> String {
    let Settings { session, timeout, settle, seed, webhook_configured, .. } = &environment.settings;
    let Effort { cases, length, strict } = effort;
    let mut line = format!("conformance fuzz --seed {seed} --cases {cases} --length {length}");
    if strict {
        line += " --strict";
    }
    line += &format!(" --target {}", quoted(environment.target.url()));
    line += &format!(" --session {}", quoted(session));
    line += &format!(" --driver {}", quoted(environment.driver.name()));
    line += &format!(" --timeout {}ms --settle {}ms", timeout.as_millis(), settle.as_millis());
    let (url, address) = (environment.receiver.url(), environment.receiver.address());
    if *webhook_configured || url != format!("http://{address}") {
        line += &format!(" --bind {address} --advertise {}", quoted(url));
    }
    if *webhook_configured {
        line += " --webhook-configured";
    }
    line
}
