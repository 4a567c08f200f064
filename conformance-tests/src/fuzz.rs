//! Property tests against a live target: random sequences of stanzas, requests, reconnects and
//! receiver failures are compared with a simple [`Model`], and a failing one is shrunk to a minimal
//! scenario.

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

pub use act::{Act, Change};
pub use model::{Model, Record};
pub use scenario::to_toml;

use crate::{Ability, Environment, Failure, Halt, Need, Settings, trace::quoted};

/// The number of sequences, and how strictly they are judged.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// The number of sequences.
    pub cases: u32,
    /// The maximum length of a sequence.
    pub length: usize,
    /// Whether extensions are required too: first-seen order, null without a last seen, a message
    /// that ends a recording, nothing for an unknown status, every webhook in order.
    pub strict: bool,
}

/// The result of a fuzz run.
#[derive(Clone, Debug)]
pub enum Found {
    /// Every sequence matched the model.
    Nothing,
    /// A shortest sequence that does not match.
    Counterexample(Counterexample),
    /// The reason why no sequence could be tried.
    Impossible(String),
    /// The driver's error.
    Broken(String),
    /// The run was stopped before it found anything.
    Stopped,
}

/// Progress of a fuzz run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The number of sequences played so far.
    Played(u32),
    /// A sequence failed and is being shrunk for up to [`SHRINKING`].
    Shrinking,
}

/// The time limit for shrinking a sequence.
pub const SHRINKING: Duration = Duration::from_secs(120);

/// A shortest sequence that does not match the model.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// The sequence.
    pub acts: Vec<Act>,
    /// Expected and actual.
    pub failure: Failure,
    /// The same as a scenario for a mock engine.
    pub scenario: String,
    /// The command that reproduces it.
    pub again: String,
}

impl Counterexample {
    /// Whether it requires a failing webhook receiver, which a scenario cannot express.
    pub fn needs_a_failing_receiver(&self) -> bool {
        self.acts.contains(&Act::ReceiverFails)
    }
}

/// Plays random sequences on the target and shrinks the first one that fails. Once `stop` is true,
/// it returns what it has found.
///
/// Blocks: call it from a thread that may, such as one of [`tokio::task::spawn_blocking`].
pub fn fuzz(
    environment: &Arc<Environment>,
    effort: Effort,
    handle: &Handle,
    stop: &watch::Receiver<bool>,
    mut progress: impl FnMut(Progress),
) -> Found {
    let needed = [Ability::Presence, Ability::People, Ability::Groups, Ability::Raw];
    if let Some(ability) = needed.into_iter().find(|ability| !environment.can(*ability)) {
        return Found::Impossible(format!("fuzzing needs {}", Need::Driver(ability)));
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
            return Err(TestCaseError::fail("nothing to shrink"));
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
            // Stopped while shrinking: keep what was found.
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
            // While shrinking, this sequence does not reproduce the failure.
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

/// The command that plays the same sequences on the same target; the key comes from
/// `$WAHA_API_KEY`.
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
