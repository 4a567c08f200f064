//! What waits for one receiver, in lanes: the mechanism that webhooks and WebSockets share.
//!
//! Pure bookkeeping: no I/O, no clock, no lock. Updates of one lane stay in order, with one in flight
//! at a time; lanes run side by side. What a receiver sees of a key never goes back in time.
//!
//! **Complete first, fresh when it must be.** A lane keeps [`Limits::lane_depth`] waiting updates, all
//! delivered, in order. When it is full it folds. A waiting update is *superseded* once each of its
//! keys has a newer waiting update. The new update takes the place of the newest waiting one that
//! shares a key with it, if that one is thereby superseded and no FIFO update stands behind it;
//! otherwise it goes to the end and the update that was superseded last gives way. So a lane holds no
//! more than `max(lane_depth, number of its keys)` foldable updates, and one more when an update comes
//! back from a failed attempt.
//!
//! **FIFO.** An update without keys never folds and nothing is moved in front of it. A lane keeps
//! [`Limits::fifo_depth`] of them; past that the oldest is dropped and counted.
//!
//! **Bytes.** When [`Limits::bytes`] would be passed, all lanes fold as if their depth were zero, until
//! a quarter is free again; then the oldest FIFO updates of all lanes are dropped, or a new one
//! refused. What is left are the last states of keys. They are kept even past the limit: they alone
//! are worth more than it, and they are bounded by the number of keys.
//!
//! **Failures.** An update that failed goes back to the front of its lane, which is parked until
//! [`Lanes::wake`], unless the lane is full and the update superseded. An update whose attempts are
//! spent is dropped once superseded; until then it is set aside, so that it holds up only updates
//! that share a key with it.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
};

use foldhash::fast::RandomState;
use indexmap::IndexMap;

/// Something that waits in a lane.
pub trait Update {
    /// What a later update of the lane supersedes: a set. Empty: nothing ever does (FIFO).
    fn keys(&self) -> &[Box<str>];

    /// How much memory it takes, for [`Limits::bytes`].
    fn bytes(&self) -> usize;
}

/// How much may wait for one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many updates a lane keeps before it folds; 0 folds always.
    pub lane_depth: usize,
    /// How many updates without keys a lane keeps before it drops the oldest.
    pub fifo_depth: usize,
    /// How many bytes wait, in all lanes together.
    pub bytes: usize,
}

impl Default for Limits {
    /// 64 updates a lane, 1,000 FIFO updates a lane, 64 MiB.
    fn default() -> Self {
        Self { lane_depth: 64, fifo_depth: 1_000, bytes: 64 << 20 }
    }
}

/// What became of the updates that were not delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Replaced by a newer one.
    pub folded: u64,
    /// FIFO updates that were dropped or refused because of a limit.
    pub dropped: u64,
}

/// An update that is on its way to the receiver.
#[derive(Debug)]
pub struct Taken<T> {
    /// The update.
    pub update: T,
    /// How many updates it stands for that were folded into it.
    pub folded: u32,
    /// The place to which it goes back, or which it frees.
    pub ticket: Ticket,
}

/// A claim to a lane: nobody else takes from it meanwhile. Ends with [`Lanes::delivered`],
/// [`Lanes::give_up`] or [`Lanes::put_back`].
#[derive(Debug)]
pub struct Ticket {
    lane: u32,
    generation: u64,
    seq: u64,
    bytes: usize,
}

/// A lane, or an update, that waits for [`Lanes::wake`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parked {
    at: u32,
    generation: u64,
    aside: bool,
}

/// What became of an update that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It waits for [`Lanes::wake`].
    Waits(Parked),
    /// A newer one made it needless, or a limit did; the lane goes on.
    Dropped,
}

const NONE: u32 = u32::MAX;

type Index = IndexMap<Box<str>, u32, RandomState>;

#[derive(Debug, Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
    len: usize,
}

