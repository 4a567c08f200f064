//! A session that was unlinked from its account, or deleted: all that is known of it is dropped.

use crate::context::Context;

/// The host's own event; it has no data.
pub(crate) const SESSION_FORGOTTEN: &str = "session.forgotten";

/// Forgets the session and ends the tasks that work for it.
pub(super) fn take(context: &Context, session: &str) {
    context.forget(session);
}
