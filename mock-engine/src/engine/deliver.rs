//! The way of a stanza to a gateway, and of a connection.
//!
//! Everything here is done by whoever holds the engine's turn.

use bytes::Bytes;
use host_sdk::{Clock, EngineStatus, PresenceUpdate, SessionStatus};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Happened, Heard, MAX_LATE, MockEngine, link::Link};
use crate::{
    delay::Delay,
    faults::{Disconnect, Fate, with_unknown_status},
    noweb::{Event, Presence, event_of_version},
    wire::{Node, WireError, decode, encode},
};

/// How long a stanza that is to be overtaken waits for one that does.
const LONGEST_HELD: Delay = Delay::from_millis(1_000);

impl MockEngine {
    /// Sends a stanza of the world to a session, through its faults and over the wire; answers with the
    /// events that came of it at once.
    pub(super) async fn deliver(&self, session: &str, stanza: Node) -> Vec<Event> {
        let Ok(link) = self.link(session) else { return Vec::new() };
        if link.engine() != "NOWEB" {
            // Only Baileys says such things.
            return Vec::new();
        }
        let fate = link.roll(|dice, faults| dice.roll(faults));
        if fate.dropped {
            tracing::debug!(session, %stanza, "a fault drops a stanza");
            return Vec::new();
        }
        let stanza = if fate.unknown { with_unknown_status(stanza) } else { stanza };
        let Some(late) = fate.late else { return self.pass(session, &link, stanza, fate).await };
        let Ok(place) = link.late().try_acquire_owned() else {
            tracing::warn!(session, %stanza, "{MAX_LATE} stanzas are late; this one is dropped");
            return Vec::new();
        };
        let (connection, session) = (link.connection(), session.to_owned());
        self.later(late, connection, move |engine| async move {
            engine.pass(&session, &link, stanza, fate).await;
            drop(place);
        });
        Vec::new()
    }

    /// A stanza arrives, or waits for the next one to overtake it.
    async fn pass(&self, session: &str, link: &Link, stanza: Node, fate: Fate) -> Vec<Event> {
        let overtaken = link.take_held();
        if fate.held && overtaken.is_none() {
            let released = link.hold(stanza, fate);
            let (link, session) = (link.clone(), session.to_owned());
            // Or until it is clear that nothing does.
            self.later(LONGEST_HELD, released, move |engine| async move {
                if let Some(held) = link.take_held() {
                    engine.arrive(&session, &link, &held.stanza, &held.fate).await;
                }
            });
            return Vec::new();
        }
        let mut events = self.arrive(session, link, &stanza, &fate).await;
        if let Some(held) = overtaken {
            events.extend(self.arrive(session, link, &held.stanza, &held.fate).await);
        }
        events
    }

    /// Does something after a while, in the engine's turn, unless `over` is cancelled before.
    fn later<T: Future<Output = ()> + Send>(
        &self,
        delay: Delay,
        over: CancellationToken,
        deed: impl FnOnce(Self) -> T + Send + 'static,
    ) {
        let sleep = self.clock().sleep(delay.duration());
        let engine = self.clone();
        self.spawn(async move {
            if over.run_until_cancelled(sleep).await.is_none() {
                return;
            }
            let _turn = engine.0.turn.lock().await;
            if !over.is_cancelled() {
                deed(engine.clone()).await;
            }
        });
    }

    /// A stanza comes out of the wire, once or twice.
    async fn arrive(&self, session: &str, link: &Link, stanza: &Node, fate: &Fate) -> Vec<Event> {
        let frame =
            if fate.damaged { link.roll(|dice, _| dice.damage(stanza)) } else { encode(stanza) };
        let mut events = self.read(session, frame).await;
        if fate.doubled {
            events.extend(self.read(session, encode(stanza)).await);
        }
        events
    }

    /// Bytes to node to event.
    async fn read(&self, session: &str, frame: Result<Vec<u8>, WireError>) -> Vec<Event> {
        if let (Ok(frame), Some(client)) =
            (&frame, self.link(session).ok().and_then(|link| link.outlet()))
        {
            client.stanza(frame.clone());
        }
        let stanza = match frame.and_then(|frame| decode(&frame)) {
            Ok(stanza) => stanza,
            Err(error) => {
                tracing::warn!(session, %error, cause = %error.source, "a malformed stanza is dropped");
                return Vec::new();
            }
        };
        match event_of_version(&stanza, self.scenario().baileys) {
            Some(event) => {
                self.hand_over(session, event.clone()).await;
                vec![event]
            }
            None => Vec::new(),
        }
    }

