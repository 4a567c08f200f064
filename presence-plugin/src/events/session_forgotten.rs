//! A session that was unlinked from its account, or deleted, knows nobody any more.

use crate::context::Context;

/// The host's own event; it has no data.
pub(crate) const SESSION_FORGOTTEN: &str = "session.forgotten";

/// Forgets all that is known of the session, and ends what goes on for it.
pub(super) fn take(context: &Context, session: &str) {
    context.forget(session);
}
