//! The plugin's interface to its host.

use std::{sync::Arc, time::Duration};

use host_abi::{Host, Manifest, Plugin, PluginError, PresenceUpdate, Request, Response, Snapshot};

use crate::{
    config::Config,
    context::Context,
    counts::Counts,
    events::{self, presence_update},
    requests,
};

/// WAHA's presence feature.
#[derive(Debug)]
pub struct PresencePlugin(Arc<Context>);

impl PresencePlugin {
    /// The numbers of ignored events and participants.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.counters.read()
    }
}

impl Plugin for PresencePlugin {
    const MANIFEST: Manifest = Manifest {
        name: "presence",
        version: env!("CARGO_PKG_VERSION"),
        engines: &["NOWEB"],
        routes: requests::ROUTES,
        consumes: events::CONSUMES,
        emits: &[presence_update::EMITTED],
        openapi: include_str!("openapi.json"),
    };

    fn create(host: Host, config: &[u8], restore: Option<Snapshot>) -> Result<Self, PluginError> {
        let config = Config::read(config)?;
        Ok(Self(Arc::new(Context::new(host, config, restore.as_ref())?)))
    }

    async fn handle(self: Arc<Self>, request: Request) -> Result<Response, PluginError> {
        requests::answer(self.0.clone(), request).await
    }

    fn on_presence(
        &self,
        session: &str,
        chat: &str,
        updates: &[PresenceUpdate<'_>],
    ) -> Result<(), PluginError> {
        presence_update::take_typed(&self.0, session, chat, updates)
    }

    fn on_event(&self, kind: &str, session: &str, data: &[u8]) -> Result<(), PluginError> {
        events::take(&self.0, kind, session, data)
    }

    async fn export_state(self: Arc<Self>) -> Result<Snapshot, PluginError> {
        self.0.save()
    }

    async fn stop(self: Arc<Self>, _deadline: Duration) -> Result<(), PluginError> {
        self.0.wind_down();
        let counts = self.counts();
        if counts != Counts::default() {
            tracing::info!(?counts, "ignored in total");
        }
        Ok(())
    }
}
