//! The trait that a plugin implements, its manifest, and its export.

use std::{future::Future, sync::Arc, time::Duration};

#[doc(hidden)]
pub use crate::abi::{create, manifest};
use crate::{ErrorKind, Host, PluginError, PresenceUpdate, Request, Response, Route, Snapshot};

/// The description of a plugin: its name, its routes, and the events that it consumes and emits.
#[derive(Debug, Clone, Copy)]
pub struct Manifest {
    /// The plugin's name, for logs and for its configuration.
    pub name: &'static str,
    /// The plugin's own version.
    pub version: &'static str,
    /// The engines that it works with, for example `NOWEB`. Empty means any. The host answers 422
    /// for a session of another engine.
    pub engines: &'static [&'static str],
    /// The routes that it handles.
    pub routes: &'static [Route],
    /// The kinds of engine event for [`Plugin::on_event`], for example `messages.upsert`.
    pub consumes: &'static [&'static str],
    /// The events that it emits.
    pub emits: &'static [&'static str],
    /// Its part of the host's OpenAPI document, as JSON with `paths` and `components`; may be empty.
    pub openapi: &'static str,
}

impl Manifest {
    /// A manifest with nothing in it, to be completed by struct update.
    pub const EMPTY: Self = Self {
        name: "",
        version: "",
        engines: &[],
        routes: &[],
        consumes: &[],
        emits: &[],
        openapi: "",
    };
}

/// A feature that a gateway loads at run time.
///
/// Every call is guarded: a panic becomes an error for its caller and never ends the host. Calls come from
/// many threads at once, except that the events of one session come one at a time, in order.
pub trait Plugin: Send + Sync + Sized + 'static {
    /// The description of the plugin.
    const MANIFEST: Manifest;

    /// Creates an instance from its configuration (JSON; empty when there is none) and, when it takes over
    /// from an earlier instance, from the state of that one.
    ///
    /// # Errors
    ///
    /// When the configuration or the state is not valid. The host then does not start.
    fn create(host: Host, config: &[u8], restore: Option<Snapshot>) -> Result<Self, PluginError>;

    /// Handles a request to one of the manifest's routes. The future is dropped when the client
    /// disconnects.
    fn handle(
        self: Arc<Self>,
        request: Request,
    ) -> impl Future<Output = Result<Response, PluginError>> + Send + 'static;

    /// Handles one presence event of an engine: updates of participants of one chat.
    ///
    /// # Errors
    ///
    /// When the event is refused; the host logs the error.
    fn on_presence(
        &self,
        session: &str,
        chat: &str,
        updates: &[PresenceUpdate<'_>],
    ) -> Result<(), PluginError> {
        let _ = (session, chat, updates);
        Ok(())
    }

    /// Handles an engine event of a kind that the manifest consumes, in the engine's own JSON.
    ///
    /// # Errors
    ///
    /// When the event is refused; the host logs the error.
    fn on_event(&self, kind: &str, session: &str, data: &[u8]) -> Result<(), PluginError> {
        let _ = (kind, session, data);
        Ok(())
    }

    /// Exports the state for the instance that takes over.
    fn export_state(
        self: Arc<Self>,
    ) -> impl Future<Output = Result<Snapshot, PluginError>> + Send + 'static {
        async { Err(PluginError::new(ErrorKind::UNSUPPORTED, "the plugin keeps no state")) }
    }

    /// Stops; tasks that still run after `deadline` are dropped.
    fn stop(
        self: Arc<Self>,
        deadline: Duration,
    ) -> impl Future<Output = Result<(), PluginError>> + Send + 'static {
        let _ = deadline;
        async { Ok(()) }
    }
}

/// Exports a [`Plugin`] from a library of crate type `cdylib`.
///
/// A library that aborts on a panic would end its host as well, so `panic = "abort"` does not compile.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty) => {
        #[cfg(panic = "abort")]
        ::core::compile_error!(
            "a plugin must be built with panic = \"unwind\": its host outlives its panics"
        );
        const _: () = {
            use $crate::abi_stable;
            extern "C" fn manifest() -> $crate::abi::Manifest_Ref {
                $crate::manifest::<$plugin>()
            }
            extern "C" fn create(
                host: $crate::abi::HostHandle,
                config: abi_stable::std_types::RSlice<'_, u8>,
                restore: abi_stable::std_types::ROption<$crate::Snapshot>,
            ) -> $crate::abi::FfiResult<$crate::abi::InstanceHandle> {
                $crate::create::<$plugin>(host, config, restore)
            }
            extern "C" fn root() -> abi_stable::library::RootModuleResult {
                fn module() -> $crate::abi::PluginModule_Ref {
                    use abi_stable::prefix_type::PrefixTypeTrait as _;
                    $crate::abi::PluginModule { manifest, create }.leak_into_prefix()
                }
                abi_stable::library::__call_root_module_loader(module)
            }
            // What abi_stable's own export_root_module writes, which finds abi_stable only where it
            // is a direct dependency. The name is checked by a test of host-abi.
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            #[doc(hidden)]
            pub static HEADER: abi_stable::library::LibHeader = {
                // SAFETY: the constructor gives a module of the type that is named here.
                unsafe {
                    abi_stable::library::LibHeader::from_constructor::<$crate::abi::PluginModule_Ref>(
                        root,
                        abi_stable::library::CheckTypeLayout::Yes,
                    )
                }
            };
        };
    };
}