    /// Hands an event to the gateway.
    pub(super) async fn hand_over(&self, session: &str, event: Event) {
        let Ok(link) = self.link(session) else { return };
        if link.engine() != "NOWEB" {
            // Only Baileys says such things.
            return;
        }
        let happened = Happened {
            time: self.now_ms(),
            session: session.to_owned(),
            heard: Heard::Event(event),
        };
        self.0.log.push(&happened);
        let Heard::Event(event) = happened.heard else { return };
        let Some(events) = link.events() else { return };
        match &event {
            Event::Presence { id, presences } if presences.iter().all(Presence::is_known) => {
                let updates: Vec<_> = presences
                    .iter()
                    .map(|presence| {
                        let status = status_of(&presence.status);
                        PresenceUpdate::new(&presence.participant, status, presence.last_seen)
                    })
                    .collect();
                events.presence(id, &updates).await;
            }
            event => events.event(event.kind(), Bytes::from(event.data().to_string())).await,
        }
    }

    /// Opens a session's connection.
    pub(super) async fn open(&self, session: &str) {
        let Ok(link) = self.link(session) else { return };
        if let Some(client) = link.outlet() {
            // It is connected once it logs in.
            return client.open();
        }
        let me = link.me();
        link.cut();
        self.0.state.lock().world.connect(session, link.announces_itself());
        if let Some(events) = link.events() {
            events.me(Some(me)).await;
            events.status(SessionStatus::Working).await;
        }
        self.connection_update(session, json!({ "connection": "open" })).await;
    }

    /// Closes a session's connection, for Baileys' reason `code`.
    pub(super) async fn close(&self, session: &str, code: u16) {
        let Ok(link) = self.link(session) else { return };
        link.cut();
        self.0.state.lock().world.disconnect(session);
        if let Some(client) = link.outlet() {
            client.close(code);
        }
        let reason = match code {
            401 => "Logged Out",
            408 => "Connection Lost",
            411 => "Multidevice Mismatch",
            428 => "Connection Closed",
            440 => "Connection Replaced",
            500 => "Bad Session",
            503 => "Unavailable Service",
            515 => "Restart Required",
            _ => "Connection Failure",
        };
        let error = json!({
            "message": reason,
            "output": { "statusCode": code, "payload": { "statusCode": code, "message": reason } },
        });
        let last = json!({ "error": error, "date": self.now_ms() });
        self.connection_update(session, json!({ "connection": "close", "lastDisconnect": last }))
            .await;
        if let Some(events) = link.events() {
            // NOWEB connects again by itself, but not an account that was logged out.
            let status = if code == 401 { SessionStatus::Failed } else { SessionStatus::Starting };
            events.status(status).await;
        }
    }

    pub(super) async fn connection_update(&self, session: &str, data: Value) {
        let event = Event::Json { kind: "connection.update".to_owned(), data };
        self.hand_over(session, event).await;
    }

    /// Loses a session's connection every so often, until its faults are others.
    ///
    /// Its first timer is set before the task begins, so that several have an order.
    pub(super) fn lose_connection(
        &self,
        session: &str,
        fault: Disconnect,
        over: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (engine, session) = (self.clone(), session.to_owned());
        let clock = self.clock().clone();
        // A pause of nothing would never let the clock move on.
        let pause = move || clock.sleep(fault.every.max(Delay::from_millis(1)).duration());
        let mut wait = pause();
        async move {
            while over.run_until_cancelled(wait).await.is_some() {
                if let Some(closed) = engine.lose(&session, fault.code, &over).await {
                    // When the fault ends meanwhile, the connection is there again.
                    let away = engine.clock().sleep(fault.away.duration());
                    over.run_until_cancelled(away).await;
                    engine.find_again(&session, &closed).await;
                }
                wait = pause();
            }
        }
    }

    /// Closes a connection if there is one to lose; the token is cancelled when anybody changes it.
    async fn lose(
        &self,
        session: &str,
        code: u16,
        over: &CancellationToken,
    ) -> Option<CancellationToken> {
        let _turn = self.0.turn.lock().await;
        let link = self.link(session).ok()?;
        if over.is_cancelled() || !self.with_world(|world| world.is_connected(session)) {
            return None;
        }
        self.close(session, code).await;
        Some(link.connection())
    }

    async fn find_again(&self, session: &str, closed: &CancellationToken) {
        let _turn = self.0.turn.lock().await;
        if !closed.is_cancelled() {
            self.open(session).await;
        }
    }
}

fn status_of(word: &str) -> EngineStatus {
    match word {
        "available" => EngineStatus::AVAILABLE,
        "unavailable" => EngineStatus::UNAVAILABLE,
        "composing" => EngineStatus::COMPOSING,
        "recording" => EngineStatus::RECORDING,
        "paused" => EngineStatus::PAUSED,
        _ => EngineStatus::UNKNOWN,
    }
}
