//! What learns of the events of sessions.

use host_abi::PresenceUpdate;

/// What the worker of a session hands the engine's events to, in order.
///
/// Called on the session's worker, which waits meanwhile: an implementation must not block.
pub(crate) trait Listener: Send + Sync {
    /// Whether it is to learn of the events of sessions on this engine.
    fn works_with(&self, engine: &str) -> bool;

    /// Presence news of one chat, about one or more participants.
    fn on_presence(&self, session: &str, chat: &str, updates: &[PresenceUpdate<'_>]);

    /// Any other event; `data` is the engine's own JSON.
    fn on_event(&self, kind: &str, session: &str, data: &[u8]);
}
