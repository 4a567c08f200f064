//! The gateway: engines and plugins, served over HTTP.
//!
//! ```no_run
//! use host_sdk::{Engine, Gateway, SessionSpec, loader};
//! use std::sync::Arc;
//!
//! async fn run(engine: impl Engine) -> Result<(), Box<dyn std::error::Error>> {
//!     let gateway = Gateway::builder()
//!         .engine(Arc::new(engine))
//!         .plugin(loader::load(loader::find("presence_plugin")?)?)
//!         .session(SessionSpec::new("default"))
//!         .build()?;
//!     gateway.start().await;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     gateway.serve(listener, std::future::pending()).await?;
//!     Ok(())
//! }
//! ```

mod builder;
mod error;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use axum::Router;
use host_delivery::event_bus::{EventBus, Leftovers};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};

pub use self::{
    builder::GatewayBuilder,
    error::{BuildError, ServeError},
};
use crate::{
    http::{Access, ConnectionCounts, ConnectionLimits, Connections, Own, router},
    parts::Parts,
    plugins::loader::PluginInfo,
    sessions::{Ending, Session, SessionError, SessionSpec},
};

/// The longest that a graceful shutdown takes.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// The part of [`SHUTDOWN_GRACE`] that is kept for closing WebSockets once everything is delivered.
const GOODBYE: Duration = Duration::from_millis(500);

/// A WAHA-like server. Cheap to clone; clones are one gateway.
#[derive(Clone)]
pub struct Gateway {
    parts: Arc<Parts>,
    sessions_at_start: Arc<[Arc<Session>]>,
    own: Own,
    access: Access,
    limits: ConnectionLimits,
    connections: Arc<ConnectionCounts>,
}

impl Gateway {
    /// Begins to build a gateway.
    #[must_use]
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder::default()
    }

    /// Starts the sessions that were configured to start. Returns when their engines have accepted the
    /// start, which is before they work.
    pub async fn start(&self) {
        for session in &*self.sessions_at_start {
            session.start().await;
        }
    }

    /// Adds a session, and starts it if its `start` is set.
    ///
    /// # Errors
    ///
    /// When the name is invalid or taken, the engine is unknown, or there are too many sessions.
    pub async fn create_session(&self, spec: SessionSpec) -> Result<(), SessionError> {
        let start = spec.start;
        let session = self.parts.create_session(spec)?;
        if start {
            session.start().await;
        }
        Ok(())
    }

    /// Stops a session, if it exists, and forgets it, its webhooks, and what plugins know of it.
    pub async fn delete_session(&self, name: &str) {
        self.parts.sessions.delete(name).await;
    }

    /// The names of the sessions, in the order in which they were created.
    #[must_use]
    pub fn sessions(&self) -> Vec<String> {
        self.parts.sessions.all().iter().map(|session| session.name().to_owned()).collect()
    }

    /// The HTTP interface, for a server of your own.
    pub fn router(&self) -> Router {
        router::build(&self.parts, self.own.clone(), Some(self.access.clone()), &self.connections)
    }

    /// The HTTP interface without the key, for calls from within this program.
    pub fn router_without_key(&self) -> Router {
        router::build(&self.parts, self.own.clone(), None, &self.connections)
    }

    /// Serves HTTP until `shutdown` is ready, then shuts down within [`SHUTDOWN_GRACE`].
    ///
    /// # Errors
    ///
    /// When the listener fails, or when other machines can reach it and there is no API key.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Leftovers, ServeError> {
        let address = listener.local_addr().map_err(ServeError::Listener)?;
        if self.access.key.is_none() && !address.ip().is_loopback() {
            return Err(ServeError::NoApiKey(address));
        }
        let mut connections = Connections::new(self.limits, self.connections.clone());
        let router = self.router();
        let failed = tokio::select! {
            error = connections.accept(&listener, &router) => Some(error),
            () = shutdown => None,
        };
        drop(listener);
        if let Some(error) = failed {
            return Err(ServeError::Listener(error));
        }
        // WebSockets close once everything is delivered; what is still open at the end is cut.
        let closed = timeout(SHUTDOWN_GRACE, connections.end());
        let (leftovers, _) = tokio::join!(self.shutdown(SHUTDOWN_GRACE - GOODBYE), closed);
        Ok(leftovers)
    }

    /// Stops the sessions and the plugins within half of `grace`, and delivers what waits within the
    /// rest of it.
    pub async fn shutdown(&self, grace: Duration) -> Leftovers {
        let start = Instant::now();
        let stop = async {
            let sessions = self.parts.sessions.all();
            let stopping = sessions.iter().map(|session| session.shut_down(Ending::Stop));
            futures_util::future::join_all(stopping).await;
            for plugin in &self.parts.plugins {
                plugin.stop((grace / 2).saturating_sub(start.elapsed())).await;
            }
        };
        if timeout(grace / 2, stop).await.is_err() {
            tracing::warn!("sessions or plugins did not stop within {:?}", grace / 2);
        }
        let leftovers = self.parts.bus.drain(grace.saturating_sub(start.elapsed())).await;
        tracing::info!(?leftovers, "stopped");
        leftovers
    }

    /// The plugins, in the order in which they were given.
    pub fn plugins(&self) -> impl Iterator<Item = &PluginInfo> {
        self.parts.plugins.iter().map(|plugin| plugin.info())
    }

    /// The bus that delivers events, for example to observe them.
    #[must_use]
    pub fn events(&self) -> &EventBus {
        &self.parts.bus
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("parts", &self.parts).finish_non_exhaustive()
    }
}
