//! The engine's events.

mod connection_open;
mod message_upsert;
pub(crate) mod presence_update;
mod session_forgotten;

use std::sync::Arc;

use host_abi::{ErrorKind, PluginError};

use self::session_forgotten::SESSION_FORGOTTEN;
use crate::{
    context::Context,
    dialect::noweb::{CONNECTION_UPDATE, DialectError, MESSAGES_UPSERT, PRESENCE_UPDATE},
};

/// The kinds of event that the plugin consumes.
pub(crate) const CONSUMES: &[&str] =
    &[PRESENCE_UPDATE, MESSAGES_UPSERT, CONNECTION_UPDATE, SESSION_FORGOTTEN];

/// Handles an event of one of the kinds of [`CONSUMES`]; any other is ignored.
pub(crate) fn take(
    context: &Arc<Context>,
    kind: &str,
    session: &str,
    data: &[u8],
) -> Result<(), PluginError> {
    match kind {
        PRESENCE_UPDATE => presence_update::take_json(context, session, data),
        MESSAGES_UPSERT => message_upsert::take(context, session, data),
        CONNECTION_UPDATE => connection_open::take(context, session, data),
        SESSION_FORGOTTEN => {
            session_forgotten::take(context, session);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Counts a malformed event; the error says for the host's log what is wrong with it.
fn refused(context: &Context, kind: &str, error: &dyn std::fmt::Display) -> PluginError {
    context.counters.malformed();
    PluginError::new(ErrorKind::INVALID, format!("{kind}: {error}"))
}

fn unreadable(context: &Context, kind: &'static str) -> impl Fn(DialectError) -> PluginError {
    move |error| refused(context, kind, &error)
}
