//! One lane, as plainly as it can be written: the sequence that it hands out is the one that the
//! mechanism must hand out too.

use std::{cell::Cell, collections::BTreeSet};

use host_delivery::lane::{Fate, Lanes, Limits, Parked, Taken, Update};
use proptest::{collection::vec, prelude::*};

/// What each event takes.
const BYTES: usize = 100;

thread_local! {
    static LAST_ID: Cell<u64> = const { Cell::new(0) };
}

/// The next id of the test's thread.
fn next_id() -> u64 {
    LAST_ID.with(|last| {
        last.set(last.get() + 1);
        last.get()
    })
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The number of what it says.
    pub(crate) seq: u64,
    /// Rises with each event that is made or restated.
    pub(crate) id: u64,
    restated: u32,
    pub(crate) keys: Vec<Box<str>>,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        (self.seq, self.restated, &self.keys) == (other.seq, other.restated, &other.keys)
    }
}

impl Eq for Event {}

impl Event {
    pub(crate) fn new(seq: u64, keys: &[u8]) -> Self {
        let keys: BTreeSet<&u8> = keys.iter().collect();
        Self {
            seq,
            id: next_id(),
            restated: 0,
            keys: keys.iter().map(|key| key.to_string().into()).collect(),
        }
    }
}

impl Update for Event {
    fn keys(&self) -> &[Box<str>] {
        &self.keys
    }

    fn bytes(&self) -> usize {
        BYTES
    }

    fn restate(&mut self) {
        (self.id, self.restated) = (next_id(), self.restated + 1);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    event: Event,
    folded: u32,
    /// Its number in the order in which updates came.
    place: u64,
    spent: bool,
    /// The keys in which it supersedes others of its round; `None`: all of its own. One that took the place of
    /// the last of a round supersedes what that one did.
    supersedes: Option<Vec<Box<str>>>,
    /// Of one that came back: whether it was then needed in its round.
    needed: Option<bool>,
}

impl Waiting {
    fn shares(&self, keys: &[Box<str>]) -> bool {
        self.event.keys.iter().any(|own| keys.contains(own))
    }

    fn stand_for(&mut self, old: &Self) {
        self.folded += old.folded + 1;
    }
}

/// Where an update went.
#[derive(Debug, PartialEq, Eq)]
enum Went {
    InFront,
    Aside,
    Nowhere,
}

#[derive(Debug)]
struct Model {
    limits: Limits,
    fifo: Vec<Waiting>,
    queue: Vec<Waiting>,
    aside: Vec<Waiting>,
    flying: usize,
    pressed: bool,
    /// The last place of the round that is going out.
    round: u64,
    last_place: u64,
}

impl Model {
    fn new(limits: Limits) -> Self {
        let (fifo, queue, aside) = (Vec::new(), Vec::new(), Vec::new());
        Self { limits, fifo, queue, aside, flying: 0, pressed: false, round: 0, last_place: 0 }
    }

    fn waiting(&self) -> usize {
        self.fifo.len() + self.queue.len() + self.aside.len()
    }

    fn bytes(&self) -> usize {
        (self.waiting() + self.flying) * BYTES
    }

    fn is_full(&self) -> bool {
        self.pressed || self.queue.len() >= self.limits.lane_depth
    }

    /// Where the newest of a key is.
    fn newest(&self, key: &str) -> Option<u64> {
        let all = self.queue.iter().chain(&self.aside);
        all.filter(|w| w.event.keys.iter().any(|own| **own == *key)).map(|w| w.place).max()
    }

    /// Whether newer updates that wait tell all that it tells.
    fn is_outdated(&self, waiting: &Waiting) -> bool {
        waiting.event.keys.iter().all(|key| self.newest(key) != Some(waiting.place))
    }

    /// Whether newer updates of its round that wait tell all that it tells.
    fn is_superseded(&self, waiting: &Waiting) -> bool {
        if let Some(needed) = waiting.needed {
            return !needed;
        }
        let is_current = waiting.place <= self.round;
        let newer = |key: &str| {
            let keys = |w: &Waiting| {
                w.supersedes.as_ref().unwrap_or(&w.event.keys).iter().any(|own| **own == *key)
            };
            let newer = |w: &Waiting| w.place > waiting.place && keys(w);
            self.queue.iter().any(|w| newer(w) && (w.place <= self.round) == is_current)
        };
        waiting.event.keys.iter().all(|key| newer(key))
    }

    fn insert(&mut self, waiting: Waiting) {
        let at = self.queue.partition_point(|other| other.place < waiting.place);
        self.queue.insert(at, waiting);
    }

