//! Webhooks: events posted to the receivers that a session, or the whole gateway, names.
//!
//! [`WebhookConfig`] is what a user writes. What waits for a receiver stands in [`lane`](crate::lane)s;
//! `connection` describes when it is sent, again, and given up.

mod config;

pub(crate) mod breaker;
pub(crate) mod connection;
pub(crate) mod endpoint;
mod request;
mod retry;
mod signature;

pub use breaker::BreakerSettings;
pub use config::{
    ConfigError, CustomHeader, HmacConfig, REDACTED, WebhookConfig, refuse_placeholder,
};
pub use endpoint::EndpointHealth;
pub use retry::{MAX_RETRY_AFTER, Retries, RetryPolicy};
pub use signature::Signer;
