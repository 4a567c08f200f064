use indexmap::IndexMap;
use proptest::{collection, prelude::*};

use super::*;
use crate::{
    payload::{self, ChatPresences, PresenceData},
    presence::Presence,
};

fn jid(text: &str) -> Jid<'_> {
    Jid::parse(text).unwrap()
}

fn take(state: &mut State, chat: &str, participant: &str, record: Record) -> usize {
    state.apply(&jid(chat), &mut vec![(jid(participant), record)])
}

fn all(state: &State) -> String {
    String::from_utf8(payload::all(&state.list_all())).unwrap()
}

#[test]
fn a_record_is_replaced_whole() {
    let mut state = State::default();
    take(&mut state, "777", "777", Record::offline(Some(5)));
    take(&mut state, "777", "777", Record::of(Presence::Typing));
    assert_eq!(state.record(&jid("777"), &jid("777")), Some(Record::of(Presence::Typing)));
}

#[test]
fn updates_beyond_a_limit_are_refused_and_nothing_else_changes() {
    let mut state = State::new(Limits { chats: 2, participants: 2, rows: 3 });
    let online = Record::of(Presence::Online);
    assert_eq!(take(&mut state, "1", "1", online), 0);
    assert_eq!(take(&mut state, "2@g.us", "1", online), 0);
    let before = all(&state);
    assert_eq!(take(&mut state, "3", "3", online), 1);
    assert_eq!(state.has_room_for(&jid("3")), Err(Full(2)));
    assert_eq!(state.set_subscribed(&jid("3"), true), Err(Full(2)));
    assert_eq!(all(&state), before);

    let group = jid("2@g.us");
    let mut updates = vec![(jid("1"), online), (jid("2"), online), (jid("3"), online)];
    assert_eq!(state.apply(&group, &mut updates), 1);
    assert_eq!(updates, [(jid("1"), online), (jid("2"), online)]);
    assert_eq!(take(&mut state, "1", "2", online), 1, "the limit is three rows");
}

#[test]
fn a_chat_whose_updates_were_all_refused_stays_unknown() {
    let mut state = State::new(Limits { chats: 2, participants: 2, rows: 0 });
    take(&mut state, "1", "1", Record::of(Presence::Online));
    assert_eq!(all(&state), "[]");
}

#[test]
fn a_new_connection_clears_subscriptions_but_not_which_chats_are_wanted() {
    let mut state = State::default();
    take(&mut state, "1", "1", Record::of(Presence::Online));
    for chat in ["3", "01", "2@g.us"] {
        state.set_subscribed(&jid(chat), true).unwrap();
    }
    assert_eq!(state.start_connection(), ["3@c.us", "01@c.us", "2@g.us"]);
    assert!(!state.is_subscribed(&jid("3")));
    assert_eq!(state.start_connection().len(), 3, "they are still wanted");
}

#[test]
fn a_saved_state_has_this_format() {
    let mut state = State::default();
    state.set_subscribed(&jid("1-2@g.us"), true).unwrap();
    take(&mut state, "1-2@g.us", "007", Record::offline(Some(5)));
    let bytes = encode([("default", &state)]).unwrap();
    insta::assert_snapshot!(
        String::from_utf8(bytes).unwrap(),
        @r#"[{"session":"default","chats":[{"id":"1-2@g.us","wanted":true,"subscribed":true,"presences":[["007@c.us","offline",5]]}]}]"#
    );
}

