//! Why a gateway could not be built or served.

use host_abi::PluginError;

use crate::{http::RouteError, sessions::SessionError};

/// Why a gateway could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// It was built outside of a tokio runtime.
    #[error("a gateway must be built inside a tokio runtime, for example under #[tokio::main]")]
    NoRuntime,
    /// It has no engine.
    #[error("a gateway needs an engine: call GatewayBuilder::engine")]
    NoEngine,
    /// A plugin refused to start.
    #[error("plugin {name:?} failed to start: {error}")]
    Plugin {
        /// The plugin's name.
        name: String,
        /// Its own error.
        error: PluginError,
    },
    /// Two plugins have one name.
    #[error("two plugins are called {0:?}; load only one of them")]
    SameName(String),
    /// A plugin's route cannot be served.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A configuration names a plugin that is not loaded.
    #[error("configuration for plugin {0:?}, which is not loaded")]
    UnknownPlugin(String),
    /// A session could not be created.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Why a gateway could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Other machines could use the sessions without a key.
    #[error("listening on {0}, which other machines can reach, requires an API key")]
    NoApiKey(std::net::SocketAddr),
    /// The listener failed.
    #[error("the listener failed")]
    Listener(#[source] std::io::Error),
}
