//! What the lanes promise, whatever happens: on hand-written cases, on random ones, and on a million
//! events.

use std::collections::BTreeSet;

use host_delivery::lane::{Fate, Lanes, Limits, Parked, Taken};
use proptest::{collection::vec, prelude::*};

use crate::lanes_model::Event;

fn lanes(lane_depth: usize) -> Lanes<Event> {
    Lanes::new(Limits { lane_depth, ..Limits::default() })
}

fn push(lanes: &mut Lanes<Event>, seq: u64, keys: &[u8]) {
    assert!(lanes.push("lane", Event::new(seq, keys)));
}

/// Delivers all that waits: sequence numbers, and how many each stands for besides itself.
fn deliver_all(lanes: &mut Lanes<Event>) -> Vec<(u64, u32)> {
    let mut delivered = Vec::new();
    while let Some(taken) = lanes.take() {
        delivered.push((taken.update.seq, taken.folded));
        lanes.delivered(taken.ticket);
    }
    delivered
}

#[test]
fn up_to_its_depth_a_lane_keeps_all_and_then_replaces_the_newest_of_the_key() {
    let mut lanes = lanes(4);
    for (seq, key) in [(1, 1), (2, 2), (3, 1), (4, 2), (5, 1), (6, 1), (7, 2)] {
        push(&mut lanes, seq, &[key]);
    }
    assert_eq!(deliver_all(&mut lanes), [(1, 0), (2, 0), (6, 2), (7, 1)]);
}

#[test]
fn with_depth_zero_only_the_latest_state_waits() {
    let mut lanes = lanes(0);
    for seq in 1..=9 {
        push(&mut lanes, seq, &[u8::try_from(seq % 3).unwrap()]);
    }
    assert_eq!(deliver_all(&mut lanes), [(7, 2), (8, 2), (9, 2)]);
}

#[test]
fn an_update_of_several_keys_stays_until_each_of_them_has_a_newer_one() {
    let mut lanes = lanes(0);
    push(&mut lanes, 1, &[1, 2]);
    push(&mut lanes, 2, &[1]);
    assert_eq!(lanes.waiting(), 2, "key 2 is news yet");
    push(&mut lanes, 3, &[2]);
    assert_eq!(deliver_all(&mut lanes), [(2, 1), (3, 0)], "in the order in which they came");
}

#[test]
fn updates_without_keys_go_in_their_own_order_and_before_those_with_keys() {
    let mut lanes = lanes(1);
    for (seq, keys) in [(1, &[1][..]), (2, &[]), (3, &[1]), (4, &[])] {
        push(&mut lanes, seq, keys);
    }
    assert_eq!(deliver_all(&mut lanes), [(2, 0), (4, 0), (3, 1)]);
}

#[test]
fn updates_without_keys_are_dropped_by_age_past_their_cap() {
    let mut lanes = Lanes::new(Limits { fifo_depth: 2, ..Limits::default() });
    for seq in 1..=5 {
        push(&mut lanes, seq, &[]);
    }
    assert_eq!(lanes.counts().dropped, 3);
    assert_eq!(deliver_all(&mut lanes), [(4, 0), (5, 0)]);
}

#[test]
fn a_failed_update_goes_again_first_unless_the_lane_is_full_and_it_is_superseded() {
    let mut lanes = lanes(2);
    push(&mut lanes, 1, &[1]);
    let taken = lanes.take().unwrap();
    push(&mut lanes, 2, &[1]);
    assert!(lanes.take().is_none(), "one in flight a lane");
    let Fate::Waits(parked) = lanes.put_back(taken, false) else { panic!("it has a place") };
    assert!(lanes.take().is_none(), "parked");
    assert!(lanes.wake(&parked));
    assert!(!lanes.wake(&parked), "only once");
    let taken = lanes.take().unwrap();
    assert_eq!(taken.update.seq, 1);
    push(&mut lanes, 3, &[1]);
    assert_eq!(lanes.put_back(taken, false), Fate::Dropped);
    assert_eq!(deliver_all(&mut lanes), [(2, 0), (3, 1)]);
}

