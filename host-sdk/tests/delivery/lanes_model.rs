//! One lane, as plainly as it can be written: the sequence that it hands out is the one that the
//! mechanism must hand out too.

use host_sdk::webhook::lane::{Fate, Lanes, Limits, Parked, Taken, Update};
use proptest::{collection::vec, prelude::*};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    pub(crate) keys: Vec<Box<str>>,
}

impl Event {
    pub(crate) fn new(seq: u64, keys: &[u8]) -> Self {
        let keys = keys.iter().map(|key| key.to_string().into()).collect();
        Self { seq, keys }
    }
}

impl Update for Event {
    fn keys(&self) -> &[Box<str>] {
        &self.keys
    }

    fn bytes(&self) -> usize {
        100
    }
}

#[derive(Debug, Clone)]
struct Waiting {
    event: Event,
    folded: u32,
    barriers: u32,
}

#[derive(Debug)]
struct Model {
    depth: usize,
    fifo_depth: usize,
    queue: Vec<Waiting>,
    /// None until the lane fills; then the superseded ones, the last superseded one last.
    superseded: Option<Vec<u64>>,
    barriers: u32,
}

impl Model {
    fn foldable(&self) -> usize {
        self.queue.iter().filter(|w| !w.event.keys.is_empty()).count()
    }

    fn newest(queue: &[Waiting], key: &str) -> Option<usize> {
        queue.iter().rposition(|w| w.event.keys.iter().any(|own| **own == *key))
    }

    fn is_superseded(queue: &[Waiting], at: usize) -> bool {
        let keys = &queue[at].event.keys;
        !keys.is_empty() && keys.iter().all(|key| Self::newest(queue, key) != Some(at))
    }

    /// Those of `queue` that its last one supersedes, in the order of its keys.
    fn superseded_by_last(queue: &[Waiting]) -> Vec<u64> {
        let (last, before) = queue.split_last().unwrap();
        let mut found = Vec::new();
        for key in &last.event.keys {
            if let Some(at) = Self::newest(before, key)
                && !Self::is_superseded(before, at)
                && Self::is_superseded(queue, at)
                && !found.contains(&before[at].event.seq)
            {
                found.push(before[at].event.seq);
            }
        }
        found
    }

    fn watch(&mut self) {
        if self.superseded.is_none() {
            let mut superseded = Vec::new();
            for end in 1..=self.queue.len() {
                superseded.extend(Self::superseded_by_last(&self.queue[..end]));
            }
            self.superseded = Some(superseded);
        }
    }

    fn drop_seq(&mut self, seq: u64) -> Waiting {
        let at = self.queue.iter().position(|w| w.event.seq == seq).unwrap();
        if let Some(superseded) = &mut self.superseded {
            superseded.retain(|other| *other != seq);
        }
        self.queue.remove(at)
    }

    fn push(&mut self, event: Event) {
        if event.keys.is_empty() {
            if self.queue.len() - self.foldable() >= self.fifo_depth {
                let oldest = self.queue.iter().find(|w| w.event.keys.is_empty()).unwrap();
                self.drop_seq(oldest.event.seq);
            }
            self.barriers += 1;
            self.queue.push(Waiting { event, folded: 0, barriers: self.barriers });
            return;
        }
        let full = self.foldable() >= self.depth;
        if full {
            self.watch();
        }
        let place =
            self.queue.iter().rposition(|w| w.event.keys.iter().any(|k| event.keys.contains(k)));
        self.queue.push(Waiting { event, folded: 0, barriers: self.barriers });
        let Some(superseded) = &mut self.superseded else { return };
        superseded.extend(Self::superseded_by_last(&self.queue));
        if let Some(at) = place
            && full
            && Self::is_superseded(&self.queue, at)
            && self.queue[at].barriers == self.barriers
        {
            let mut new = self.queue.pop().unwrap();
            new.folded += self.queue[at].folded + 1;
            superseded.retain(|seq| *seq != self.queue[at].event.seq);
            self.queue[at] = new;
        }
        while self.foldable() > self.depth
            && let Some(seq) = self.superseded.as_mut().unwrap().pop()
        {
            let old = self.drop_seq(seq);
            let newest = Self::newest(&self.queue, &old.event.keys[0]).unwrap();
            self.queue[newest].folded += old.folded + 1;
        }
    }

