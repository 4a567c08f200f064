//! A message from a participant who was typing or recording: it is sent, so they are online.

use host_abi::PluginError;

use super::{presence_update::apply, unreadable};
use crate::{
    context::Context,
    dialect::noweb::{Author, MESSAGES_UPSERT, MessagesEvent},
    jid::{Jid, JidError},
    presence::{Presence, Record},
    session::Session,
};

/// Handles new messages.
pub(super) fn take(context: &Context, session: &str, data: &[u8]) -> Result<(), PluginError> {
    let event = MessagesEvent::read(data).map_err(unreadable(context, MESSAGES_UPSERT))?;
    let session = context.session(session);
    let mut outcome = Ok(());
    for author in event.authors() {
        // A message that cannot be passed on must not hold up the others.
        outcome = outcome.and(take_message(context, &session, author));
    }
    outcome
}

fn take_message(
    context: &Context,
    session: &Session,
    author: Option<Author<'_>>,
) -> Result<(), PluginError> {
    let Some(author) = author else {
        context.counters.malformed();
        return Ok(());
    };
    match (Jid::parse(author.chat), Jid::parse(author.participant)) {
        (Ok(chat), Ok(participant)) => stop_writing(context, session, &chat, participant),
        (Err(JidError::Elsewhere(_)), _) | (_, Err(JidError::Elsewhere(_))) => {
            context.counters.elsewhere();
            Ok(())
        }
        _ => {
            context.counters.malformed();
            Ok(())
        }
    }
}

fn stop_writing(
    context: &Context,
    session: &Session,
    chat: &Jid<'_>,
    participant: Jid<'_>,
) -> Result<(), PluginError> {
    let known = session.known.read().state.record(chat, &participant);
    match known.map(|record| record.presence) {
        Some(Presence::Typing | Presence::Recording) => {
            apply(context, session, chat, vec![(participant, Record::of(Presence::Online))])
        }
        _ => Ok(()),
    }
}
