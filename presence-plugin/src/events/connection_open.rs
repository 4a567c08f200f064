//! A new connection has no subscriptions: all of them are renewed, in order, with a pause between two.

use std::sync::Arc;

use host_abi::PluginError;
use tokio_util::sync::CancellationToken;

use super::unreadable;
use crate::{
    context::Context,
    dialect::noweb::{CONNECTION_UPDATE, ConnectionChange},
    jid::Jid,
    session::Session,
    subscriptions,
};

/// Handles a change of the connection, which ends the previous one.
pub(super) fn take(context: &Arc<Context>, name: &str, data: &[u8]) -> Result<(), PluginError> {
    let change = ConnectionChange::read(data).map_err(unreadable(context, CONNECTION_UPDATE))?;
    let Some(change) = change else { return Ok(()) };
    let session = context.session(name);
    let mut known = session.known.write();
    let over = known.connection.replace();
    let chats = match change {
        ConnectionChange::Open => known.state.start_connection(),
        ConnectionChange::Closed => Vec::new(),
    };
    drop(known);
    if !chats.is_empty() {
        let renewal = Renewal { context: context.clone(), session, over };
        context.host.spawn("resubscribe", renewal.run(chats));
    }
    Ok(())
}

/// The task that renews the subscriptions of a session on one connection.
struct Renewal {
    context: Arc<Context>,
    session: Arc<Session>,
    over: CancellationToken,
}

impl Renewal {
    async fn run(self, chats: Vec<String>) {
        for (place, chat) in chats.iter().enumerate() {
            if place > 0 {
                let pause = self.context.host.sleep(self.context.config.resubscribe_pause());
                tokio::select! {
                    biased;
                    () = self.over.cancelled() => {}
                    () = pause => {}
                }
            }
            if self.over.is_cancelled() {
                return;
            }
            if let Ok(chat) = Jid::parse(chat) {
                self.subscribe(&chat).await;
            }
        }
    }

    async fn subscribe(&self, chat: &Jid<'_>) {
        // A request may have been quicker.
        if self.session.known.read().state.is_subscribed(chat) {
            return;
        }
        let renewed = subscriptions::subscribe(&self.context, &self.session, chat).await;
        if let Err(error) = renewed {
            tracing::warn!(
                session = self.session.name,
                %chat,
                %error,
                "failed to renew a subscription; the next connection or request tries again"
            );
        }
    }
}