    fn take(&mut self) -> Option<Waiting> {
        let first = self.queue.first()?.event.seq;
        let taken = self.drop_seq(first);
        if self.queue.is_empty() {
            self.superseded = None;
        }
        Some(taken)
    }

    fn put_back(&mut self, mut taken: Waiting) {
        if taken.event.keys.is_empty() {
            if self.queue.len() - self.foldable() < self.fifo_depth {
                self.queue.insert(0, taken);
            }
            return;
        }
        let full = self.foldable() >= self.depth;
        if full {
            self.watch();
        }
        let keys = &taken.event.keys;
        let covered = keys.iter().all(|key| Self::newest(&self.queue, key).is_some());
        if full && covered {
            let newest = Self::newest(&self.queue, &keys[0]).unwrap();
            self.queue[newest].folded += taken.folded + 1;
            return;
        }
        taken.barriers = match self.queue.first() {
            Some(first) if first.event.keys.is_empty() => first.barriers - 1,
            Some(first) => first.barriers,
            None => self.barriers,
        };
        if covered && let Some(superseded) = &mut self.superseded {
            superseded.insert(0, taken.event.seq);
        }
        self.queue.insert(0, taken);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(Vec<u8>),
    Take,
    Deliver,
    Fail,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..4_u8;
    let step = prop_oneof![
        6 => vec(key.clone(), 1..2).prop_map(Step::Push),
        2 => vec(key, 0..4).prop_map(Step::Push),
        3 => Just(Step::Take),
        2 => Just(Step::Deliver),
        2 => Just(Step::Fail),
    ];
    vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_lane_hands_out_what_the_plain_model_hands_out(
        steps in steps(),
        depth in 0..6_usize,
        fifo_depth in 1..4_usize,
    ) {
        let mut model = Model { depth, fifo_depth, queue: Vec::new(), superseded: None, barriers: 0 };
        let mut lanes = Lanes::new(Limits { lane_depth: depth, fifo_depth, bytes: usize::MAX / 2 });
        let mut flying: Option<(Taken<Event>, Waiting)> = None;
        let mut parked: Option<Parked> = None;
        let finish = steps.len() as u64 + 1;
        let ending = (0..2 * finish).map(|n| if n % 2 == 0 { Step::Take } else { Step::Deliver });
        for (seq, step) in (1..).zip(steps.into_iter().chain(ending)) {
            match step {
                Step::Push(keys) => {
                    let event = Event::new(seq, &keys);
                    model.push(event.clone());
                    lanes.push("lane", event);
                }
                Step::Take if flying.is_none() => {
                    if let Some(parked) = parked.take() {
                        lanes.wake(parked);
                    }
                    let taken = lanes.take();
                    let expected = model.take();
                    prop_assert_eq!(
                        taken.as_ref().map(|taken| (&taken.update, taken.folded)),
                        expected.as_ref().map(|taken| (&taken.event, taken.folded))
                    );
                    flying = taken.zip(expected);
                }
                Step::Deliver => {
                    if let Some((taken, _)) = flying.take() {
                        lanes.delivered(taken.ticket);
                        // The lane ends with its last update, and what it knew with it.
                        if model.queue.is_empty() {
                            model.barriers = 0;
                        }
                    }
                }
                Step::Fail => {
                    if let Some((taken, waiting)) = flying.take() {
                        model.put_back(waiting);
                        parked = match lanes.put_back(taken, false) {
                            Fate::Waits(parked) => Some(parked),
                            Fate::Dropped => None,
                        };
                    }
                }
                Step::Take => {}
            }
            prop_assert_eq!(lanes.waiting(), model.queue.len());
        }
        prop_assert_eq!((lanes.waiting(), lanes.in_flight(), lanes.lanes()), (0, 0, 0));
        prop_assert_eq!(lanes.bytes(), 0);
    }
}
