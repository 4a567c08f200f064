//! PLACEHOLDER so that the crate compiles; the delivery writer replaces this file.
#[allow(dead_code, missing_docs)]
pub(crate) mod lane;
/// x
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct WebhookConfig {
    /// x
    pub url: String,
}
