//! The way of a stanza to a gateway, and of a connection.
//!
//! Everything here is done by whoever holds the engine's turn.

use bytes::Bytes;
use host_sdk::{EngineStatus, PresenceUpdate, SessionStatus};
use serde_json::{Value, json};

use super::{Happened, Heard, MockEngine};
use crate::{
    delay::Delay,
    faults::{Disconnect, with_unknown_status},
    noweb::{Event, Presence, event_of},
    scenario::Switch,
    wire::{Node, decode, encode},
};

/// How long a stanza that is to be overtaken waits for one that does, in milliseconds.
const HELD_MS: u64 = 1_000;

impl MockEngine {
    /// Sends a stanza of the world to a session, through its faults and over the wire; answers with the
    /// events that came of it at once.
    pub(super) async fn deliver(&self, session: &str, stanza: Node) -> Vec<Event> {
        let Ok(link) = self.link(session) else { return Vec::new() };
        let fate = link.roll(|dice, faults| dice.roll(faults));
        if fate.dropped {
            tracing::debug!(session, %stanza, "a fault drops a stanza");
            return Vec::new();
        }
        let stanza = if fate.unknown { with_unknown_status(&stanza) } else { stanza };
        if let Some(late) = fate.late {
            self.deliver_later(session, stanza, late);
            return Vec::new();
        }
        if fate.held {
            let before = link.hold(stanza);
            self.release_held_later(session);
            return match before {
                Some(before) => self.arrive(session, &before, false).await,
                None => Vec::new(),
            };
        }
        let mut events = self.arrive(session, &stanza, fate.damaged).await;
        if fate.doubled {
            events.extend(self.arrive(session, &stanza, false).await);
        }
        if let Some(held) = link.take_held() {
            events.extend(self.arrive(session, &held, false).await);
        }
        events
    }

    fn deliver_later(&self, session: &str, stanza: Node, late: Delay) {
        let (engine, session) = (self.clone(), session.to_owned());
        let sleep = host_sdk::Clock::sleep(self.clock(), late.duration());
        self.spawn(async move {
            sleep.await;
            let _turn = engine.0.turn.lock().await;
            engine.arrive(&session, &stanza, false).await;
        });
    }

    /// Lets a held stanza go when nothing overtakes it.
    fn release_held_later(&self, session: &str) {
        let (engine, session) = (self.clone(), session.to_owned());
        let wait = Delay::from_millis(HELD_MS).duration();
        let sleep = host_sdk::Clock::sleep(self.clock(), wait);
        self.spawn(async move {
            sleep.await;
            let _turn = engine.0.turn.lock().await;
            let held = engine.link(&session).ok().and_then(|link| link.take_held());
            if let Some(held) = held {
                engine.arrive(&session, &held, false).await;
            }
        });
    }

    /// A stanza comes out of the wire: bytes, node, event.
    async fn arrive(&self, session: &str, stanza: &Node, damaged: bool) -> Vec<Event> {
        let decoded = encode(stanza).and_then(|mut frame| {
            if damaged && let Ok(link) = self.link(session) {
                link.roll(|dice, _| dice.damage(&mut frame));
            }
            decode(&frame)
        });
        let stanza = match decoded {
            Ok(stanza) => stanza,
            Err(error) => {
                tracing::warn!(session, %error, cause = %error.source, "a malformed stanza is dropped");
                return Vec::new();
            }
        };
        match event_of(&stanza) {
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
        let me = link.me();
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
        link.take_held();
        self.0.state.lock().world.disconnect(session);
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

    async fn connection_update(&self, session: &str, data: Value) {
        let event = Event::Json { kind: "connection.update".to_owned(), data };
        self.hand_over(session, event).await;
    }

    /// Loses a session's connection every so often, until its faults change.
    ///
    /// Its first timer is set before the task begins, so that several have an order.
    pub(super) fn lose_connection(
        &self,
        session: &str,
        every: Disconnect,
        epoch: u64,
    ) -> impl Future<Output = ()> + Send + 'static {
        // A pause of nothing would never let the clock move on.
        let pause = every.every.max(Delay::from_millis(1));
        let first = host_sdk::Clock::sleep(self.clock(), pause.duration());
        let (engine, session) = (self.clone(), session.to_owned());
        async move {
            first.await;
            engine.keep_losing(&session, every, pause, epoch).await;
        }
    }

    async fn keep_losing(&self, session: &str, every: Disconnect, pause: Delay, epoch: u64) {
        let goes_on = || self.link(session).is_ok_and(|link| link.epoch() == epoch);
        let sleep = |delay: Delay| host_sdk::Clock::sleep(self.clock(), delay.duration());
        loop {
            if !goes_on() || self.connection(session, Switch::Close, every.code).await.is_err() {
                return;
            }
            sleep(every.away).await;
            if !goes_on() || self.connection(session, Switch::Open, every.code).await.is_err() {
                return;
            }
            sleep(pause).await;
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
