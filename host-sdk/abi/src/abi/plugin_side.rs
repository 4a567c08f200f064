//! The plugin's side: [`Plugin`] on one side, [`Instance`] on the other, every entry guarded.

use std::{sync::Arc, time::Duration};

use abi_stable::{
    prefix_type::PrefixTypeTrait,
    sabi_trait::TD_Opaque,
    std_types::{RArc, ROption, RSlice, RStr},
};

use super::{
    FfiReply, FfiResult, HostHandle, Instance, Instance_TO, InstanceHandle, Manifest, Manifest_Ref,
    PluginModule, PluginModule_Ref, PresenceUpdate, Request, Response, Snapshot,
};
use crate::{
    Host, Plugin, forward,
    guard::{CatchDrop, guard, guard_async},
};

struct Shim<P>(CatchDrop<Arc<P>>);

impl<P: Plugin> Instance for Shim<P> {
    fn handle(&self, request: Request) -> FfiReply<Response> {
        let plugin = self.0.get().clone();
        guard_async("handle", move || plugin.handle(request))
    }

    fn on_presence(
        &self,
        session: RStr<'_>,
        chat: RStr<'_>,
        updates: RSlice<'_, PresenceUpdate<'_>>,
    ) -> FfiResult<()> {
        let plugin = self.0.get();
        guard("on_presence", || {
            plugin.on_presence(session.as_str(), chat.as_str(), updates.as_slice())
        })
    }

    fn on_event(&self, kind: RStr<'_>, session: RStr<'_>, data: RSlice<'_, u8>) -> FfiResult<()> {
        let plugin = self.0.get();
        guard("on_event", || plugin.on_event(kind.as_str(), session.as_str(), data.as_slice()))
    }

    fn export_state(&self) -> FfiReply<Snapshot> {
        let plugin = self.0.get().clone();
        guard_async("export_state", move || plugin.export_state())
    }

    fn stop(&self, deadline_ms: u64) -> FfiReply<()> {
        let plugin = self.0.get().clone();
        guard_async("stop", move || plugin.stop(Duration::from_millis(deadline_ms)))
    }
}

/// Creates an instance of `P` in its own library; called by the code that `export_plugin!` generates.
pub fn create<P: Plugin>(
    host: HostHandle,
    config: RSlice<'_, u8>,
    restore: ROption<Snapshot>,
) -> FfiResult<InstanceHandle> {
    let host = Host::new(host);
    forward::install(host.handle());
    create_with::<P>(host, config, restore)
}

fn create_with<P: Plugin>(
    host: Host,
    config: RSlice<'_, u8>,
    restore: ROption<Snapshot>,
) -> FfiResult<InstanceHandle> {
    guard("create", || {
        let plugin = P::create(host, config.as_slice(), restore.into_option())?;
        let shim = Shim(CatchDrop::new(Arc::new(plugin)));
        Ok(Instance_TO::from_ptr(RArc::new(shim), TD_Opaque))
    })
}

/// The module of a plugin that is linked into its host, and so logs to the host's subscriber directly.
#[must_use]
pub fn linked<P: Plugin>() -> PluginModule_Ref {
    extern "C" fn of<P: Plugin>() -> Manifest_Ref {
        manifest::<P>()
    }
    extern "C" fn create<P: Plugin>(
        host: HostHandle,
        config: RSlice<'_, u8>,
        restore: ROption<Snapshot>,
    ) -> FfiResult<InstanceHandle> {
        create_with::<P>(Host::new(host), config, restore)
    }
    PluginModule { manifest: of::<P>, create: create::<P> }.leak_into_prefix()
}

/// The manifest of `P`, written once and kept for the life of the process.
#[must_use]
pub fn manifest<P: Plugin>() -> Manifest_Ref {
    fn words(words: &'static [&'static str]) -> RSlice<'static, RStr<'static>> {
        let words: Vec<RStr<'static>> = words.iter().copied().map(RStr::from_str).collect();
        RSlice::from_slice(words.leak())
    }
    let plain = P::MANIFEST;
    Manifest {
        name: plain.name.into(),
        version: plain.version.into(),
        sdk_version: crate::VERSION.into(),
        rustc: env!("HOST_ABI_RUSTC").into(),
        engines: words(plain.engines),
        routes: plain.routes.into(),
        consumes: words(plain.consumes),
        emits: words(plain.emits),
        openapi: plain.openapi.into(),
    }
    .leak_into_prefix()
}
