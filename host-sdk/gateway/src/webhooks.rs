//! Webhooks for the events of all sessions.

use std::path::PathBuf;

use host_sdk::{egress::Egress, event_bus::DeliverySettings, tls::Tls, webhook::WebhookConfig};

use crate::environment::{Environment, SettingError};

/// Where events are posted.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Post events to this URL; may be given more than once [env: WHATSAPP_HOOK_URL]
    ///
    /// WAHA's other variables hold for each: WHATSAPP_HOOK_HMAC_KEY, _RETRIES_POLICY,
    /// _RETRIES_DELAY_SECONDS, _RETRIES_ATTEMPTS, _CUSTOM_HEADERS.
    #[arg(long = "webhook", value_name = "URL", help_heading = "Webhooks")]
    urls: Vec<String>,

    /// Post these events only, separated by commas [env: WHATSAPP_HOOK_EVENTS] [default: all]
    #[arg(long = "webhook-events", value_name = "EVENTS", help_heading = "Webhooks")]
    events: Option<String>,

    /// Trust the certificates (PEM) in this file as well, for HTTPS receivers
    #[arg(long = "webhook-ca", value_name = "FILE", help_heading = "Webhooks")]
    ca: Option<PathBuf>,

    /// Do not verify the certificates of HTTPS receivers
    #[arg(long = "webhook-insecure", help_heading = "Webhooks")]
    insecure: bool,

    /// Post to addresses of the public Internet only
    #[arg(long, help_heading = "Webhooks")]
    strict_egress: bool,
}

impl Args {
    pub(crate) fn delivery(
        &self,
        environment: &Environment,
    ) -> Result<DeliverySettings, SettingError> {
        let tls = Tls::new(self.ca.as_deref(), self.insecure).map_err(|error| {
            SettingError::new("--webhook-ca", format_args!("{:#}", anyhow::Error::new(error)))
        })?;
        Ok(DeliverySettings {
            global_webhooks: self.webhooks(environment)?,
            egress: if self.strict_egress { Egress::Strict } else { Egress::Open },
            tls,
            ..DeliverySettings::default()
        })
    }

    fn webhooks(&self, environment: &Environment) -> Result<Vec<WebhookConfig>, SettingError> {
        let mut webhooks = Vec::new();
        for url in self.urls.iter().map(Some).chain(self.urls.is_empty().then_some(None)) {
            webhooks.extend(self.read(url, environment)?);
        }
        if webhooks.is_empty() && self.events.is_some() {
            let problem = "there is no --webhook and no WHATSAPP_HOOK_URL";
            return Err(SettingError::new("--webhook-events", problem));
        }
        let unused = environment
            .names()
            .find(|name| name.starts_with("WHATSAPP_HOOK_") && environment.text(name).is_some());
        if let (true, Some(name)) = (webhooks.is_empty(), unused) {
            tracing::warn!("{name} has no effect: WHATSAPP_HOOK_URL is not set");
        }
        Ok(webhooks)
    }

    /// WAHA's variables, overridden by the flags.
    fn read(
        &self,
        url: Option<&String>,
        environment: &Environment,
    ) -> Result<Vec<WebhookConfig>, SettingError> {
        let lookup = |name: &str| match name {
            "WHATSAPP_HOOK_URL" if url.is_some() => url.cloned(),
            "WHATSAPP_HOOK_EVENTS" if self.events.is_some() => self.events.clone(),
            name => environment.text(name).map(str::to_owned),
        };
        WebhookConfig::from_env(lookup).map_err(|error| {
            let source = match error.field.as_str() {
                "WHATSAPP_HOOK_URL" if url.is_some() => "--webhook",
                "WHATSAPP_HOOK_EVENTS" if self.events.is_some() => "--webhook-events",
                other => other,
            };
            SettingError::new(source, error.problem)
        })
    }
}
