//! Checks a WAHA-compatible server's presence API against the documentation.
//!
//! The central type is [`Check`]: one requirement, how binding it is, the [`statements`] of the
//! documentation that it rests on, and a function that tests it. The [`catalogue`] lists all checks
//! in the documentation's order. A [`run`] tries them on a [`Target`], with a [`Driver`] that makes
//! things happen on the engine's side and a [`Receiver`] for webhooks, and returns a [`Report`].
//!
//! ```no_run
//! # async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! use conformance_tests::{Environment, Plan, Profile, Receiver, Settings, Target, driver, select};
//! use std::{sync::Arc, time::Duration};
//!
//! let (url, timeout) = ("http://localhost:3000", Duration::from_secs(5));
//! let target = Target::new(url, None, timeout)?;
//! let driver = driver::connect("mock:http://localhost:3000", "default", &target, None).await?;
//! let receiver = Receiver::listen("127.0.0.1:0".parse()?, None).await?;
//! let settings = Settings::new("default", timeout);
//! let environment = Environment::prepare(target, driver, receiver, settings).await;
//! let plan = Plan { checks: select(Profile::Waha, &[]), jobs: 8, ..Plan::default() };
//! let report = conformance_tests::run(&Arc::new(environment), &plan, |_| {}).await;
//! assert!(report.holds(), "{}", report.verdict());
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

mod catalog;
mod check;
mod checks;
mod clock;
mod context;
mod difference;
mod differences;
pub mod driver;
mod environment;
pub mod fuzz;
mod ids;
mod patience;
mod receiver;
pub mod report;
mod requirements;
mod run;
pub mod statements;
mod target;
mod trace;
mod verdict;

pub use catalog::{catalogue, find, nearest, resting_on, select, uncovered};
pub use check::{Ability, Check, Level, Need, Profile, Run};
pub use context::Context;
pub use difference::{Difference, compare};
pub use differences::{WahaDifference, differences, differences_table};
pub use driver::Driver;
pub use environment::{Environment, Settings};
pub use receiver::Receiver;
pub use report::{Entry, Outcome, Report};
pub use run::{Plan, run};
pub use target::{Answer, BadUrl, Target};
pub use trace::{Answered, Traced};
pub use verdict::{Failure, Halt, Verdict};
