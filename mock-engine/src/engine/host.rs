//! What a gateway sees of the mock: an [`Engine`] as any other.

use std::{future::ready, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use host_sdk::{Clock, Engine, EngineError, EngineEvents};

use rand::RngExt;

use super::{Happened, Heard, Link, MockEngine, State};
use crate::{
    chance::chance_of,
    delay::Delay,
    faults::SendFault,
    journal::SendResult,
    noweb::SendError,
    scenario::Session,
    wire::{Node, decode, encode},
};

/// How long Baileys waits for an answer.
const PATIENCE: Delay = Delay::from_millis(60_000);

/// The characters of a pairing code: Crockford's, as WhatsApp has them.
const PAIRING: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTVWXYZ";

impl MockEngine {
    /// The mock as a gateway's NOWEB engine.
    pub fn noweb(&self) -> Arc<dyn Engine> {
        self.engine("NOWEB")
    }

    /// The mock as an engine of another name. Only NOWEB has Baileys' events and operations; the others
    /// start, and that is all.
    pub fn engine(&self, name: impl Into<String>) -> Arc<dyn Engine> {
        Arc::new(Facade { mock: self.clone(), name: name.into() })
    }

    /// Takes a session up, and connects it.
    pub(super) async fn begin(&self, session: &str, engine: &str, events: Option<EngineEvents>) {
        let link = {
            let mut state = self.0.state.lock();
            state.world.add_session(session);
            let State { seed, scenario, links, .. } = &mut *state;
            let spec = scenario.sessions.iter().find(|it| it.name == session).cloned();
            let new = || Link::new(&spec.unwrap_or_else(|| Session::new(session)), *seed);
            links.entry(session.to_owned()).or_insert_with(new).clone()
        };
        link.set_engine(engine);
        link.set_events(events);
        link.set_stopped(false);
        let _turn = self.0.turn.lock().await;
        self.open(session).await;
    }

    async fn end(&self, session: &str) {
        let Ok(link) = self.link(session) else { return };
        link.set_events(None);
        link.set_stopped(true);
        link.cut();
        self.0.state.lock().world.disconnect(session);
    }

    fn forget(&self, session: &str) {
        let mut state = self.0.state.lock();
        if let Some(link) = state.links.shift_remove(session) {
            link.end();
        }
        self.0.log.forget(session);
        state.world.remove_session(session);
    }

    async fn send(&self, op: &str, session: &str, args: &[u8]) -> Result<(), EngineError> {
        let link = self.link(session).map_err(|error| EngineError::Refused(error.to_string()))?;
        if link.engine() != "NOWEB" {
            return Err(EngineError::Unsupported(format!("{op} on {}", link.engine())));
        }
        let connection = link.connection();
        if !self.with_world(|world| world.is_connected(session)) {
            return Err(closed());
        }
        let node = link.sender(|sender| sender.node(op, args)).map_err(|error| match error {
            SendError::Operation { .. } => EngineError::Unsupported(error.to_string()),
            error => EngineError::Refused(error.to_string()),
        })?;
        let node = encode(&node)
            .and_then(|frame| decode(&frame))
            .map_err(|error| EngineError::Refused(format!("{error}: {}", error.source)))?;
        match self.0.stubs.fault(&node).or_else(|| link.faults().send) {
            Some(SendFault::Error) => {
                self.note(session, &link, SendResult::Refused, node);
                return Err(EngineError::Refused("a fault of the mock refuses it".to_owned()));
            }
            Some(SendFault::Timeout) => {
                self.note(session, &link, SendResult::Timeout, node);
                return Err(EngineError::Timeout("a fault of the mock swallows it".to_owned()));
            }
            Some(SendFault::Hang) => {
                self.note(session, &link, SendResult::Timeout, node);
                let patience = self.clock().sleep(PATIENCE.duration());
                let answer = connection.run_until_cancelled(patience).await;
                let timeout = EngineError::Timeout(format!("no answer for {PATIENCE}"));
                return Err(answer.map_or_else(closed, |()| timeout));
            }
            Some(SendFault::Late(delay)) => {
                let late = self.clock().sleep(delay.duration());
                connection.run_until_cancelled(late).await;
            }
            None => {}
        }
        let _turn = self.0.turn.lock().await;
        if connection.is_cancelled() {
            self.note(session, &link, SendResult::Refused, node);
            return Err(closed());
        }
        self.note(session, &link, SendResult::Sent, node.clone());
        let answers = self.with_world(|world| world.receive(session, &node));
        for answer in answers {
            self.deliver(session, answer).await;
        }
        Ok(())
    }

    /// Writes a node into the session's journal, and notifies the waiters.
    pub(super) fn note(&self, session: &str, link: &Link, result: SendResult, node: Node) {
        let time = self.now_ms();
        let entry = link.journal(|journal| {
            let seq = journal.push(time, result, node);
            journal.since(seq - 1).next().cloned()
        });
        if let Some(entry) = entry {
            self.0.log.push(&Happened {
                time,
                session: session.to_owned(),
                heard: Heard::Sent(entry),
            });
        }
        self.0.sent.notify_waiters();
    }
}

/// What Baileys says of a node that no connection takes.
fn closed() -> EngineError {
    EngineError::Refused("Connection Closed".to_owned())
}

struct Facade {
    mock: MockEngine,
    name: String,
}

impl Engine for Facade {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(
        &self,
        session: &str,
        events: EngineEvents,
    ) -> BoxFuture<'static, Result<(), EngineError>> {
        let (mock, session, name) = (self.mock.clone(), session.to_owned(), self.name.clone());
        Box::pin(async move {
            mock.begin(&session, &name, Some(events)).await;
            Ok(())
        })
    }

    fn stop(&self, session: &str) -> BoxFuture<'static, Result<(), EngineError>> {
        let (mock, session) = (self.mock.clone(), session.to_owned());
        Box::pin(async move {
            mock.end(&session).await;
            Ok(())
        })
    }

    fn qr(&self, session: &str) -> BoxFuture<'static, Result<String, EngineError>> {
        let mut chance = chance_of(self.mock.seed(), session);
        // The reference, and the three keys of the device that waits to be linked.
        let parts: [Vec<u8>; 4] = [69, 32, 32, 32]
            .map(|len| std::iter::repeat_with(|| chance.random()).take(len).collect());
        let parts = parts.map(|part| BASE64_STANDARD.encode(part)).join(",");
        Box::pin(ready(Ok(format!("2@{parts}"))))
    }

    fn pairing_code(
        &self,
        session: &str,
        phone: &str,
    ) -> BoxFuture<'static, Result<String, EngineError>> {
        let mut chance = chance_of(self.mock.seed(), &format!("{session} {phone}"));
        let mut half = || -> String {
            (0..4).map(|_| char::from(PAIRING[chance.random_range(0..PAIRING.len())])).collect()
        };
        let code = format!("{}-{}", half(), half());
        Box::pin(ready(Ok(code)))
    }

    fn removed(&self, session: &str) {
        self.mock.forget(session);
    }

    fn call(
        &self,
        op: &str,
        session: &str,
        args: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, EngineError>> {
        let (mock, op, session) = (self.mock.clone(), op.to_owned(), session.to_owned());
        Box::pin(async move {
            mock.send(&op, &session, &args).await?;
            Ok(Bytes::from_static(b"null"))
        })
    }
}