    fn fold(&mut self) {
        let depth = if self.pressed { 0 } else { self.limits.lane_depth };
        while self.queue.len() > depth
            && let Some(at) = self.queue.iter().rposition(|w| self.is_superseded(w))
        {
            let old = self.queue.remove(at);
            let heir = self.newest(&old.event.keys[0]).unwrap();
            let all = self.queue.iter_mut().chain(&mut self.aside);
            all.filter(|w| w.place == heir).for_each(|w| w.stand_for(&old));
        }
    }

    fn press(&mut self) {
        self.pressed = true;
        self.fold();
    }

    fn push(&mut self, event: Event) {
        if event.keys.is_empty() {
            self.push_fifo(event);
            return;
        }
        if self.bytes() + BYTES > self.limits.bytes {
            self.press();
        }
        let keys = event.keys.clone();
        let in_part =
            |w: &Waiting| w.shares(&keys) && !w.event.keys.iter().all(|key| keys.contains(key));
        let recalled: Vec<Waiting> = self.aside.extract_if(.., |w| in_part(w)).collect();
        let mut event = event;
        let overtaken = !recalled.is_empty();
        recalled.into_iter().for_each(|w| self.push_again(w));
        if overtaken {
            event.restate();
        }
        self.add(event, 0);
        while self.bytes() > self.limits.bytes && !self.fifo.is_empty() {
            self.fifo.remove(0);
        }
    }

    /// Sends once more what was given up.
    fn push_again(&mut self, mut waiting: Waiting) {
        waiting.event.restate();
        self.add(waiting.event, waiting.folded);
    }

    fn recall(&mut self) {
        for waiting in std::mem::take(&mut self.aside) {
            self.push_again(waiting);
        }
    }

    fn next_place(&mut self) -> u64 {
        self.last_place += 1;
        self.last_place
    }

    fn add(&mut self, event: Event, folded: u32) {
        let (full, place) = (self.is_full(), self.next_place());
        let keys = event.keys.clone();
        self.queue.push(Waiting {
            event,
            folded,
            place,
            spent: false,
            supersedes: None,
            needed: None,
        });
        let needless = |w: &Waiting| w.event.keys.iter().all(|key| keys.contains(key));
        let given_up: Vec<Waiting> = self.aside.extract_if(.., |w| needless(w)).collect();
        let spent: Vec<u64> = self
            .queue
            .iter()
            .filter(|w| w.spent && w.shares(&keys) && self.is_outdated(w))
            .map(|w| w.place)
            .collect();
        let mut new = self.queue.pop().unwrap();
        given_up.iter().for_each(|w| new.stand_for(w));
        for place in spent {
            let at = self.queue.iter().position(|w| w.place == place).unwrap();
            new.stand_for(&self.queue.remove(at));
        }
        let ends_round = |w: &Waiting| w.place <= self.round && needless(w);
        if full && self.queue.last().is_some_and(ends_round) {
            let last = self.queue.pop().unwrap();
            new.stand_for(&last);
            self.round = place;
            new.supersedes = Some(last.supersedes.unwrap_or(last.event.keys));
        }
        self.queue.push(new);
        self.fold();
    }

    fn push_fifo(&mut self, event: Event) {
        if self.bytes() + BYTES > self.limits.bytes && BYTES <= self.limits.bytes {
            self.press();
            while self.bytes() + BYTES > self.limits.bytes && !self.fifo.is_empty() {
                self.fifo.remove(0);
            }
        }
        if self.bytes() + BYTES > self.limits.bytes {
            return;
        }
        if self.fifo.len() >= self.limits.fifo_depth {
            self.fifo.remove(0);
        }
        let place = self.next_place();
        self.fifo.push(Waiting {
            event,
            folded: 0,
            place,
            spent: false,
            supersedes: None,
            needed: None,
        });
    }

    fn take(&mut self) -> Option<Waiting> {
        let from = if self.fifo.is_empty() { &mut self.queue } else { &mut self.fifo };
        let taken = (!from.is_empty()).then(|| from.remove(0));
        if let Some(taken) = taken.as_ref().filter(|taken| !taken.event.keys.is_empty())
            && taken.place > self.round
        {
            self.round = self.queue.last().map_or(taken.place, |last| last.place);
        }
        self.flying += usize::from(taken.is_some());
        taken
    }

    fn delivered(&mut self) {
        self.flying -= 1;
        if self.bytes() <= self.limits.bytes / 4 * 3 {
            self.pressed = false;
        }
    }

