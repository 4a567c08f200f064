//! One lane, as plainly as it can be written: the sequence that it hands out is the one that the
//! mechanism must hand out too.

use std::collections::BTreeSet;

use host_delivery::lane::{Fate, Lanes, Limits, Parked, Taken, Update};
use proptest::{collection::vec, prelude::*};

/// What each event takes.
const BYTES: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    pub(crate) keys: Vec<Box<str>>,
}

impl Event {
    pub(crate) fn new(seq: u64, keys: &[u8]) -> Self {
        let keys: BTreeSet<&u8> = keys.iter().collect();
        Self { seq, keys: keys.iter().map(|key| key.to_string().into()).collect() }
    }
}

impl Update for Event {
    fn keys(&self) -> &[Box<str>] {
        &self.keys
    }

    fn bytes(&self) -> usize {
        BYTES
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    event: Event,
    folded: u32,
    /// The sequence number of the event in whose place it is.
    place: u64,
    spent: bool,
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
}

impl Model {
    fn new(limits: Limits) -> Self {
        let (fifo, queue, aside) = (Vec::new(), Vec::new(), Vec::new());
        Self { limits, fifo, queue, aside, flying: 0, pressed: false }
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

    fn is_superseded(&self, waiting: &Waiting) -> bool {
        waiting.event.keys.iter().all(|key| self.newest(key) != Some(waiting.place))
    }

    fn insert(&mut self, waiting: Waiting) {
        let at = self.queue.partition_point(|other| other.place < waiting.place);
        self.queue.insert(at, waiting);
    }

    fn fold(&mut self) {
        let depth = if self.pressed { 0 } else { self.limits.lane_depth };
        while self.queue.len() > depth
            && let Some(at) = self.queue.iter().rposition(|w| !w.spent && self.is_superseded(w))
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
        let full = self.is_full();
        let keys = event.keys.clone();
        let place = event.seq;
        let touched: BTreeSet<u64> = keys.iter().filter_map(|key| self.newest(key)).collect();
        self.queue.push(Waiting { event, folded: 0, place, spent: false });
        // What stood aside is needless, or goes before what is newer in part.
        for w in std::mem::take(&mut self.aside) {
            if w.shares(&keys) { self.insert(w) } else { self.aside.push(w) }
        }
        let mut new = self.queue.pop().unwrap();
        let needless = |w: &Waiting, all: &Self| {
            let newer = |key| keys.contains(key) || all.newest(key) != Some(w.place);
            w.event.keys.iter().all(newer)
        };
        for place in &touched {
            let at = self.queue.iter().position(|w| w.place == *place).unwrap();
            if self.queue[at].spent && needless(&self.queue[at], self) {
                new.stand_for(&self.queue.remove(at));
            }
        }
        if full
            && let Some(last) = touched.last()
            && let Some(at) = self.queue.iter().position(|w| w.place == *last)
            && needless(&self.queue[at], self)
        {
            new.stand_for(&self.queue.remove(at));
            new.place = *last;
        }
        self.insert(new);
        self.fold();
        while self.bytes() > self.limits.bytes && !self.fifo.is_empty() {
            self.fifo.remove(0);
        }
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
        let place = event.seq;
        self.fifo.push(Waiting { event, folded: 0, place, spent: false });
    }

    fn take(&mut self) -> Option<Waiting> {
        let from = if self.fifo.is_empty() { &mut self.queue } else { &mut self.fifo };
        let taken = (!from.is_empty()).then(|| from.remove(0));
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
        self.insert(waiting);
        Went::InFront
    }

    fn wake(&mut self, place: u64) {
        if let Some(at) = self.aside.iter().position(|w| w.place == place) {
            let woken = self.aside.remove(at);
            self.insert(woken);
        }
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
    /// Ends the wait of one of those that stand aside.
    Wake(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..4_u8;
    let step = prop_oneof![
        6 => vec(key.clone(), 1..2).prop_map(Step::Push),
        2 => vec(key, 0..4).prop_map(Step::Push),
        4 => Just(Step::Take),
        2 => Just(Step::Deliver),
        2 => any::<bool>().prop_map(|spent| Step::Fail { spent }),
        1 => any::<prop::sample::Index>().prop_map(Step::Wake),
    ];
    vec(step, 0..120)
}

/// The mechanism beside the model.
struct Both {
    lanes: Lanes<Event>,
    model: Model,
    flying: Option<(Taken<Event>, Waiting)>,
    parked: Option<Parked>,
    aside: Vec<(Parked, u64)>,
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
        let place = waiting.place;
        match (self.lanes.put_back(taken, spent), self.model.put_back(waiting, spent)) {
            (Fate::Waits(parked), Went::InFront) => self.parked = Some(parked),
            (Fate::Waits(parked), Went::Aside) => self.aside.push((parked, place)),
            (Fate::Dropped, Went::Nowhere) => {}
            (fate, went) => prop_assert!(false, "{fate:?} is not {went:?}"),
        }
        Ok(())
    }

    fn wake(&mut self, at: usize) {
        let (parked, place) = self.aside.swap_remove(at);
        self.lanes.wake(&parked);
        self.model.wake(place);
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
            Step::Wake(index) if !self.aside.is_empty() => {
                self.wake(index.index(self.aside.len()));
            }
            Step::Wake(_) => {}
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
        let mut both = Both { lanes, model, flying: None, parked: None, aside: Vec::new() };
        let finish = 2 * (steps.len() as u64 + 1);
        for (seq, step) in (1..).zip(steps) {
            both.step(seq, step)?;
        }
        while !both.aside.is_empty() {
            both.wake(0);
        }
        for _ in 0..finish {
            both.step(0, Step::Take)?;
            both.step(0, Step::Deliver)?;
        }
        let Both { lanes, .. } = both;
        prop_assert_eq!((lanes.waiting(), lanes.in_flight(), lanes.lanes()), (0, 0, 0));
        prop_assert_eq!(lanes.bytes(), 0);
    }
}
