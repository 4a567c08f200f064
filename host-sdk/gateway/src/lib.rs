//! What servers that embed [`host_sdk`] let their operators set: on the command line, and with WAHA's
//! environment variables under WAHA's names.
//!
//! A flag goes before its variable. Whatever is invalid is a [`SettingError`] that names the flag or the
//! variable as it was written; a variable of WAHA's that has no effect is warned about
//! ([`Environment::warnings`]).
//!
//! ```
//! use clap::Parser;
//! use gateway::{Environment, server};
//!
//! #[derive(Parser)]
//! struct Cli {
//!     #[command(flatten)]
//!     server: server::Args,
//! }
//!
//! let environment: Environment =
//!     [("WHATSAPP_API_PORT".to_owned(), "3001".to_owned())].into_iter().collect();
//! let cli = Cli::parse_from(["my-gateway", "--api-key", "secret"]);
//! let settings = cli.server.read(&environment)?;
//! assert_eq!(settings.address.port(), 3001);
//! let gateway = settings.apply(host_sdk::Gateway::builder());
//! # Ok::<_, gateway::SettingError>(())
//! ```

#![forbid(unsafe_code)]

pub mod server;

mod listen;
pub mod logging;
mod webhooks;

mod environment;
pub mod variables;

pub use environment::{Environment, SettingError};
