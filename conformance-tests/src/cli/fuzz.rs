//! `conformance fuzz`.

use std::path::PathBuf;

use anyhow::Context;
use conformance_tests::fuzz::{Act, Effort, Found, fuzz};
use tokio::runtime::Handle;

use super::{Ended, FAILED, USAGE, print, run::interrupted, say, target};

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

    /// Extensions must hold too: first-seen order, null for no last seen, every webhook in order
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
    let searching = {
        let (environment, progress, handle) =
            (environment.clone(), progress.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            fuzz(&environment, effort, &handle, |_| progress.inc(1))
        })
    };
    let found = tokio::select! {
        found = searching => found.map_err(Ended::usage)?,
        code = interrupted() => {
            progress.finish_and_clear();
            say("interrupted; putting the target back");
            environment.put_all_back().await;
            return Ok(code);
        }
    };
    progress.finish_and_clear();
    environment.put_all_back().await;
    let seed = environment.settings.seed;
    match found {
        Found::Nothing => {
            print(&format!("{} sequences ended as they must; seed {seed}\n", args.cases))?;
            Ok(0)
        }
        Found::Impossible(why) => {
            say(&format!("error: nothing can be tried: {why}"));
            Ok(USAGE)
        }
        Found::Counterexample(found) => {
            let steps: String = found.acts.iter().map(|act| format!("  {act:?}\n")).collect();
            let mut text = format!("a sequence ends wrongly; seed {seed}\n\n{steps}\n");
            text += &format!(
                "expected: {}\nactual:   {}\n",
                found.failure.expected, found.failure.actual
            );
            if found.acts.contains(&Act::ReceiverFails) {
                text += "A scenario cannot have the receiver fail; this run shows it again.\n";
            }
            for difference in &found.failure.differences {
                text += &format!("  {difference}\n");
            }
            if args.scenario.as_os_str() == "-" {
                print(&found.scenario)?;
                say(&text);
                return Ok(FAILED);
            }
            let written = std::fs::write(&args.scenario, &found.scenario)
                .with_context(|| format!("failed to write {}", args.scenario.display()));
            print(&text)?;
            written.map_err(Ended::failed)?;
            print(&format!("\nscenario: {}\n", args.scenario.display()))?;
            Ok(FAILED)
        }
    }
}
