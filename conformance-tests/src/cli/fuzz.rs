//! `conformance fuzz`.

use std::path::PathBuf;

use anyhow::Context;
use conformance_tests::{
    Failure,
    fuzz::{Counterexample, Effort, Found, Progress, SHRINKING, fuzz},
    report::terminal::harmless,
};
use tokio::{runtime::Handle, sync::watch};

use super::{
    Ended, FAILED, UNREACHABLE, USAGE, print,
    run::{interrupted, stopped},
    say, target,
};

/// Play random sequences on a server, compare with a model, and shrink a failure to a scenario.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: target::TargetArgs,

    /// Number of sequences
    #[arg(long, value_name = "N", default_value_t = 64)]
    cases: u32,

    /// Maximum length of a sequence
    #[arg(long, value_name = "N", default_value_t = 24)]
    length: usize,

    /// Also require extensions: first-seen order, null without a last seen, every webhook in order,
    /// a message that ends a recording, nothing for an unknown status
    #[arg(long)]
    strict: bool,

    /// File for a counterexample's scenario; - is standard output
    #[arg(long, value_name = "FILE", default_value = "counterexample.toml")]
    scenario: PathBuf,
}

pub(super) fn run(args: Args) -> Result<u8, Ended> {
    let runtime = tokio::runtime::Runtime::new().map_err(Ended::usage)?;
    let code = runtime.block_on(search(args));
    runtime.shutdown_background();
    code
}

async fn search(args: Args) -> Result<u8, Ended> {
    let environment = args.target.prepare().await?;
    let effort = Effort { cases: args.cases, length: args.length, strict: args.strict };
    let progress = super::run::progress(usize::try_from(args.cases).unwrap_or(usize::MAX));
    let (stop, stopping) = watch::channel(false);
    let interrupted = interrupted();
    let mut searching = {
        let (environment, progress, handle) =
            (environment.clone(), progress.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            fuzz(&environment, effort, &handle, &stopping, |step| match step {
                Progress::Played(sequences) => progress.set_position(sequences.into()),
                Progress::Shrinking => progress.suspend(|| {
                    let limit = SHRINKING.as_secs();
                    say(&format!("a sequence fails; shrinking it for up to {limit} s"));
                }),
            })
        })
    };
    let found = tokio::select! {
        found = &mut searching => found.map_err(Ended::usage)?,
        code = interrupted => {
            let _ = stop.send(true);
            let found = searching.await.map_err(Ended::usage)?;
            let code = stopped(&environment, &progress, code).await?;
            if let Found::Counterexample(found) = found {
                show(&found, &args, environment.settings.seed)?;
            }
            return Ok(code);
        }
    };
    progress.finish_and_clear();
    environment.restore().await;
    let left_behind = environment.left_behind();
    left_behind.iter().for_each(|left| say(&format!("not restored: {left}")));
    let seed = environment.settings.seed;
    match found {
        Found::Nothing => {
            print(&format!("{} sequences passed; seed {seed}\n", args.cases))?;
            Ok(if left_behind.is_empty() { 0 } else { FAILED })
        }
        Found::Impossible(why) => {
            say(&format!("error: no sequence can be tried: {why}"));
            Ok(USAGE)
        }
        Found::Broken(why) => {
            say(&format!("error: inconclusive: {why}"));
            Ok(UNREACHABLE)
        }
        Found::Counterexample(found) => {
            show(&found, &args, seed)?;
            Ok(FAILED)
        }
        // Only an interrupt stops it, and that returns above.
        Found::Stopped => Ok(FAILED),
    }
}

/// Prints a counterexample and writes its scenario.
fn show(found: &Counterexample, args: &Args, seed: u64) -> Result<(), Ended> {
    let text = description(found, seed);
    if args.scenario.as_os_str() == "-" {
        print(&found.scenario)?;
        say(&text);
        return Ok(());
    }
    let written = std::fs::write(&args.scenario, &found.scenario)
        .with_context(|| format!("failed to write {}", args.scenario.display()));
    print(&text)?;
    written.map_err(Ended::failed)?;
    print(&format!("\nscenario: {}\n", args.scenario.display()))
}

/// Describes a counterexample.
fn description(found: &Counterexample, seed: u64) -> String {
    let steps: String = found.acts.iter().map(|act| format!("  {act:?}\n")).collect();
    let mut text = format!("a sequence fails; seed {seed}\n\n{steps}\n");
    let Failure { expected, actual, differences, .. } = &found.failure;
    text += &format!("expected: {expected}\nactual:   {actual}\n");
    for difference in differences {
        text += &format!("  {difference}\n");
    }
    if found.needs_a_failing_receiver() {
        text += "\nThis requires the webhook receiver to fail, which a scenario cannot express: the file \
                 alone does not reproduce it.\n";
    }
    text += &format!("\nto reproduce:\n  {}\n", found.again);
    harmless(&text)
}

#[cfg(test)]
mod tests {
    use conformance_tests::{
        Failure,
        fuzz::{Act, Counterexample},
    };

    use super::description;

    fn counterexample(act: Act) -> Counterexample {
        let again = "conformance fuzz --seed 9 --cases 64".to_owned();
        let failure = Failure::new("a webhook", "none\x1b[2J");
        Counterexample { acts: vec![act], failure, scenario: String::new(), again }
    }

    #[test]
    fn a_counterexample_names_the_command_that_reproduces_it() {
        let text = description(&counterexample(Act::GetAll), 9);
        assert!(text.contains("\n  conformance fuzz --seed 9 --cases 64\n"), "{text}");
        assert!(!text.contains("alone"), "{text}");
        let text = description(&counterexample(Act::ReceiverFails), 9);
        assert!(text.contains("the file alone does not reproduce it"), "{text}");
    }

    #[test]
    fn control_characters_from_a_target_are_escaped() {
        let text = description(&counterexample(Act::GetAll), 9);
        assert!(text.contains("none\\u{1b}[2J") && !text.contains('\x1b'), "{text}");
    }
}
