//! A client on the wire: it stands where a gateway stands on other sessions.
//!
//! The world's stanzas leave through an [`Outlet`] as bytes, after the session's faults; what the
//! client sends comes in through [`MockEngine::client_sent`].

use std::{fmt, sync::Arc};

use host_sdk::Clock;
use serde_json::json;

use super::{Link, MockEngine, State};
use crate::{
    faults::SendFault,
    journal::SendResult,
    scenario::Session,
    wire::Node,
    world::{Account, Delivery, World},
};

/// Where a session's stanzas leave for a client.
///
/// The engine calls it in its turn, so calls come one after the other, and none may wait.
pub(crate) trait Outlet: fmt::Debug + Send + Sync {
    /// Takes the bytes of a stanza, which may be damaged.
    fn stanza(&self, frame: Vec<u8>);
    /// Ends the connection for Baileys' reason `code`; the client cannot come back before
    /// [`open`](Self::open).
    fn close(&self, code: u16);
    /// Lets the client connect again.
    fn open(&self);
    /// Everything starts again from the beginning, without this session.
    fn forgotten(&self);
}

impl MockEngine {
    /// Makes a session that a client speaks for. It is known to the world, and not yet connected.
    pub(crate) fn enroll(&self, session: &Session, account: &Account, outlet: Arc<dyn Outlet>) {
        let now = self.now_ms() / 1000;
        let mut state = self.0.state.lock();
        let State { seed, links, world, .. } = &mut *state;
        let new = || Link::new(session, *seed);
        links.entry(session.name.clone()).or_insert_with(new).set_outlet(outlet);
        world.enroll(&session.name, account, now);
    }

    /// The session that the scenario keeps for the account of this phone number: one that neither a
    /// gateway nor a client has taken.
    pub(crate) fn free_session(&self, phone: &str) -> Option<String> {
        let state = self.0.state.lock();
        let id = format!("{phone}@c.us");
        let is_free =
            |link: &Link| link.outlet().is_none() && link.events().is_none() && link.me().id == id;
        state.links.iter().find(|(_, link)| is_free(link)).map(|(name, _)| name.clone())
    }

    /// A client has logged in.
    pub(crate) async fn client_connected(&self, session: &str) {
        let _turn = self.0.turn.lock().await;
        let Ok(link) = self.link(session) else { return };
        link.cut();
        self.with_world(|world| world.connect(session, false));
        self.connection_update(session, json!({ "connection": "open" })).await;
    }

    /// A client is gone; others see it offline.
    pub(crate) async fn client_gone(&self, session: &str) {
        let _turn = self.0.turn.lock().await;
        let Ok(link) = self.link(session) else { return };
        link.cut();
        let now = self.now_ms() / 1000;
        let seen = self.with_world(|world| {
            world.disconnect(session);
            world.account_went(session, now)
        });
        self.deliver_all(seen).await;
    }

    /// A client sent a node. It is written into the journal as `shown`; then the world answers, and
    /// `then` says what others get of it. The result says whether the client is answered.
    pub(crate) async fn client_sent(
        &self,
        session: &str,
        node: &Node,
        shown: Node,
        then: impl FnOnce(&mut World, u64) -> Vec<Delivery> + Send,
    ) -> SendResult {
        let Ok(link) = self.link(session) else { return SendResult::Refused };
        let connection = link.connection();
        // What a client asks after its login is not what a test wants to break.
        let is_said = matches!(node.tag.as_str(), "presence" | "chatstate" | "message");
        let fault = self.0.stubs.fault(node).or_else(|| link.faults().send).filter(|_| is_said);
        match fault {
            Some(SendFault::Error) => {
                self.note(session, &link, SendResult::Refused, shown);
                return SendResult::Refused;
            }
            Some(SendFault::Timeout | SendFault::Hang) => {
                self.note(session, &link, SendResult::Timeout, shown);
                return SendResult::Timeout;
            }
            Some(SendFault::Late(delay)) => {
                let late = self.clock().sleep(delay.duration());
                connection.run_until_cancelled(late).await;
            }
            None => {}
        }
        let _turn = self.0.turn.lock().await;
        self.note(session, &link, SendResult::Sent, shown);
        let (answers, seen) = self.with_world(|world| {
            let now = self.now_ms() / 1000;
            (world.receive_from_client(session, node), then(world, now))
        });
        for answer in answers {
            self.deliver(session, answer).await;
        }
        self.deliver_all(seen).await;
        SendResult::Sent
    }

    /// Ends all connections of clients, and takes their sessions away.
    pub(super) fn forget_clients(&self) {
        let mut clients = Vec::new();
        self.0.state.lock().links.retain(|_, link| match link.take_outlet() {
            Some(client) => {
                clients.push(client);
                link.end();
                false
            }
            None => true,
        });
        for client in clients {
            client.forgotten();
        }
    }

    /// Hands sessions what they get to see.
    async fn deliver_all(&self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            self.deliver(&delivery.session, delivery.stanza).await;
        }
    }
}
