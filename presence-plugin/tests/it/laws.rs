//! Laws that hold for any sequence of events.

use host_abi::{EngineStatus, Plugin, PresenceUpdate};
use indexmap::IndexMap;
use proptest::{collection, prelude::*};
use serde_json::{Value, json};

use crate::desk::{Desk, SESSION};

const JIDS: [&str; 7] = [
    "1@s.whatsapp.net",
    "2:7@s.whatsapp.net",
    "2@s.whatsapp.net",
    "1@lid",
    "1203630@g.us",
    "1-2@g.us",
    "status@broadcast",
];
const WORDS: [&str; 7] =
    ["", "available", "unavailable", "composing", "recording", "paused", "dancing"];
const DOCUMENTED: [Option<&str>; 7] = [
    None,
    Some("online"),
    Some("offline"),
    Some("typing"),
    Some("recording"),
    Some("paused"),
    None,
];

#[derive(Debug, Clone)]
struct Step {
    is_typed: bool,
    chat: usize,
    updates: Vec<(usize, usize, Option<u64>)>,
}

fn step() -> impl Strategy<Value = Step> {
    let last_seen = prop_oneof![Just(None), (0..4u64).prop_map(Some)];
    let update = (0..JIDS.len(), 0..WORDS.len(), last_seen);
    (any::<bool>(), 0..JIDS.len(), collection::vec(update, 0..5))
        .prop_map(|(is_typed, chat, updates)| Step { is_typed, chat, updates })
}

fn outward(jid: usize) -> Option<&'static str> {
    ["1@c.us", "2@c.us", "2@c.us", "1@lid", "1203630@g.us", "1-2@g.us"].get(jid).copied()
}

fn tell(desk: &Desk, step: &Step) {
    if step.is_typed {
        let updates = step.updates.iter().map(|(jid, word, last)| {
            PresenceUpdate::new(JIDS[*jid], EngineStatus(u8::try_from(*word).unwrap()), *last)
        });
        let updates: Vec<_> = updates.collect();
        desk.plugin.on_presence(SESSION, JIDS[step.chat], &updates).unwrap();
    } else {
        let presences: serde_json::Map<_, _> = step
            .updates
            .iter()
            .map(|(jid, word, last)| {
                (
                    JIDS[*jid].to_owned(),
                    json!({"lastKnownPresence": WORDS[*word], "lastSeen": last}),
                )
            })
            .collect();
        let event = json!({"id": JIDS[step.chat], "presences": presences});
        desk.event("presence.update", &event.to_string()).unwrap();
    }
}

type Model = IndexMap<&'static str, IndexMap<&'static str, (&'static str, Option<u64>)>>;

/// The updates of a step: in JSON a later entry of a jid replaces the earlier one.
fn news(step: &Step) -> IndexMap<&'static str, (&'static str, Option<u64>)> {
    let mut said = IndexMap::new();
    for (place, (jid, word, last)) in step.updates.iter().enumerate() {
        said.insert(if step.is_typed { (place, *jid) } else { (0, *jid) }, (*word, *last));
    }
    let mut news = IndexMap::new();
    for ((_, jid), (word, last)) in said {
        if let (Some(participant), Some(documented)) = (outward(jid), DOCUMENTED[word]) {
            let last = last.filter(|last| *last > 0 && documented == "offline");
            news.insert(participant, (documented, last));
        }
    }
    news
}

fn body(chat: &str, participants: &IndexMap<&str, (&str, Option<u64>)>) -> Value {
    let presences: Vec<_> = participants
        .iter()
        .map(|(participant, (word, last))| {
            json!({"participant": participant, "lastKnownPresence": word, "lastSeen": last})
        })
        .collect();
    json!({"id": chat, "presences": presences})
}

proptest! {
    #[test]
    fn get_all_get_one_and_webhooks_agree_with_a_plain_model(steps in collection::vec(step(), 0..30)) {
        let desk = Desk::new();
        let (mut model, mut webhooks) = (Model::new(), Vec::new());
        for step in &steps {
            tell(&desk, step);
            let (chat, news) = (outward(step.chat), news(step));
            if let (Some(chat), false) = (chat, news.is_empty()) {
                webhooks.push(body(chat, &news).to_string());
                model.entry(chat).or_default().extend(news);
            }
        }
        let bodies: Vec<_> = model.iter().map(|(chat, known)| body(chat, known)).collect();
        prop_assert_eq!(desk.emitted(), webhooks);
        prop_assert_eq!(desk.get_all(), Value::from(bodies.clone()).to_string());
        for chat in bodies {
            prop_assert_eq!(desk.get_chat(chat["id"].as_str().unwrap()), chat.to_string());
        }
    }

    #[test]
    fn arbitrary_bytes_of_an_engine_are_used_or_refused(
        kind in prop::sample::select(vec!["presence.update", "messages.upsert", "connection.update"]),
        bytes in collection::vec(any::<u8>(), 0..100),
        chat in any::<String>(),
        participant in any::<String>(),
        status in any::<u8>(),
        last_seen in any::<Option<u64>>(),
    ) {
        let desk = Desk::new();
        let _ = desk.plugin.on_event(kind, SESSION, &bytes);
        let update = PresenceUpdate::new(&participant, EngineStatus(status), last_seen);
        let _ = desk.plugin.on_presence(SESSION, &chat, &[update]);
        let _ = desk.get_all();
    }
}
