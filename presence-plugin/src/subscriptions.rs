//! Asks the engine to report a chat's presence: once, however many requests want it at the same time.
//!
//! A task of the host's carries each subscription, so that it goes on when the request that began it is
//! dropped. It ends when the engine has answered or, if a caller wants the first update, when that has
//! come or the wait for it is over.

use std::sync::Arc;

use host_abi::{ErrorKind, PluginError};
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context,
    dialect::noweb::Call,
    jid::Jid,
    session::{Flight, Landed, Session, Wish},
};

/// Subscribes to a chat, whether or not it is subscribed already.
pub(crate) async fn subscribe(
    context: &Arc<Context>,
    session: &Arc<Session>,
    chat: &Jid<'_>,
) -> Landed {
    request(context, session, chat, Wish::Agreement).await
}

/// Subscribes to a chat unless it is subscribed already, and waits up to `firstUpdateWaitMs` for the
/// first update.
pub(crate) async fn subscribe_for_news(
    context: &Arc<Context>,
    session: &Arc<Session>,
    chat: &Jid<'_>,
) -> Landed {
    let is_subscribed = {
        let known = session.known.read();
        known.connection.flight(chat).is_none() && known.state.is_subscribed(chat)
    };
    if is_subscribed { Ok(()) } else { request(context, session, chat, Wish::FirstUpdate).await }
}

async fn request(
    context: &Arc<Context>,
    session: &Arc<Session>,
    chat: &Jid<'_>,
    wish: Wish,
) -> Landed {
    match join(context, session, chat, wish)? {
        None => Ok(()),
        Some(flight) => flight.fulfils(wish).await,
    }
}

/// Joins the subscription in flight, or begins one; `None` if there is nothing to wait for.
fn join(
    context: &Arc<Context>,
    session: &Arc<Session>,
    chat: &Jid<'_>,
    wish: Wish,
) -> Result<Option<Arc<Flight>>, PluginError> {
    let mut known = session.known.write();
    if let Some(flight) = known.connection.flight(chat) {
        flight.join(wish);
        return Ok(Some(flight.clone()));
    }
    // A flight may have landed since the caller looked.
    if wish == Wish::FirstUpdate && known.state.is_subscribed(chat) {
        return Ok(None);
    }
    known.state.has_room_for(chat)?;
    let flight = known.connection.begin(chat, wish)?;
    let task = Task {
        session: session.clone(),
        chat: chat.to_string(),
        flight: flight.clone(),
        over: known.connection.over(),
    };
    drop(known);
    context.host.spawn("subscribe", task.run(context));
    Ok(Some(flight))
}

/// Carries one flight. When the host drops it halfway, the flight is cut short.
struct Task {
    session: Arc<Session>,
    chat: String,
    flight: Arc<Flight>,
    /// Tells whether the connection that the engine was asked on is over.
    over: CancellationToken,
}

impl Task {
    /// Asks the engine at once, and so for the session that is there now; the rest is left to the task.
    fn run(self, context: &Arc<Context>) -> impl Future<Output = ()> + use<> {
        let Call { op, args } = Call::subscribe(&self.chat());
        let answer = context.host.engine(op, &self.session.name, args);
        let context = context.clone();
        async move {
            let answer = answer.await.map_err(|error| {
                let message = format!("failed to subscribe to {}: {}", self.chat, error.message());
                PluginError::new(error.kind(), message)
            });
            if self.take_answer(answer.map(drop)) {
                let pause = context.host.sleep(context.config.first_update_wait());
                tokio::select! {
                    biased;
                    _ = self.flight.fulfils(Wish::FirstUpdate) => {}
                    () = pause => {}
                }
                self.land(Ok(()));
            }
        }
    }

    /// Records the engine's answer; returns whether the flight goes on to wait for the first update.
    fn take_answer(&self, answer: Landed) -> bool {
        let (chat, known) = (self.chat(), &mut *self.session.known.write());
        let landed = answer.and_then(|()| {
            let still_connected = !self.over.is_cancelled();
            Ok(known.state.set_subscribed(&chat, still_connected)?)
        });
        let waits = landed.is_ok() && !known.state.has_news(&chat) && self.flight.wait_for_news();
        if !waits {
            known.connection.land(&chat, &self.flight, landed);
        }
        waits
    }

    fn land(&self, result: Landed) {
        self.session.known.write().connection.land(&self.chat(), &self.flight, result);
    }

    fn chat(&self) -> Jid<'_> {
        Jid::parse(&self.chat).expect("the outward form of an id is an id")
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let message = "the subscription was cut short; try again";
        self.land(Err(PluginError::new(ErrorKind::UNAVAILABLE, message)));
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use host_abi::testing::FakeHost;

    use super::*;
    use crate::config::Config;

    /// The engine's answer waits for the session's lock while a new connection begins under it.
    #[test]
    fn an_answer_that_races_with_a_new_connection_does_not_count_for_it() {
        const SECOND: Duration = Duration::from_secs(1);
        let fake = FakeHost::new();
        fake.delay_engine(SECOND);
        let context = Arc::new(Context::new(fake.host(), Config::default(), None).unwrap());
        let (session, chat) = (context.session("default"), Jid::parse("1").unwrap());
        let asking = (context.clone(), session.clone());
        context.host.spawn("ask", async move {
            let _ = subscribe(&asking.0, &asking.1, &chat).await;
        });
        fake.settle();
        thread::scope(|scope| {
            let mut known = session.known.write();
            scope.spawn(|| fake.advance(SECOND));
            for _ in 0..10_000 {
                thread::yield_now();
            }
            known.connection.replace();
            assert!(known.state.start_connection().is_empty());
        });
        assert!(!session.known.read().state.is_subscribed(&chat));
    }
}
