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

/// Play chance sequences on a server, compare with a model, and shrink what differs to a scenario.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: target::TargetArgs,

    /// How many sequences
    #[arg(long, value_name = "N", default_value_t = 64)]
    cases: u32,

    /// How long a sequence may be
    #[arg(long, value_name = "N", default_value_t = 24)]
    length: usize,

    /// Extensions must hold too: first-seen order, null for no last seen, every webhook in order, a
    /// message that ends a recording, nothing for an unknown status
    #[arg(long)]
    strict: bool,

    /// Where the scenario of a counterexample is written; - is standard output
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
    let mut searching = {
        let (environment, progress, handle) =
            (environment.clone(), progress.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            fuzz(&environment, effort, &handle, &stopping, |step| match step {
                Progress::Played(sequences) => progress.set_position(sequences.into()),
                Progress::Shrinking => progress.suspend(|| {
                    let limit = SHRINKING.as_secs();
                    say(&format!(
                        "a sequence ends wrongly; shorter ones are tried, for {limit} s at most"
                    ));
                }),
            })
        })
    };
    let found = tokio::select! {
        found = &mut searching => found.map_err(Ended::usage)?,
        code = interrupted() => {
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
    environment.put_all_back().await;
    let left_behind = environment.left_behind();
    left_behind.iter().for_each(|left| say(&format!("not put back: {left}")));
    let seed = environment.settings.seed;
    match found {
        Found::Nothing => {
            print(&format!("{} sequences ended as they must; seed {seed}\n", args.cases))?;
            Ok(if left_behind.is_empty() { 0 } else { FAILED })
        }
        Found::Impossible(why) => {
            say(&format!("error: nothing can be tried: {why}"));
            Ok(USAGE)
        }
        Found::Broken(why) => {
            say(&format!("error: it cannot be said: {why}"));
            Ok(UNREACHABLE)
        }
        Found::Counterexample(found) => {
            show(&found, &args, seed)?;
            Ok(FAILED)
        }
        // Only who interrupts it stops it.
        Found::Stopped => Ok(FAILED),
    }
}

/// Prints a counterexample, and writes its scenario.
fn show(found: &Counterexample, args: &Args, seed: u64) -> Result<(), Ended> {
    let text = told(found, seed);
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

/// The counterexample for a person.
fn told(found: &Counterexample, seed: u64) -> String {
    let steps: String = found.acts.iter().map(|act| format!("  {act:?}\n")).collect();
    let mut text = format!("a sequence ends wrongly; seed {seed}\n\n{steps}\n");
    let Failure { expected, actual, differences, .. } = &found.failure;
    text += &format!("expected: {expected}\nactual:   {actual}\n");
    for difference in differences {
        text += &format!("  {difference}\n");
    }
    if found.needs_a_failing_receiver() {
        text += "\nThe receiver of webhooks has to fail for this, which a scenario cannot say: the file \
                 alone does not show it.\n";
    }
    text += &format!("\nto see it again:\n  {}\n", found.again);
    harmless(&text)
}

#[cfg(test)]
mod tests {
    use conformance_tests::{
        Failure,
        fuzz::{Act, Counterexample},
    };

    use super::told;

    fn counterexample(act: Act) -> Counterexample {
        let again = "conformance fuzz --seed 9 --cases 64".to_owned();
        let failure = Failure::new("a webhook", "none\x1b[2J");
        Counterexample { acts: vec![act], failure, scenario: String::new(), again }
    }

    #[test]
    fn a_counterexample_names_the_command_that_shows_it_again() {
        let text = told(&counterexample(Act::GetAll), 9);
        assert!(text.contains("\n  conformance fuzz --seed 9 --cases 64\n"), "{text}");
        assert!(!text.contains("alone"), "{text}");
        let text = told(&counterexample(Act::ReceiverFails), 9);
        assert!(text.contains("the file alone does not show it"), "{text}");
    }

    #[test]
    fn what_a_target_sends_is_written_out() {
        let text = told(&counterexample(Act::GetAll), 9);
        assert!(text.contains("none\\u{1b}[2J") && !text.contains('\x1b'), "{text}");
    }
}
