//! Presence updates of a chat: into the state, and out to the webhooks.

use foldhash::fast::RandomState;
use host_abi::{Emission, PluginError, PresenceUpdate};
use indexmap::IndexMap;

use super::{refused, unreadable};
use crate::{
    context::Context,
    dialect::noweb::{self, PRESENCE_UPDATE, PresenceEvent, Said},
    jid::{Jid, JidError},
    payload::News,
    session::Session,
    state::Update,
};

/// The event that the plugin emits.
pub(crate) const EMITTED: &str = "presence.update";

/// Handles an event in its typed form.
pub(crate) fn take_typed(
    context: &Context,
    session: &str,
    chat: &str,
    updates: &[PresenceUpdate<'_>],
) -> Result<(), PluginError> {
    let news = updates
        .iter()
        .map(|update| (update.participant(), noweb::status(update.status(), update.last_seen())));
    take(context, session, chat, news)
}

/// Handles an event in the engine's JSON.
pub(super) fn take_json(context: &Context, session: &str, data: &[u8]) -> Result<(), PluginError> {
    let event = PresenceEvent::read(data).map_err(unreadable(context, PRESENCE_UPDATE))?;
    take(context, session, event.chat(), event.participants())
}

fn take<'a>(
    context: &Context,
    session: &str,
    chat: &str,
    news: impl Iterator<Item = (&'a str, Said<'a>)>,
) -> Result<(), PluginError> {
    let chat = match Jid::parse(chat) {
        Ok(chat) => chat,
        Err(JidError::Elsewhere(_)) => {
            context.counters.elsewhere();
            return Ok(());
        }
        Err(error) => return Err(refused(context, PRESENCE_UPDATE, &error)),
    };
    let mut updates = Vec::with_capacity(news.size_hint().0);
    for (participant, said) in news {
        match (Jid::parse(participant), said) {
            (Ok(jid), Said::News(record)) => updates.push((jid, record)),
            (Ok(_), Said::UnknownWord(word)) => context.counters.unknown_word(&word),
            (Err(JidError::Elsewhere(_)), _) => context.counters.elsewhere(),
            (Err(_), _) | (Ok(_), Said::Junk) => context.counters.malformed(),
        }
    }
    apply(context, &context.session(session), &chat, newest(updates))
}

/// The only path into the state and out to the webhooks. An update that the state refuses is not emitted
/// either.
pub(super) fn apply(
    context: &Context,
    session: &Session,
    chat: &Jid<'_>,
    mut updates: Vec<Update<'_>>,
) -> Result<(), PluginError> {
    if updates.is_empty() {
        return Ok(());
    }
    let mut known = session.known.write();
    let refused = known.state.apply(chat, &mut updates);
    if !updates.is_empty() {
        known.connection.take_news(chat);
    }
    drop(known);
    if refused > 0 {
        context.counters.over_limit(&session.name, refused);
    }
    if updates.is_empty() {
        return Ok(());
    }
    let mut news = News::new(chat, &updates);
    let payload = std::mem::take(&mut news.payload);
    let (lane, keys) = (news.chat(), &news.participants());
    context.host.emit(Emission { session: &session.name, event: EMITTED, lane, keys, payload })
}

/// One update per participant: of two from different devices, the later counts.
fn newest(updates: Vec<Update<'_>>) -> Vec<Update<'_>> {
    if updates.len() < 2 {
        return updates;
    }
    let mut newest = IndexMap::with_capacity_and_hasher(updates.len(), RandomState::default());
    newest.extend(updates);
    newest.into_iter().collect()
}
