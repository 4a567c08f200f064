//! Webhooks: events posted to the receivers that a session, or the whole gateway, names.
//!
//! [`WebhookConfig`] is what a user writes. What waits for a receiver stands in [`lane`]s;
//! `delivery` describes when it is sent, again, and given up.

mod config;
pub mod lane;

pub(crate) mod breaker;
pub(crate) mod delivery;
pub(crate) mod endpoint;
mod request;
mod retry;
mod signature;
mod tls;

pub use breaker::BreakerSettings;
pub use config::{ConfigError, CustomHeader, HmacConfig, WebhookConfig};
pub(crate) use config::{REDACTED, refuse_placeholder};
pub use endpoint::EndpointHealth;
pub use retry::{MAX_RETRY_AFTER, Retries, RetryPolicy};
pub use signature::Signer;
pub use tls::{Tls, TlsError};