#[test]
fn a_last_state_that_is_given_up_is_kept_until_it_is_recalled_or_superseded() {
    let mut lanes = lanes(8);
    push(&mut lanes, 1, &[1]);
    let taken = lanes.take().unwrap();
    push(&mut lanes, 2, &[2]);
    assert_eq!(lanes.put_back(taken, true), Fate::GivenUp);
    let taken = lanes.take().unwrap();
    assert_eq!(taken.update.seq, 2, "it holds nobody up");
    lanes.delivered(taken.ticket);
    assert_eq!((lanes.waiting(), lanes.lanes()), (1, 1));
    let newest = Event::new(0, &[]).id;
    lanes.recall(|_| true);
    let taken = lanes.take().unwrap();
    assert_eq!(taken.update.seq, 1);
    assert!(taken.update.id > newest, "it is a new event");
    assert_eq!(lanes.put_back(taken, true), Fate::GivenUp);
    push(&mut lanes, 3, &[1]);
    assert_eq!((lanes.given_up(), deliver_all(&mut lanes)), (0, vec![(3, 1)]));
    assert_eq!((lanes.waiting(), lanes.lanes(), lanes.bytes()), (0, 0, 0));
}

#[test]
fn a_spent_update_goes_before_one_that_is_newer_in_part() {
    let mut lanes = lanes(8);
    push(&mut lanes, 1, &[1, 2]);
    let taken = lanes.take().unwrap();
    assert_eq!(lanes.put_back(taken, true), Fate::GivenUp);
    push(&mut lanes, 2, &[2]);
    assert_eq!(deliver_all(&mut lanes), [(1, 0), (2, 0)]);
}

#[test]
fn past_the_byte_cap_history_goes_first_then_fifo_and_never_a_last_state() {
    // Each event is 100 bytes.
    let mut lanes = Lanes::new(Limits { lane_depth: 64, fifo_depth: 64, bytes: 500 });
    lanes.push("fifo", Event::new(1, &[]));
    lanes.push("fifo", Event::new(2, &[]));
    for seq in 3..=5 {
        lanes.push("a", Event::new(seq, &[1]));
    }
    lanes.push("b", Event::new(6, &[1]));
    assert_eq!((lanes.bytes(), lanes.counts().folded), (400, 2));
    for seq in 7..=10 {
        lanes.push("b", Event::new(seq, &[u8::try_from(seq).unwrap()]));
    }
    assert_eq!((lanes.bytes(), lanes.counts().dropped), (600, 2), "six last states are kept");
    assert!(!lanes.push("fifo", Event::new(11, &[])));
    assert_eq!(lanes.counts().dropped, 3);
    let delivered: BTreeSet<u64> = deliver_all(&mut lanes).iter().map(|(seq, _)| *seq).collect();
    assert_eq!(delivered, BTreeSet::from([5, 6, 7, 8, 9, 10]));
}

#[test]
fn the_lane_that_became_ready_last_can_be_asked_for() {
    let mut lanes = lanes(8);
    for (seq, lane) in [(1, "a"), (2, "b"), (3, "c"), (4, "a")] {
        lanes.push(lane, Event::new(seq, &[1]));
    }
    assert_eq!(lanes.take_newest().unwrap().update.seq, 3);
    assert_eq!(lanes.take().unwrap().update.seq, 1);
}

#[test]
fn what_is_in_flight_outlives_a_clearing() {
    let mut lanes = lanes(8);
    for (seq, lane) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
        lanes.push(lane, Event::new(seq, &[1]));
    }
    let flying = lanes.take().unwrap();
    let parked = lanes.take().unwrap();
    let Fate::Waits(parked) = lanes.put_back(parked, false) else { panic!("it has a place") };
    lanes.clear();
    assert!(!lanes.wake(&parked));
    assert_eq!((lanes.waiting(), lanes.in_flight()), (0, 1));
    lanes.delivered(flying.ticket);
    assert!(lanes.take().is_none());
    assert_eq!((lanes.lanes(), lanes.bytes()), (0, 0));
}

