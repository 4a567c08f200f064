//! PLACEHOLDER so that the crate compiles; the delivery writer replaces this file.
/// x
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookConfig;
