//! What a real WAHA sends, over its WebSocket or to a webhook, as recorded events.

use serde_json::{Map, Value, json};

use super::Recorded;

/// Listens to WAHA's events, and takes from them what Baileys said.
///
/// NOWEB's own events come as `engine.event`. A `presence.update` says the same once more, in WAHA's
/// words: it is taken, translated back, only as long as no `engine.event` says it.
#[derive(Debug, Default)]
pub struct Listener {
    hears_engine: bool,
}

impl Listener {
    /// The recorded event in one of WAHA's envelopes, if there is one; `now` is the time in Unix
    /// milliseconds for an envelope that does not say its own.
    pub fn hear(&mut self, envelope: &Value, now: u64) -> Option<Recorded> {
        let payload = envelope.get("payload")?;
        let (event, data) = match envelope.get("event")?.as_str()? {
            "engine.event" => {
                let event = payload.get("event")?.as_str()?;
                let event = event.strip_prefix("events.").unwrap_or(event);
                if !matches!(event, "presence.update" | "messages.upsert" | "connection.update") {
                    return None;
                }
                self.hears_engine |= event == "presence.update";
                (event.to_owned(), payload.get("data")?.clone())
            }
            "presence.update" if !self.hears_engine => {
                ("presence.update".to_owned(), from_documented(payload)?)
            }
            _ => return None,
        };
        Some(Recorded {
            time: envelope.get("timestamp").and_then(Value::as_u64).unwrap_or(now),
            session: envelope.get("session")?.as_str()?.to_owned(),
            event,
            data,
        })
    }
}

/// A documented payload in Baileys' words.
fn from_documented(payload: &Value) -> Option<Value> {
    let mut presences = Map::new();
    for presence in payload.get("presences")?.as_array()? {
        let word = match presence.get("lastKnownPresence")?.as_str()? {
            "offline" => "unavailable",
            "online" => "available",
            "typing" => "composing",
            other => other,
        };
        let mut data = json!({ "lastKnownPresence": word });
        if let Some(last_seen) = presence.get("lastSeen").filter(|it| !it.is_null()) {
            data["lastSeen"] = last_seen.clone();
        }
        presences.insert(inward(presence.get("participant")?.as_str()?), data);
    }
    Some(json!({ "id": inward(payload.get("id")?.as_str()?), "presences": presences }))
}

fn inward(id: &str) -> String {
    match id.strip_suffix("@c.us") {
        Some(number) => format!("{number}@s.whatsapp.net"),
        None => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_event_is_taken_and_wahas_once_more_is_not() {
        let data = json!({ "id": "1@s.whatsapp.net", "presences": {} });
        let engine = json!({
            "event": "engine.event", "session": "default", "timestamp": 5,
            "payload": { "event": "events.presence.update", "data": data },
        });
        let waha = json!({
            "event": "presence.update", "session": "default",
            "payload": { "id": "1@c.us", "presences": [
                { "participant": "1@c.us", "lastKnownPresence": "typing", "lastSeen": null },
                { "participant": "2@c.us", "lastKnownPresence": "offline", "lastSeen": 7 },
            ] },
        });
        let mut listener = Listener::default();
        let translated = listener.hear(&waha, 9).unwrap();
        assert_eq!((translated.time, translated.event.as_str()), (9, "presence.update"));
        assert_eq!(
            translated.data,
            json!({ "id": "1@s.whatsapp.net", "presences": {
                "1@s.whatsapp.net": { "lastKnownPresence": "composing" },
                "2@s.whatsapp.net": { "lastKnownPresence": "unavailable", "lastSeen": 7 },
            } })
        );
        assert_eq!(listener.hear(&engine, 9).unwrap().data, data);
        assert_eq!(listener.hear(&waha, 9), None);
        assert_eq!(listener.hear(&json!({ "event": "message", "payload": {} }), 9), None);
    }
}