/// A generator of its own, so that a run is repeated by its seed alone.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A receiver that believes what it gets, and what is known of the truth.
struct World {
    /// The last id of each lane's updates with keys.
    ids: [u64; NAMES.len()],
    /// The newest seen of each lane's keys.
    seen: Vec<u64>,
    truth: Vec<u64>,
    fifo_seen: [u64; NAMES.len()],
    delivered: u64,
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Where a key of an event is in the lists of a [`World`]; an event's lane is in its number.
fn place(event: &Event, key: &str) -> usize {
    lane_of(event) * 256 + key.parse::<usize>().unwrap()
}

fn lane_of(event: &Event) -> usize {
    usize::try_from(event.seq % 8).unwrap()
}

impl World {
    fn new() -> Self {
        let none = vec![0; NAMES.len() * 256];
        Self {
            ids: [0; NAMES.len()],
            seen: none.clone(),
            truth: none,
            fifo_seen: [0; NAMES.len()],
            delivered: 0,
        }
    }

    /// The receiver sees an update, perhaps for the second time.
    fn sees(&mut self, event: &Event) {
        if event.keys.is_empty() {
            let last = std::mem::replace(&mut self.fifo_seen[lane_of(event)], event.seq);
            assert!(event.seq >= last, "FIFO went back from {last} to {}", event.seq);
        }
        if !event.keys.is_empty() {
            let last = std::mem::replace(&mut self.ids[lane_of(event)], event.id);
            assert!(event.id >= last, "the lane went back from {last} to {}", event.id);
        }
        for key in &event.keys {
            let last = std::mem::replace(&mut self.seen[place(event, key)], event.seq);
            assert!(event.seq >= last, "key {key} went back from {last} to {}", event.seq);
        }
    }

