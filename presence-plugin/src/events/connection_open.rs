//! A new connection has no subscriptions: all are asked for again, in order, not all at once.

use std::sync::Arc;

use host_abi::PluginError;

use super::unreadable;
use crate::{
    context::{Context, Session},
    dialect::noweb::{CONNECTION_UPDATE, Connection},
    jid::Jid,
    subscriptions,
};

/// Takes a change of the connection. Whatever it is, it ends what goes on for the one before.
pub(super) fn take(context: &Arc<Context>, name: &str, data: &[u8]) -> Result<(), PluginError> {
    let change = Connection::read(data).map_err(unreadable(context, CONNECTION_UPDATE))?;
    let Some(change) = change else { return Ok(()) };
    let session = context.session(name);
    let connection = session.change_connection();
    if change == Connection::Open {
        let chats = session.state.write().start_connection();
        if !chats.is_empty() {
            let round =
                Round { context: context.clone(), session, name: name.to_owned(), connection };
            context.host.spawn("resubscribe", round.run(chats));
        }
    }
    Ok(())
}

/// The subscriptions of one connection.
struct Round {
    context: Arc<Context>,
    session: Arc<Session>,
    name: String,
    connection: u64,
}

impl Round {
    async fn run(self, chats: Vec<String>) {
        let mut is_first = true;
        for chat in chats.iter().filter_map(|chat| Jid::parse(chat).ok()) {
            if !is_first {
                let pause = self.context.host.sleep(self.context.config.resubscribe_pause());
                tokio::select! {
                    biased;
                    () = self.session.connection_ends(self.connection) => return,
                    () = pause => {}
                }
            }
            is_first = false;
            if self.session.connection() != self.connection {
                return;
            }
            self.subscribe(&chat).await;
        }
    }

    async fn subscribe(&self, chat: &Jid<'_>) {
        // A request may have been quicker.
        if self.session.state.read().is_subscribed(chat) {
            return;
        }
        let asked = subscriptions::subscribe(&self.context, &self.name, chat).await;
        if let Err(error) = asked {
            tracing::warn!(
                session = self.name,
                %chat,
                %error,
                "not subscribed again; the next connection or request will try"
            );
        }
    }
}
