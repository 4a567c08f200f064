//! The suite against our own gateway, with the presence plugin loaded from its library, over real
//! sockets; and against broken and foreign servers.

#![expect(clippy::unwrap_used, reason = "helpers of tests may unwrap, as tests do")]

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