    fn happens(&mut self, event: &Event) {
        for key in &event.keys {
            self.truth[place(event, key)] = event.seq;
        }
    }
}

/// Runs `events` events through lanes whose receiver fails, refuses and is slow.
fn run(seed: u64, events: u64, limits: Limits, keys: u64) -> (Lanes<Event>, World) {
    let mut random = Random(seed | 1);
    let (mut lanes, mut world) = (Lanes::new(limits), World::new());
    let mut flying: Vec<Taken<Event>> = Vec::new();
    let mut parked: Vec<Parked> = Vec::new();
    // Those of two rounds.
    let last_states = NAMES.len() * usize::try_from(2 * keys).unwrap() * 100;
    let mut pushed = 0;
    while pushed < events {
        match random.below(10) {
            0..=4 => {
                pushed += 1;
                let lane = random.below(NAMES.len() as u64);
                let count = [1, 1, 1, 1, 2, 3, 0][usize::try_from(random.below(7)).unwrap()];
                let chosen: Vec<u8> =
                    (0..count).map(|_| u8::try_from(random.below(keys)).unwrap()).collect();
                let event = Event::new(pushed * 8 + lane, &chosen);
                world.happens(&event);
                lanes.push(NAMES[lane_of(&event)], event);
            }
            5..=6 => {
                let newest = random.below(8) == 0;
                let taken = if newest { lanes.take_newest() } else { lanes.take() };
                if let Some(taken) = taken {
                    // A request that fails may have been received all the same.
                    world.sees(&taken.update);
                    flying.push(taken);
                }
            }
            7..=8 if !flying.is_empty() => {
                let at = usize::try_from(random.below(flying.len() as u64)).unwrap();
                let taken = flying.swap_remove(at);
                match random.below(8) {
                    0..=4 => {
                        world.delivered += 1;
                        lanes.delivered(taken.ticket);
                    }
                    n => {
                        if let Fate::Waits(waits) = lanes.put_back(taken, n == 7) {
                            parked.push(waits);
                        }
                    }
                }
            }
            _ if !parked.is_empty() => {
                let at = usize::try_from(random.below(parked.len() as u64)).unwrap();
                lanes.wake(&parked.swap_remove(at));
            }
            _ => lanes.recall(|_| true),
        }
        let most = limits.bytes.max(last_states + flying.len() * 100);
        assert!(lanes.bytes() <= most, "{} bytes wait", lanes.bytes());
    }
    // The receiver gets well, and gets all.
    for taken in flying {
        lanes.delivered(taken.ticket);
    }
    loop {
        for parked in parked.drain(..) {
            lanes.wake(&parked);
        }
        lanes.recall(|_| true);
        let Some(taken) = lanes.take() else { break };
        world.sees(&taken.update);
        world.delivered += 1;
        lanes.delivered(taken.ticket);
    }
    assert!(world.seen == world.truth, "the last state of every key has arrived");
    assert_eq!((lanes.waiting(), lanes.in_flight(), lanes.lanes(), lanes.bytes()), (0, 0, 0, 0));
    (lanes, world)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_view_never_goes_back_and_ends_with_the_truth(
        seed in any::<u64>(),
        lane_depth in prop_oneof![Just(0_usize), 1..5_usize, Just(64)],
        fifo_depth in 1..20_usize,
        bytes in prop_oneof![Just(usize::MAX / 2), 0..3_000_usize],
        keys in 1..9_u64,
    ) {
        run(seed, 500, Limits { lane_depth, fifo_depth, bytes }, keys);
    }

    #[test]
    fn a_lane_that_never_fills_delivers_every_update_in_order(
        pushes in prop_oneof![
            vec(vec(0..4_u8, 1..3), 0..64),
            vec(Just(Vec::new()), 0..64),
        ],
        failures in vec(any::<bool>(), 0..64),
    ) {
        let mut lanes = lanes(64);
        let (mut failures, mut delivered) = (failures.into_iter(), Vec::new());
        let count = pushes.len() as u64;
        for (seq, keys) in (1..).zip(pushes) {
            push(&mut lanes, seq, &keys);
        }
        while let Some(taken) = lanes.take() {
            if failures.next() == Some(true) {
                let Fate::Waits(parked) = lanes.put_back(taken, false) else {
                    panic!("there is room")
                };
                lanes.wake(&parked);
            } else {
                delivered.push(taken.update.seq);
                lanes.delivered(taken.ticket);
            }
        }
        prop_assert_eq!(delivered, (1..=count).collect::<Vec<_>>());
    }
}

#[test]
fn a_million_events_end_with_the_truth() {
    let seed = std::env::var("LANES_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| std::process::id().into());
    println!("LANES_SEED={seed}");
    let limits = Limits { lane_depth: 16, fifo_depth: 50, bytes: 20_000 };
    let (lanes, world) = run(seed, 1_000_000, limits, 30);
    println!("{} delivered, {:?}", world.delivered, lanes.counts());
}

#[test]
fn no_key_starves_however_often_the_others_and_itself_change() {
    for lane_depth in [0, 1, 2, 5, 64] {
        for keys in 1..9_u8 {
            let mut lanes = lanes(lane_depth);
            let mut since = vec![0; usize::from(keys)];
            let mut seq = 0;
            for _ in 0..200 {
                // Every key changes before each delivery, always in the same order.
                for key in 0..keys {
                    seq += 1;
                    push(&mut lanes, seq, &[key]);
                }
                let taken = lanes.take().unwrap();
                since.iter_mut().for_each(|since| *since += 1);
                since[taken.update.keys[0].parse::<usize>().unwrap()] = 0;
                lanes.delivered(taken.ticket);
                let longest = since.iter().max().unwrap();
                let most = lane_depth.max(2 * usize::from(keys));
                assert!(*longest <= most, "depth {lane_depth}, {keys} keys: {longest}");
                assert!(lanes.waiting() <= most, "depth {lane_depth}, {keys} keys");
            }
        }
    }
}