    fn put_back(&mut self, taken: Waiting, spent: bool) -> Went {
        let over = self.bytes() > self.limits.bytes;
        if taken.event.keys.is_empty() {
            if spent || over || self.fifo.len() >= self.limits.fifo_depth {
                self.delivered();
                return Went::Nowhere;
            }
            self.flying -= 1;
            self.fifo.insert(0, taken);
            return Went::InFront;
        }
        let waiting = Waiting { spent, ..taken };
        let keys = &waiting.event.keys;
        if (spent || self.is_full()) && keys.iter().all(|key| self.newest(key).is_some()) {
            let heir = self.newest(&keys[0]).unwrap();
            let all = self.queue.iter_mut().chain(&mut self.aside);
            all.filter(|w| w.place == heir).for_each(|w| w.stand_for(&waiting));
            self.delivered();
            return Went::Nowhere;
        }
        self.flying -= 1;
        if spent && !self.queue.iter().any(|w| w.shares(keys)) {
            self.aside.push(waiting);
            return Went::Aside;
        }
        let newer = |key: &str| self.newest(key).is_some_and(|newest| newest <= self.round);
        let needed = Some(!waiting.event.keys.iter().all(|key| newer(key)));
        self.insert(Waiting { needed, ..waiting });
        Went::InFront
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(Vec<u8>),
    Take,
    Deliver,
    Fail {
        spent: bool,
    },
    /// Sends once more what was given up.
    Recall,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..4_u8;
    let step = prop_oneof![
        6 => vec(key.clone(), 1..2).prop_map(Step::Push),
        2 => vec(key, 0..4).prop_map(Step::Push),
        4 => Just(Step::Take),
        2 => Just(Step::Deliver),
        2 => any::<bool>().prop_map(|spent| Step::Fail { spent }),
        1 => Just(Step::Recall),
    ];
    vec(step, 0..120)
}

/// The mechanism beside the model.
struct Both {
    lanes: Lanes<Event>,
    model: Model,
    flying: Option<(Taken<Event>, Waiting)>,
    parked: Option<Parked>,
}

impl Both {
    fn take(&mut self) -> Result<(), TestCaseError> {
        if self.flying.is_some() {
            return Ok(());
        }
        if let Some(parked) = self.parked.take() {
            self.lanes.wake(&parked);
        }
        let (taken, expected) = (self.lanes.take(), self.model.take());
        prop_assert_eq!(
            taken.as_ref().map(|taken| (&taken.update, taken.folded)),
            expected.as_ref().map(|taken| (&taken.event, taken.folded))
        );
        self.flying = taken.zip(expected);
        Ok(())
    }

    fn fail(&mut self, spent: bool) -> Result<(), TestCaseError> {
        let Some((taken, waiting)) = self.flying.take() else { return Ok(()) };
        match (self.lanes.put_back(taken, spent), self.model.put_back(waiting, spent)) {
            (Fate::Waits(parked), Went::InFront) => self.parked = Some(parked),
            (Fate::GivenUp, Went::Aside) | (Fate::Dropped, Went::Nowhere) => {}
            (fate, went) => prop_assert!(false, "{fate:?} is not {went:?}"),
        }
        Ok(())
    }

    fn step(&mut self, seq: u64, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Push(keys) => {
                let event = Event::new(seq, &keys);
                self.model.push(event.clone());
                self.lanes.push("lane", event);
            }
            Step::Take => self.take()?,
            Step::Deliver => {
                if let Some((taken, _)) = self.flying.take() {
                    self.lanes.delivered(taken.ticket);
                    self.model.delivered();
                }
            }
            Step::Fail { spent } => self.fail(spent)?,
            Step::Recall => {
                self.lanes.recall(|_| true);
                self.model.recall();
            }
        }
        prop_assert_eq!(self.lanes.waiting(), self.model.waiting());
        prop_assert_eq!(self.lanes.bytes(), self.model.bytes());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_lane_hands_out_what_the_plain_model_hands_out(
        steps in steps(),
        lane_depth in 0..6_usize,
        fifo_depth in 1..4_usize,
        bytes in prop_oneof![Just(usize::MAX / 2), 0..1_500_usize],
    ) {
        let limits = Limits { lane_depth, fifo_depth, bytes };
        let (lanes, model) = (Lanes::new(limits), Model::new(limits));
        let mut both = Both { lanes, model, flying: None, parked: None };
        let finish = 2 * (steps.len() as u64 + 1);
        for (seq, step) in (1..).zip(steps) {
            both.step(seq, step)?;
        }
        both.step(0, Step::Recall)?;
        for _ in 0..finish {
            both.step(0, Step::Take)?;
            both.step(0, Step::Deliver)?;
        }
        let Both { lanes, .. } = both;
        prop_assert_eq!((lanes.waiting(), lanes.in_flight(), lanes.lanes()), (0, 0, 0));
        prop_assert_eq!(lanes.bytes(), 0);
    }
}
