//! Webhooks of the command line and the environment.

use std::path::PathBuf;

use host_sdk::{egress::Egress, event_bus::DeliverySettings, tls::Tls, webhook::WebhookConfig};

use super::usage;

/// Where events are posted to.
#[derive(clap::Args)]
#[command(next_help_heading = "Webhooks")]
#[group(skip)]
pub(super) struct Args {
    /// Webhook URL; repeatable [env: WHATSAPP_HOOK_URL]
    ///
    /// WAHA's other variables hold for each: WHATSAPP_HOOK_HMAC_KEY, _RETRIES_POLICY,
    /// _RETRIES_DELAY_SECONDS, _RETRIES_ATTEMPTS, _CUSTOM_HEADERS.
    #[arg(long = "webhook", value_name = "URL")]
    urls: Vec<String>,

    /// Events to post, comma-separated; all by default [env: WHATSAPP_HOOK_EVENTS]
    #[arg(long = "webhook-events", value_name = "EVENTS")]
    events: Option<String>,

    /// Additional CA certificates (PEM) for HTTPS webhooks
    #[arg(long = "webhook-ca", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Accept any certificate from HTTPS webhooks
    #[arg(long = "webhook-insecure")]
    insecure: bool,

    /// Refuse webhooks to private and local addresses
    #[arg(long)]
    strict_egress: bool,
}

impl Args {
    /// The settings; ends the program when one of them makes no sense.
    pub(super) fn delivery(&self) -> DeliverySettings {
        let tls = Tls::new(self.ca.as_deref(), self.insecure)
            .map_err(anyhow::Error::new)
            .unwrap_or_else(|error| usage(format_args!("--webhook-ca: {error:#}")));
        DeliverySettings {
            global_webhooks: self.webhooks(),
            egress: if self.strict_egress { Egress::Strict } else { Egress::Open },
            tls,
            ..DeliverySettings::default()
        }
    }

    fn webhooks(&self) -> Vec<WebhookConfig> {
        if self.urls.is_empty() {
            let webhooks = self.read(None);
            if webhooks.is_empty() && self.events.is_some() {
                usage("--webhook-events: there is no --webhook and no WHATSAPP_HOOK_URL");
            }
            let unused = std::env::vars().find(|(name, value)| {
                name.starts_with("WHATSAPP_HOOK_") && !value.trim().is_empty()
            });
            if let (true, Some((name, _))) = (webhooks.is_empty(), unused) {
                tracing::warn!("{name} is set and WHATSAPP_HOOK_URL is not: no webhooks are sent");
            }
            return webhooks;
        }
        self.urls.iter().flat_map(|url| self.read(Some(url))).collect()
    }

    /// WAHA's variables, with what the command line says in their place.
    fn read(&self, url: Option<&str>) -> Vec<WebhookConfig> {
        let lookup = |name: &str| match name {
            "WHATSAPP_HOOK_URL" if url.is_some() => url.map(str::to_owned),
            "WHATSAPP_HOOK_EVENTS" if self.events.is_some() => self.events.clone(),
            name => std::env::var(name).ok(),
        };
        WebhookConfig::from_env(lookup).unwrap_or_else(|error| {
            let flag = match error.field.as_str() {
                "WHATSAPP_HOOK_URL" if url.is_some() => "--webhook",
                "WHATSAPP_HOOK_EVENTS" if self.events.is_some() => "--webhook-events",
                other => other,
            };
            usage(format_args!("{flag}: {}", error.problem))
        })
    }
}
