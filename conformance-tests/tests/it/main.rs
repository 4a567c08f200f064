//! The suite against our own gateway, with the presence plugin loaded from its library, over real
//! sockets; and against servers that are broken or are not ours at all.

#![expect(clippy::unwrap_used, reason = "these are tests; helpers of tests may unwrap as well")]

mod command;
mod ours;
mod suite;

mod cli;
mod documentation;
mod drivers;
mod every_check;
#[cfg(unix)]
mod interrupted;
mod mutants;
mod presence_table;
mod properties;
mod reports;
mod strangers;