impl Default for List {
    fn default() -> Self {
        Self { head: NONE, tail: NONE, len: 0 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing can be taken: it is empty, or all it has is set aside.
    Resting,
    Ready,
    InFlight,
    Parked,
}

struct Lane {
    name: Arc<str>,
    generation: u64,
    phase: Phase,
    queue: List,
    /// How many of the queue have keys.
    foldable: usize,
    /// The ones without.
    fifo: List,
    /// Superseded updates, the last superseded one last. Known only while there is an index.
    superseded: List,
    aside: usize,
    /// The newest waiting update of each key; made when the lane fills for the first time.
    index: Option<Index>,
    /// How many FIFO updates have come.
    barriers: u32,
    next_rank: i64,
}

/// Which list besides the queue an update is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Neither,
    Fifo,
    Superseded,
}

struct Slot<T> {
    update: Option<T>,
    seq: u64,
    rank: i64,
    prev: u32,
    next: u32,
    side_prev: u32,
    side_next: u32,
    lane: u32,
    /// For how many of its keys it is the newest waiting update.
    live: u32,
    barriers: u32,
    folded: u32,
    side: Side,
    spent: bool,
    aside: bool,
}

/// What waits for one receiver.
pub struct Lanes<T> {
    limits: Limits,
    by_name: IndexMap<Arc<str>, u32, RandomState>,
    lanes: Vec<Lane>,
    free_lanes: Vec<u32>,
    slots: Vec<Slot<T>>,
    free_slots: Vec<u32>,
    ready: VecDeque<u32>,
    /// FIFO updates of all lanes, by age.
    fifo_by_age: BTreeMap<u64, u32>,
    next_seq: u64,
    next_generation: u64,
    waiting: usize,
    in_flight: usize,
    bytes: usize,
    pressed: bool,
    counts: Counts,
    /// Spares an allocation an update.
    touched: Vec<u32>,
}

impl<T: Update> Lanes<T> {
    /// No lanes yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            by_name: IndexMap::default(),
            lanes: Vec::new(),
            free_lanes: Vec::new(),
            slots: Vec::new(),
            free_slots: Vec::new(),
            ready: VecDeque::new(),
            fifo_by_age: BTreeMap::new(),
            next_seq: 0,
            next_generation: 0,
            waiting: 0,
            in_flight: 0,
            bytes: 0,
            pressed: false,
            counts: Counts::default(),
            touched: Vec::new(),
        }
    }

    /// Adds an update at the end of `lane`, or folds it in. `false` when a limit refused it.
    pub fn push(&mut self, lane: &str, update: T) -> bool {
        if update.keys().is_empty() {
            self.push_fifo(lane, update)
        } else {
            self.push_foldable(lane, update);
            true
        }
    }

    /// Takes the oldest update of the lane that has been ready for longest.
    pub fn take(&mut self) -> Option<Taken<T>> {
        while let Some(lane) = self.ready.pop_front() {
            if let Some(taken) = self.take_from(lane) {
                return Some(taken);
            }
        }
        None
    }

    /// Takes the oldest update of the lane that became ready last: the newest news that may go
    /// without being ahead of its lane.
    pub fn take_newest(&mut self) -> Option<Taken<T>> {
        while let Some(lane) = self.ready.pop_back() {
            if let Some(taken) = self.take_from(lane) {
                return Some(taken);
            }
        }
        None
    }

    /// The receiver has the update; its lane goes on.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is used up")]
    pub fn delivered(&mut self, ticket: Ticket) {
        self.end_flight(&ticket);
        self.bytes -= ticket.bytes;
        self.relax();
        self.go_on(ticket.lane);
    }

    /// The update is dropped; its lane goes on.
    pub fn give_up(&mut self, ticket: Ticket) {
        self.delivered(ticket);
    }

    /// The update failed. `spent`: it has no attempts left and stays only as the last state of a
    /// key; an update without keys is dropped then.
    pub fn put_back(&mut self, taken: Taken<T>, spent: bool) -> Fate {
        let Taken { update, folded, ticket } = taken;
        self.end_flight(&ticket);
        let lane = ticket.lane;
        if update.keys().is_empty() {
            let over = self.bytes > self.limits.bytes;
            if spent || over || self.lanes[lane as usize].fifo.len >= self.limits.fifo_depth {
                self.counts.dropped += u64::from(!spent);
                self.bytes -= ticket.bytes;
                self.go_on(lane);
                return Fate::Dropped;
            }
            let slot = self.new_slot(lane, update, folded, ticket.seq);
            self.link_front(lane, slot);
            self.side_push(lane, slot, Side::Fifo, End::Front);
            self.fifo_by_age.insert(ticket.seq, slot);
            return self.park(lane);
        }
        if spent || self.lanes[lane as usize].foldable >= self.depth() {
            self.ensure_index(lane);
        }
        let must_live = spent || self.lanes[lane as usize].foldable >= self.depth();
        let uncovered = self.uncovered_keys(lane, &update);
        if must_live && uncovered == 0 {
            self.fold_into_newest(lane, &update, folded);
            self.bytes -= ticket.bytes;
            self.go_on(lane);
            return Fate::Dropped;
        }
        let slot = self.new_slot(lane, update, folded, ticket.seq);
        self.index_as_oldest(lane, slot);
        self.slots[slot as usize].spent = spent;
        if spent && self.may_stand_aside(lane, slot) {
            self.slots[slot as usize].aside = true;
            self.lanes[lane as usize].aside += 1;
            self.waiting += 1;
            self.go_on(lane);
            return Fate::Waits(Parked { at: slot, generation: ticket.seq, aside: true });
        }
        self.link_front(lane, slot);
        if !spent && uncovered == 0 && self.lanes[lane as usize].index.is_some() {
            self.side_push(lane, slot, Side::Superseded, End::Front);
        }
        self.park(lane)
    }

    /// Ends a wait. `false` when there is nothing to wake any more.
    pub fn wake(&mut self, parked: Parked) -> bool {
        if parked.aside {
            let Some(slot) = self.slots.get(parked.at as usize) else { return false };
            if !slot.aside || slot.seq != parked.generation {
                return false;
            }
            let lane = slot.lane;
            self.end_aside(lane, parked.at);
            self.link_front(lane, parked.at);
            if self.lanes[lane as usize].phase == Phase::Resting {
                self.make_ready(lane);
            }
            return true;
        }
        let Some(lane) = self.lanes.get(parked.at as usize) else { return false };
        if lane.phase != Phase::Parked || lane.generation != parked.generation {
            return false;
        }
        self.go_on(parked.at);
        true
    }

    /// Drops all that waits. What is in flight ends as it would have.
    pub fn clear(&mut self) {
        for lane in 0..self.lanes.len() {
            let lane = u32::try_from(lane).unwrap_or(NONE);
            while self.lanes[lane as usize].queue.head != NONE {
                let slot = self.lanes[lane as usize].queue.head;
                self.remove(lane, slot);
            }
        }
        for slot in 0..self.slots.len() {
            if self.slots[slot].aside {
                let lane = self.slots[slot].lane;
                self.remove(lane, u32::try_from(slot).unwrap_or(NONE));
            }
        }
        for lane in 0..self.lanes.len() {
            let lane = u32::try_from(lane).unwrap_or(NONE);
            if matches!(self.lanes[lane as usize].phase, Phase::Parked | Phase::Resting) {
                self.go_on(lane);
            }
        }
    }

    /// How many lanes have an update that could be taken now.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many updates wait, those in flight not counted.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many updates are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many lanes have an update that waits or is in flight.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.by_name.len()
    }

    /// How many bytes wait or are in flight.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What became of the updates that were not delivered.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn depth(&self) -> usize {
        if self.pressed { 0 } else { self.limits.lane_depth }
    }

    fn push_fifo(&mut self, name: &str, update: T) -> bool {
        let bytes = update.bytes();
        if self.bytes + bytes > self.limits.bytes {
            self.press();
            while self.bytes + bytes > self.limits.bytes && self.drop_oldest_fifo() {}
        }
        if self.bytes + bytes > self.limits.bytes || self.limits.fifo_depth == 0 {
            self.counts.dropped += 1;
            return false;
        }
        let lane = self.lane(name);
        if self.lanes[lane as usize].fifo.len >= self.limits.fifo_depth {
            let oldest = self.lanes[lane as usize].fifo.head;
            self.counts.dropped += 1;
            self.remove(lane, oldest);
        }
        self.bytes += bytes;
        let seq = self.next_seq();
        let slot = self.new_slot(lane, update, 0, seq);
        self.lanes[lane as usize].barriers += 1;
        self.link_back(lane, slot);
        self.side_push(lane, slot, Side::Fifo, End::Back);
        self.fifo_by_age.insert(seq, slot);
        self.rouse(lane);
        true
    }

    fn push_foldable(&mut self, name: &str, update: T) {
        let bytes = update.bytes();
        if self.bytes + bytes > self.limits.bytes {
            self.press();
        }
        let lane = self.lane(name);
        self.bytes += bytes;
        let full = self.lanes[lane as usize].foldable >= self.depth();
        if full {
            self.ensure_index(lane);
        }
        let seq = self.next_seq();
        let slot = self.new_slot(lane, update, 0, seq);
        if self.lanes[lane as usize].index.is_some() {
            self.link_indexed(lane, slot, full);
        } else {
            self.link_back(lane, slot);
        }
        while self.bytes > self.limits.bytes && self.drop_oldest_fifo() {}
        self.rouse(lane);
    }

    /// Makes `slot` the newest of its keys and gives it its place.
    fn link_indexed(&mut self, lane: u32, slot: u32, full: bool) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.clear();
        let update = self.slots[slot as usize].update.take();
        let Some(index) = self.lanes[lane as usize].index.as_mut() else { return };
        let mut live = 0;
        for key in update.iter().flat_map(Update::keys) {
            let before = match index.get_mut(&**key) {
                Some(newest) => std::mem::replace(newest, slot),
                None => {
                    index.insert(key.clone(), slot);
                    NONE
                }
            };
            // A key that is named twice counts once.
            if before == slot {
                continue;
            }
            live += 1;
            if before != NONE {
                self.slots[before as usize].live -= 1;
                if !touched.contains(&before) {
                    touched.push(before);
                }
            }
        }
        self.slots[slot as usize].update = update;
        self.slots[slot as usize].live = live;

        let mut must_follow = false;
        let mut place = NONE;
        for &old in &touched {
            let Slot { live, spent, aside, rank, .. } = self.slots[old as usize];
            if live == 0 && spent {
                self.fold(lane, old, slot);
                continue;
            }
            if aside {
                // A part of it is still news, and must come before the newer part.
                self.end_aside(lane, old);
                self.link_back(lane, old);
                must_follow = true;
                continue;
            }
            if live == 0 {
                self.side_push(lane, old, Side::Superseded, End::Back);
            }
            if place == NONE || self.slots[place as usize].rank < rank {
                place = old;
            }
        }
        self.touched = touched;
        let barriers = self.lanes[lane as usize].barriers;
        let takes_place = full
            && !must_follow
            && place != NONE
            && self.slots[place as usize].live == 0
            && self.slots[place as usize].barriers == barriers;
        if takes_place {
            self.link_in_front_of(lane, slot, place);
            self.slots[slot as usize].rank = self.slots[place as usize].rank;
            self.fold(lane, place, slot);
        } else {
            self.link_back(lane, slot);
        }
        while self.lanes[lane as usize].foldable > self.depth() && self.fold_last_superseded(lane) {
        }
    }

    fn fold_last_superseded(&mut self, lane: u32) -> bool {
        let slot = self.lanes[lane as usize].superseded.tail;
        if slot == NONE {
            return false;
        }
        let newest = self.newest_of(lane, slot);
        self.fold(lane, slot, newest);
        true
    }

    /// Removes `old`, for which `new` stands from now on.
    fn fold(&mut self, lane: u32, old: u32, new: u32) {
        let folded = self.slots[old as usize].folded;
        self.remove(lane, old);
        self.counts.folded += 1;
        if new != NONE {
            let slot = &mut self.slots[new as usize];
            slot.folded = slot.folded.saturating_add(folded).saturating_add(1);
        }
    }

    fn fold_into_newest(&mut self, lane: u32, update: &T, folded: u32) {
        self.counts.folded += 1;
        let index = self.lanes[lane as usize].index.as_ref();
        let newest = update.keys().first().and_then(|key| index?.get(&**key));
        if let Some(&newest) = newest {
            let slot = &mut self.slots[newest as usize];
            slot.folded = slot.folded.saturating_add(folded).saturating_add(1);
        }
    }

    fn newest_of(&self, lane: u32, slot: u32) -> u32 {
        let index = self.lanes[lane as usize].index.as_ref();
        let key =
            self.slots[slot as usize].update.as_ref().and_then(|update| update.keys().first());
        key.and_then(|key| index?.get(&**key)).copied().unwrap_or(NONE)
    }

    /// From here on all lanes fold as if their depth were zero.
    fn press(&mut self) {
        if self.pressed {
            return;
        }
        self.pressed = true;
        for lane in 0..self.lanes.len() {
            let lane = u32::try_from(lane).unwrap_or(NONE);
            if self.lanes[lane as usize].queue.head != NONE {
                self.ensure_index(lane);
                while self.fold_last_superseded(lane) {}
            }
        }
    }

    fn relax(&mut self) {
        if self.pressed && self.bytes <= self.limits.bytes / 4 * 3 {
            self.pressed = false;
        }
    }

    fn drop_oldest_fifo(&mut self) -> bool {
        let Some((_, &slot)) = self.fifo_by_age.first_key_value() else { return false };
        self.counts.dropped += 1;
        let lane = self.slots[slot as usize].lane;
        self.remove(lane, slot);
        true
    }

    fn ensure_index(&mut self, lane: u32) {
        if self.lanes[lane as usize].index.is_some() {
            return;
        }
        self.lanes[lane as usize].index = Some(Index::default());
        let mut slot = self.lanes[lane as usize].queue.head;
        while slot != NONE {
            self.index_as_newest(lane, slot);
            slot = self.slots[slot as usize].next;
        }
    }

    fn index_as_newest(&mut self, lane: u32, slot: u32) {
        let update = self.slots[slot as usize].update.take();
        for key in update.iter().flat_map(Update::keys) {
            let Some(index) = self.lanes[lane as usize].index.as_mut() else { break };
            let before = index.insert(key.clone(), slot);
            if before == Some(slot) {
                continue;
            }
            self.slots[slot as usize].live += 1;
            if let Some(before) = before {
                self.slots[before as usize].live -= 1;
                if self.slots[before as usize].live == 0 {
                    self.side_push(lane, before, Side::Superseded, End::Back);
                }
            }
        }
        self.slots[slot as usize].update = update;
    }

    fn index_as_oldest(&mut self, lane: u32, slot: u32) {
        let update = self.slots[slot as usize].update.take();
        if let Some(index) = self.lanes[lane as usize].index.as_mut() {
            for key in update.iter().flat_map(Update::keys) {
                if !index.contains_key(&**key) {
                    index.insert(key.clone(), slot);
                    self.slots[slot as usize].live += 1;
                }
            }
        }
        self.slots[slot as usize].update = update;
    }

    fn uncovered_keys(&self, lane: u32, update: &T) -> usize {
        let Some(index) = self.lanes[lane as usize].index.as_ref() else {
            return update.keys().len();
        };
        update.keys().iter().filter(|key| !index.contains_key(&***key)).count()
    }

    /// Whether no waiting update shares a key with `slot`.
    fn may_stand_aside(&self, lane: u32, slot: u32) -> bool {
        let index = self.lanes[lane as usize].index.as_ref();
        let update = self.slots[slot as usize].update.as_ref();
        let mut keys = update.into_iter().flat_map(Update::keys);
        keys.all(|key| index.and_then(|index| index.get(&**key)) == Some(&slot))
    }

    fn take_from(&mut self, lane: u32) -> Option<Taken<T>> {
        let slot = self.lanes[lane as usize].queue.head;
        if slot == NONE {
            self.go_on(lane);
            return None;
        }
        let folded = self.slots[slot as usize].folded;
        let seq = self.slots[slot as usize].seq;
        let update = self.unlink(lane, slot)?;
        let bytes = update.bytes();
        self.in_flight += 1;
        let state = &mut self.lanes[lane as usize];
        if state.queue.len == 0 && state.aside == 0 {
            state.index = None;
        }
        state.phase = Phase::InFlight;
        let ticket = Ticket { lane, generation: state.generation, seq, bytes };
        Some(Taken { update, folded, ticket })
    }

    fn end_flight(&mut self, ticket: &Ticket) {
        debug_assert_eq!(self.lanes[ticket.lane as usize].generation, ticket.generation);
        self.in_flight -= 1;
    }

    /// The lane is ready, rests or ends.
    fn go_on(&mut self, lane: u32) {
        let state = &self.lanes[lane as usize];
        if state.queue.head != NONE {
            self.make_ready(lane);
        } else if state.aside > 0 {
            self.lanes[lane as usize].phase = Phase::Resting;
        } else if state.generation != 0 {
            self.end_lane(lane);
        }
    }

    fn rouse(&mut self, lane: u32) {
        if self.lanes[lane as usize].phase == Phase::Resting {
            self.make_ready(lane);
        }
    }

    fn make_ready(&mut self, lane: u32) {
        self.lanes[lane as usize].phase = Phase::Ready;
        self.ready.push_back(lane);
    }

    fn park(&mut self, lane: u32) -> Fate {
        self.next_generation += 1;
        let state = &mut self.lanes[lane as usize];
        state.phase = Phase::Parked;
        state.generation = self.next_generation;
        Fate::Waits(Parked { at: lane, generation: state.generation, aside: false })
    }

    fn end_aside(&mut self, lane: u32, slot: u32) {
        self.slots[slot as usize].aside = false;
        self.lanes[lane as usize].aside -= 1;
        self.waiting -= 1;
    }

    fn lane(&mut self, name: &str) -> u32 {
        if let Some(&lane) = self.by_name.get(name) {
            return lane;
        }
        self.next_generation += 1;
        let name: Arc<str> = name.into();
        let lane = Lane {
            name: name.clone(),
            generation: self.next_generation,
            phase: Phase::Resting,
            queue: List::default(),
            foldable: 0,
            fifo: List::default(),
            superseded: List::default(),
            aside: 0,
            index: None,
            barriers: 0,
            next_rank: 0,
        };
        let id = match self.free_lanes.pop() {
            Some(id) => {
                self.lanes[id as usize] = lane;
                id
            }
            None => {
                self.lanes.push(lane);
                u32::try_from(self.lanes.len() - 1).unwrap_or(NONE)
            }
        };
        self.by_name.insert(name, id);
        id
    }

    fn end_lane(&mut self, lane: u32) {
        let state = &mut self.lanes[lane as usize];
        let name = std::mem::replace(&mut state.name, "".into());
        state.generation = 0;
        state.phase = Phase::Resting;
        state.index = None;
        self.by_name.swap_remove(&*name);
        self.free_lanes.push(lane);
    }

    fn next_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    fn new_slot(&mut self, lane: u32, update: T, folded: u32, seq: u64) -> u32 {
        let slot = Slot {
            update: Some(update),
            seq,
            rank: 0,
            prev: NONE,
            next: NONE,
            side_prev: NONE,
            side_next: NONE,
            lane,
            live: 0,
            barriers: self.lanes[lane as usize].barriers,
            folded,
            side: Side::Neither,
            spent: false,
            aside: false,
        };
        match self.free_slots.pop() {
            Some(id) => {
                self.slots[id as usize] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
            }
        }
    }

    fn count_linked(&mut self, lane: u32, slot: u32) {
        self.waiting += 1;
        let fifo = self.slots[slot as usize].update.as_ref().is_some_and(|u| u.keys().is_empty());
        let lane = &mut self.lanes[lane as usize];
        lane.queue.len += 1;
        lane.foldable += usize::from(!fifo);
    }

    fn link_back(&mut self, lane: u32, slot: u32) {
        self.count_linked(lane, slot);
        let state = &mut self.lanes[lane as usize];
        let tail = std::mem::replace(&mut state.queue.tail, slot);
        let rank = state.next_rank;
        state.next_rank += 1;
        if tail == NONE {
            state.queue.head = slot;
        } else {
            self.slots[tail as usize].next = slot;
        }
        let item = &mut self.slots[slot as usize];
        item.prev = tail;
        item.next = NONE;
        item.rank = rank;
        item.barriers = self.lanes[lane as usize].barriers;
    }

    fn link_front(&mut self, lane: u32, slot: u32) {
        let head = self.lanes[lane as usize].queue.head;
        if head == NONE {
            self.link_back(lane, slot);
        } else {
            let rank = self.slots[head as usize].rank - 1;
            self.link_in_front_of(lane, slot, head);
            self.slots[slot as usize].rank = rank;
            // What is in front of a barrier is never a place for what comes behind it.
            let Slot { barriers, side, .. } = self.slots[head as usize];
            self.slots[slot as usize].barriers = barriers - u32::from(side == Side::Fifo);
        }
    }

    fn link_in_front_of(&mut self, lane: u32, slot: u32, next: u32) {
        self.count_linked(lane, slot);
        let prev = std::mem::replace(&mut self.slots[next as usize].prev, slot);
        self.slots[slot as usize].prev = prev;
        self.slots[slot as usize].next = next;
        if prev == NONE {
            self.lanes[lane as usize].queue.head = slot;
        } else {
            self.slots[prev as usize].next = slot;
        }
    }

    /// Takes `slot` out of all lists and the index, and frees it. Its bytes still count.
    fn unlink(&mut self, lane: u32, slot: u32) -> Option<T> {
        self.side_remove(lane, slot);
        let Slot { prev, next, live, aside, seq, .. } = self.slots[slot as usize];
        let update = self.slots[slot as usize].update.take()?;
        let state = &mut self.lanes[lane as usize];
        self.waiting -= 1;
        if aside {
            state.aside -= 1;
            self.slots[slot as usize].aside = false;
        } else {
            state.queue.len -= 1;
            state.foldable -= usize::from(!update.keys().is_empty());
            match prev {
                NONE => state.queue.head = next,
                prev => self.slots[prev as usize].next = next,
            }
            match next {
                NONE => state.queue.tail = prev,
                next => self.slots[next as usize].prev = prev,
            }
        }
        if update.keys().is_empty() {
            self.fifo_by_age.remove(&seq);
        }
        if live > 0
            && let Some(index) = state.index.as_mut()
        {
            for key in update.keys() {
                if index.get(&**key) == Some(&slot) {
                    index.swap_remove(&**key);
                }
            }
        }
        self.free_slots.push(slot);
        Some(update)
    }

    fn remove(&mut self, lane: u32, slot: u32) {
        if let Some(update) = self.unlink(lane, slot) {
            self.bytes -= update.bytes();
        }
    }

    fn side_push(&mut self, lane: u32, slot: u32, side: Side, end: End) {
        let state = &mut self.lanes[lane as usize];
        let list = if side == Side::Fifo { &mut state.fifo } else { &mut state.superseded };
        list.len += 1;
        let (prev, next) = match end {
            End::Front => (NONE, std::mem::replace(&mut list.head, slot)),
            End::Back => (std::mem::replace(&mut list.tail, slot), NONE),
        };
        if prev == NONE {
            list.head = slot;
        } else {
            self.slots[prev as usize].side_next = slot;
        }
        if next == NONE {
            list.tail = slot;
        } else {
            self.slots[next as usize].side_prev = slot;
        }
        let item = &mut self.slots[slot as usize];
        item.side = side;
        item.side_prev = prev;
        item.side_next = next;
    }

    fn side_remove(&mut self, lane: u32, slot: u32) {
        let Slot { side, side_prev, side_next, .. } = self.slots[slot as usize];
        let state = &mut self.lanes[lane as usize];
        let list = match side {
            Side::Neither => return,
            Side::Fifo => &mut state.fifo,
            Side::Superseded => &mut state.superseded,
        };
        list.len -= 1;
        if side_prev == NONE {
            list.head = side_next;
        } else {
            self.slots[side_prev as usize].side_next = side_next;
        }
        if side_next == NONE {
            list.tail = side_prev;
        } else {
            self.slots[side_next as usize].side_prev = side_prev;
        }
        self.slots[slot as usize].side = Side::Neither;
    }
}

impl<T> fmt::Debug for Lanes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes")
            .field("lanes", &self.by_name.len())
            .field("waiting", &self.waiting)
            .field("in_flight", &self.in_flight)
            .field("bytes", &self.bytes)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Front,
    Back,
}