#[test]
fn a_saved_state_that_cannot_be_read_says_why() {
    let refusal = |schema, bytes: &str| {
        let error = decode(schema, bytes.as_bytes(), Limits { chats: 1, ..Limits::default() });
        error.unwrap_err().to_string()
    };
    assert_eq!(refusal(2, "[]"), "failed to read a state of schema 2: this version reads schema 1");
    assert_eq!(refusal(1, "[{"), "failed to read the state of schema 1");
    let chat = |id| format!(r#"{{"id":"{id}","wanted":true,"subscribed":true,"presences":[]}}"#);
    let of = |chats: String| format!(r#"[{{"session":"s","chats":[{chats}]}}]"#);
    assert_eq!(refusal(1, &of(chat("x"))), r#"failed to read an id in the state of session "s""#);
    assert_eq!(
        refusal(1, &of(format!("{},{}", chat("1"), chat("2")))),
        r#"failed to take over the state of session "s""#
    );
}

/// One event: the chat, and per participant the presence and the last-seen.
type Event = (String, Vec<(String, Presence, Option<u64>)>);
type Model = IndexMap<String, IndexMap<String, (Presence, Option<u32>)>>;

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..60u64).prop_map(|number| format!("{number}@c.us")),
        (0..4u64).prop_map(|number| format!("{number}@lid")),
        (0..4u64).prop_map(|number| format!("{number}@g.us")),
        (0..4u64).prop_map(|number| format!("1-{number}@g.us")),
        (0..4u64).prop_map(|number| format!("00{number}@c.us")),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let presence = prop::sample::select(Presence::ALL.to_vec());
    let last_seen = prop_oneof![Just(None), any::<u64>().prop_map(Some), (0..5u64).prop_map(Some)];
    (id(), collection::vec((id(), presence, last_seen), 1..60))
}

fn record(model: &mut Model, (chat, updates): &Event) {
    let chat = model.entry(chat.clone()).or_default();
    for (participant, presence, last_seen) in updates {
        let known = (*presence == Presence::Offline).then_some(*last_seen).flatten();
        let seconds = known.filter(|last| *last > 0).and_then(|last| u32::try_from(last).ok());
        chat.insert(participant.clone(), (*presence, seconds));
    }
}

fn listed(model: &Model) -> Vec<ChatPresences> {
    let chats = model.iter().map(|(chat, participants)| ChatPresences {
        id: chat.clone(),
        presences: participants
            .iter()
            .map(|(participant, (presence, last_seen))| PresenceData {
                participant: participant.clone(),
                last_known_presence: *presence,
                last_seen: *last_seen,
            })
            .collect(),
    });
    chats.collect()
}

fn learn(events: &[Event]) -> (State, Model) {
    let (mut state, mut model) = (State::default(), Model::new());
    for event in events {
        let updates = event.1.iter();
        let mut updates =
            updates.map(|(id, presence, last)| (jid(id), Record::new(*presence, *last))).collect();
        assert_eq!(state.apply(&jid(&event.0), &mut updates), 0);
        record(&mut model, event);
    }
    (state, model)
}

proptest! {
    #[test]
    fn the_state_agrees_with_a_plain_model(events in collection::vec(event(), 0..12)) {
        let (state, model) = learn(&events);
        let listed = listed(&model);
        prop_assert_eq!(all(&state), serde_json::to_string(&listed).unwrap());
        for chat in &listed {
            let one = payload::chat(&state.list_chat(&jid(&chat.id)).unwrap());
            prop_assert_eq!(String::from_utf8(one).unwrap(), serde_json::to_string(chat).unwrap());
        }
    }

    #[test]
    fn a_saved_state_round_trips(events in collection::vec(event(), 0..8)) {
        let (state, _) = learn(&events);
        let bytes = encode([("a", &state), ("b", &State::default())]).unwrap();
        let read = decode(SCHEMA, &bytes, Limits::default()).unwrap();
        prop_assert_eq!(read.len(), 2);
        prop_assert_eq!(all(&read[0].1), all(&state));
        let again = encode(read.iter().map(|(name, state)| (name.as_str(), state))).unwrap();
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn arbitrary_bytes_are_decoded_or_refused(bytes in collection::vec(any::<u8>(), 0..100)) {
        let _ = decode(SCHEMA, &bytes, Limits::default());
    }

    #[test]
    fn the_payload_of_an_event_has_its_participants_only(event in event()) {
        let (chat, said) = event;
        let updates: Vec<_> = said
            .iter()
            .map(|(id, presence, last)| (jid(id), Record::new(*presence, *last)))
            .collect();
        let news = payload::News::new(&jid(&chat), &updates);
        let presences = updates.iter().map(|(jid, record)| PresenceData {
            participant: jid.to_string(),
            last_known_presence: record.presence,
            last_seen: record.last_seen.map(u32::from),
        });
        let whole = ChatPresences { id: chat.clone(), presences: presences.collect() };
        prop_assert_eq!(&news.payload, &serde_json::to_vec(&whole).unwrap());
        prop_assert_eq!(news.chat(), chat);
        let ids: Vec<_> = news.participants().iter().map(|key| key.as_str().to_owned()).collect();
        prop_assert_eq!(ids, said.iter().map(|(id, ..)| id.clone()).collect::<Vec<_>>());
    }
}
