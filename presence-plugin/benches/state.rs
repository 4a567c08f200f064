//! The cost of the state, compared in the same run with the plainest implementation: `IndexMap<String, …>`
//! and `serde_json`.
//!
//! `cargo bench -p presence-plugin`

#![allow(missing_docs, reason = "criterion's macros generate undocumented functions")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use host_abi::{EngineStatus, Plugin, PresenceUpdate, testing::FakeHost};
use indexmap::IndexMap;
use presence_plugin::{
    PresencePlugin,
    jid::Jid,
    payload::{self, ChatPresences, PresenceData},
    presence::{Presence, Record},
    state::{State, Update},
};

const CHATS: u64 = 10_000;
const PARTICIPANTS: u64 = 10;
const GROUP: &str = "120363012345678901@g.us";

type Plain = IndexMap<String, IndexMap<String, PresenceData>>;

fn engine_jids(count: u64) -> Vec<String> {
    (0..count).map(|number| format!("{}@s.whatsapp.net", 5_511_999_000_000 + number)).collect()
}

fn record(turn: u64) -> Record {
    let presence = Presence::ALL[usize::try_from(turn % 5).unwrap_or(0)];
    Record::new(presence, Some(1_686_719_326 + turn))
}

fn take(state: &mut State, chat: &str, participants: &[String], turn: u64) {
    let Ok(chat) = Jid::parse(chat) else { return };
    let mut updates: Vec<Update<'_>> = participants
        .iter()
        .zip(turn..)
        .filter_map(|(jid, turn)| Some((Jid::parse(jid).ok()?, record(turn))))
        .collect();
    black_box(state.apply(&chat, &mut updates));
}

fn outward(jid: &str) -> String {
    jid.replace("@s.whatsapp.net", "@c.us")
}

fn take_plainly(plain: &mut Plain, chat: &str, participants: &[String], turn: u64) {
    let chat = plain.entry(outward(chat)).or_default();
    for (jid, turn) in participants.iter().zip(turn..) {
        let Record { presence, last_seen } = record(turn);
        let participant = outward(jid);
        let data = PresenceData {
            participant: participant.clone(),
            last_known_presence: presence,
            last_seen: last_seen.map(u32::from),
        };
        chat.insert(participant, data);
    }
}

fn event_to_state(c: &mut Criterion) {
    let mut group = c.benchmark_group("event to state");
    for batch in [1, 16, 256, 1024] {
        let jids = engine_jids(batch);
        group.throughput(Throughput::Elements(batch));
        group.bench_function(BenchmarkId::new("packed", batch), |b| {
            let (mut state, mut turn) = (State::default(), 0);
            b.iter(|| {
                turn += 1;
                take(&mut state, GROUP, &jids, turn);
            });
        });
        group.bench_function(BenchmarkId::new("plain", batch), |b| {
            let (mut plain, mut turn) = (Plain::new(), 0);
            b.iter(|| {
                turn += 1;
                take_plainly(&mut plain, GROUP, &jids, turn);
            });
        });
        group.bench_function(BenchmarkId::new("plugin with payload and emission", batch), |b| {
            let fake = FakeHost::new();
            let Ok(plugin) = PresencePlugin::create(fake.host(), b"", None) else { return };
            let updates: Vec<_> = jids
                .iter()
                .map(|jid| PresenceUpdate::new(jid, EngineStatus::COMPOSING, None))
                .collect();
            b.iter(|| {
                let told = plugin.on_presence("default", GROUP, &updates);
                black_box((told, fake.emissions()))
            });
        });
    }
    group.finish();
}

fn get_all(c: &mut Criterion) {
    let (mut state, mut plain) = (State::default(), Plain::new());
    for (number, chat) in (0..).zip(engine_jids(CHATS)) {
        let participants = engine_jids(PARTICIPANTS);
        take(&mut state, &chat, &participants, number);
        take_plainly(&mut plain, &chat, &participants, number);
    }
    let mut group = c.benchmark_group("get all 10,000 chats of 10");
    group.throughput(Throughput::Elements(1));
    group.bench_function("packed, copied under the lock", |b| b.iter(|| state.list_all()));
    group.bench_function("packed", |b| b.iter(|| payload::all(&state.list_all())));
    group.bench_function("plain", |b| {
        b.iter(|| {
            let chats = plain.iter().map(|(id, participants)| ChatPresences {
                id: id.clone(),
                presences: participants.values().cloned().collect(),
            });
            serde_json::to_vec(&chats.collect::<Vec<_>>())
        });
    });
    group.finish();
}

criterion_group!(benches, event_to_state, get_all);
criterion_main!(benches);
