//! PLACEHOLDER so that the crate compiles; the delivery writer replaces this file.
use crate::{clock::Clock, envelope::Envelope, webhook::WebhookConfig};
use std::{sync::Arc, time::Duration};
/// x
#[derive(Debug, Clone, Default)]
pub struct DeliverySettings {
    /// x
    pub seed: u64,
    /// x
    pub global_webhooks: Vec<WebhookConfig>,
}
/// x
#[derive(Debug, Clone, Default)]
pub struct Leftovers;
/// x
#[derive(Debug, Clone)]
pub struct EventBus(Arc<M>);
/// x
#[derive(Debug, Clone)]
pub struct M;
impl M {
    /// x
    pub fn plugin_panicked(&self, _: &str) {}
    /// x
    pub fn events_in(&self, _: &str, _: usize) {}
}
impl EventBus {
    /// x
    pub fn new(_: Arc<dyn Clock>, _: DeliverySettings) -> Self {
        Self(Arc::new(M))
    }
    /// x
    pub fn metrics(&self) -> &M {
        &self.0
    }
    /// x
    pub fn set_webhooks(&self, _: &str, _: Vec<WebhookConfig>) {}
    /// x
    pub fn remove_session(&self, _: &str) {}
    /// x
    pub fn emit(&self, _: &Envelope, _: &str, _: &str, _: &[&str], _: &[u8]) {}
    /// x
    pub async fn drain(&self, _: Duration) -> Leftovers {
        Leftovers
    }
}
