//! A plugin that does next to nothing, to measure the way to it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use host_abi::{
    Host, Manifest, Plugin, PluginError, PresenceUpdate, Request, Response, Route, Snapshot,
};

/// Adds up the lengths of what it is told, so that the compiler cannot leave the reading out.
#[derive(Debug, Default)]
pub struct NoOp(AtomicUsize);

impl Plugin for NoOp {
    const MANIFEST: Manifest =
        Manifest { name: "no-op", routes: &[Route::new(0, "GET", "/no-op")], ..Manifest::EMPTY };

    fn create(_: Host, _: &[u8], _: Option<Snapshot>) -> Result<Self, PluginError> {
        Ok(Self::default())
    }

    async fn handle(self: Arc<Self>, _: Request) -> Result<Response, PluginError> {
        Ok(Response::new(204))
    }

    fn on_presence(
        &self,
        _: &str,
        chat: &str,
        updates: &[PresenceUpdate<'_>],
    ) -> Result<(), PluginError> {
        let read = |update: &PresenceUpdate<'_>| {
            update.participant().len() + usize::from(update.status().0)
        };
        let sum = updates.iter().map(read).sum::<usize>();
        self.0.fetch_add(chat.len() + sum, Ordering::Relaxed);
        Ok(())
    }
}

host_abi::export_plugin!(NoOp);
