//! What waits for one receiver, in lanes: the mechanism that webhooks and WebSockets share.
//!
//! One file of over 400 lines: the two kinds of lanes share one order of readiness and one count of bytes, which no
//! other file may touch.
//!
//! Pure bookkeeping: no I/O, no clock, no lock. One update of a lane is in flight at a time; lanes are delivered in
//! parallel.
//!
//! **Order.** The updates of a lane go out in the order in which they came: the ids and times of a lane never go
//! back, whatever their keys, so that a receiver may keep the newest event per lane and be right. An update that
//! was overtaken and goes out all the same is given a new id and time first ([`Update::restate`]).
//!
//! **Complete first, fresh when it must be.** A lane keeps [`Limits::lane_depth`] waiting updates, all
//! delivered. When it is full it folds. A waiting update is *superseded* once each of its keys has a newer waiting
//! update. A new update always goes to the end; the newest superseded update gives way.
//!
//! **Rounds.** A key that changes all the time would put itself off for ever that way. So a lane goes out in rounds:
//! a round is what waited when its first update was taken. What comes later belongs to the next round and supersedes
//! nothing of the current one, except the very last update of the current round, whose place the new one then
//! takes. So each key goes out at least once every two rounds, and a lane holds no more than
//! `max(lane_depth, twice the number of its keys)` updates, and one more when an update comes back from a failed
//! attempt.
//!
//! **FIFO.** Updates without keys never fold. A lane keeps [`Limits::fifo_depth`] of them; past that the
//! oldest is dropped and counted. They stay in order among themselves, and go before those with keys: a lane has
//! updates of one kind only, if its ids are to rise.
//!
//! **Bytes.** When [`Limits::bytes`] would be passed, all lanes fold as if their depth were zero, until
//! a quarter is free again; then the oldest FIFO updates of all lanes are dropped, or a new one
//! refused. What is left are the last states of keys, of two rounds. They are kept even past the limit: they alone
//! are worth more than it, and they are bounded by the number of keys.
//!
//! **Failures.** An update that failed goes back to the front of its lane, which is parked until
//! [`Lanes::wake`], unless the lane is full and the update superseded. An update whose attempts are
//! spent is dropped once superseded; if it is a last state it is given up and kept, out of the way of its lane, until
//! [`Lanes::recall`] sends it once more. It then stays behind what has gone out meanwhile, restated. An update of
//! several keys of which some have newer updates waiting is not given up: it must go before those.

mod folding;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    sync::Arc,
};

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use self::folding::{Folding, Freed, PutBack};

/// Something that waits in a lane.
pub trait Update {
    /// What a later update of the lane supersedes, each key once. Empty: nothing ever does (FIFO).
    fn keys(&self) -> &[Box<str>];

    /// How much memory it takes, for [`Limits::bytes`].
    fn bytes(&self) -> usize;

    /// Gives it the id and the time of a new event: it goes out again, after newer ones of its lane.
    fn restate(&mut self);
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
    lane: Arc<str>,
    place: Place,
    bytes: usize,
}

/// A lane that waits for [`Lanes::wake`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parked {
    lane: Arc<str>,
    /// The number under which it is parked.
    number: u64,
}

/// What became of an update that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It waits for [`Lanes::wake`].
    Waits(Parked),
    /// It has no attempts left, but is the last state of its keys: it is kept for [`Lanes::recall`].
    GivenUp,
    /// A newer one made it needless, or a limit did; the lane goes on.
    Dropped,
}

/// Where an update is among all that have come: a higher place is a newer one.
type Place = u64;

/// What waits in one lane.
#[derive(Debug)]
struct Lane<T> {
    fifo: VecDeque<(Place, T)>,
    folding: Folding<T>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing can be taken: all it has was given up.
    Resting,
    /// It is in the line of those that can be taken from.
    Ready,
    InFlight,
    Parked(u64),
}

/// What waits for one receiver.
pub struct Lanes<T> {
    limits: Limits,
    lanes: IndexMap<Arc<str>, Lane<T>, RandomState>,
    ready: VecDeque<Arc<str>>,
    /// FIFO updates of all lanes, by age.
    fifo_by_age: BTreeSet<(Place, Arc<str>)>,
    last_number: u64,
    waiting: usize,
    given_up: usize,
    in_flight: usize,
    bytes: usize,
    /// All lanes fold as if their depth were zero.
    pressed: bool,
    counts: Counts,
}

impl<T: Update> Lanes<T> {
    /// No lanes yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            lanes: IndexMap::default(),
            ready: VecDeque::new(),
            fifo_by_age: BTreeSet::new(),
            last_number: 0,
            waiting: 0,
            given_up: 0,
            in_flight: 0,
            bytes: 0,
            pressed: false,
            counts: Counts::default(),
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
    pub fn delivered(&mut self, ticket: Ticket) {
        self.in_flight -= 1;
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
        if update.keys().is_empty() {
            return self.put_back_fifo(update, ticket, spent);
        }
        let depth = self.depth();
        let Some(lane) = self.lanes.get_mut(&ticket.lane) else { return Fate::Dropped };
        match lane.folding.put_back(ticket.place, update, folded, spent, depth) {
            PutBack::InFront => self.park(ticket.lane),
            PutBack::Aside => {
                self.in_flight -= 1;
                self.waiting += 1;
                self.given_up += 1;
                self.go_on(ticket.lane);
                Fate::GivenUp
            }
            PutBack::Folded => {
                self.counts.folded += 1;
                self.give_up(ticket);
                Fate::Dropped
            }
        }
    }

    /// Ends a wait. `false` when there is nothing to wake any more.
    pub fn wake(&mut self, parked: &Parked) -> bool {
        let lane = self.lanes.get(&parked.lane);
        let woken = lane.is_some_and(|lane| lane.phase == Phase::Parked(parked.number));
        if woken {
            self.go_on(parked.lane.clone());
        }
        woken
    }

    /// Sends once more what was given up and for which `filter` holds: each goes, restated, to the end of its lane.
    pub fn recall(&mut self, mut filter: impl FnMut(&T) -> bool) {
        if self.given_up == 0 {
            return;
        }
        for at in 0..self.lanes.len() {
            for (mut update, folded) in self.lanes[at].folding.recall(&mut filter) {
                self.given_up -= 1;
                update.restate();
                self.push_at(at, update, folded);
            }
        }
    }

    /// How many updates were given up and are kept; they count as waiting too.
    #[must_use]
    pub fn given_up(&self) -> usize {
        self.given_up
    }

    /// Folds all lanes, from here on as if their depth were zero: what is left is the last state of
    /// every key, and what never folds.
    pub fn fold(&mut self) {
        self.limits.lane_depth = 0;
        self.fold_all();
    }

    /// Drops all that waits. What is in flight ends as it would have.
    pub fn clear(&mut self) {
        for lane in self.lanes.values_mut() {
            self.bytes -= lane.fifo.drain(..).map(|(_, update)| update.bytes()).sum::<usize>();
            self.bytes -= lane.folding.clear().bytes;
        }
        (self.waiting, self.given_up) = (0, 0);
        self.fifo_by_age.clear();
        self.ready.clear();
        self.lanes.retain(|_, lane| lane.phase == Phase::InFlight);
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
        self.lanes.len()
    }

    /// How many updates wait in the lane that has most.
    #[must_use]
    pub fn longest(&self) -> usize {
        let waiting = self.lanes.values().map(|lane| lane.fifo.len() + lane.folding.len());
        waiting.max().unwrap_or(0)
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

    fn push_foldable(&mut self, name: &str, mut update: T) {
        let bytes = update.bytes();
        if self.bytes + bytes > self.limits.bytes {
            self.press();
        }
        let at = self.open(name);
        if self.lanes[at].folding.given_up() > 0 {
            self.recall_what_is_newer_in_part(at, &mut update);
        }
        self.waiting += 1;
        self.bytes += bytes;
        self.push_at(at, update, 0);
        while self.bytes > self.limits.bytes && self.drop_oldest_fifo() {}
    }

    /// What was given up and shares some of its keys with a new update must go before it.
    fn recall_what_is_newer_in_part(&mut self, at: usize, new: &mut T) {
        let keys = new.keys();
        let in_part = |old: &T| {
            let own = old.keys();
            own.iter().any(|key| keys.contains(key)) && !own.iter().all(|key| keys.contains(key))
        };
        let recalled = self.lanes[at].folding.recall(in_part);
        let is_overtaken = !recalled.is_empty();
        for (mut old, folded) in recalled {
            self.given_up -= 1;
            old.restate();
            self.push_at(at, old, folded);
        }
        if is_overtaken {
            new.restate();
        }
    }

    /// Adds an update that is counted as waiting already.
    fn push_at(&mut self, at: usize, update: T, folded: u32) {
        let (place, depth) = (self.next_number(), self.depth());
        let folding = &mut self.lanes[at].folding;
        let given_up = folding.given_up();
        let freed = folding.push(place, update, folded, depth);
        self.given_up -= given_up - folding.given_up();
        self.folded(&freed);
        self.rouse(at);
    }

    fn push_fifo(&mut self, name: &str, update: T) -> bool {
        let bytes = update.bytes();
        if !self.make_room(bytes) || self.limits.fifo_depth == 0 {
            self.counts.dropped += 1;
            return false;
        }
        let (place, at) = (self.next_number(), self.open(name));
        if self.lanes[at].fifo.len() >= self.limits.fifo_depth {
            self.drop_front(at);
        }
        self.waiting += 1;
        self.bytes += bytes;
        self.lanes[at].fifo.push_back((place, update));
        self.fifo_by_age.insert((place, self.name(at)));
        self.rouse(at);
        true
    }

    fn put_back_fifo(&mut self, update: T, ticket: Ticket, spent: bool) -> Fate {
        let over = self.bytes > self.limits.bytes;
        let lane = self.lanes.get_mut(&ticket.lane);
        let room = lane.filter(|lane| !over && !spent && lane.fifo.len() < self.limits.fifo_depth);
        let Some(lane) = room else {
            self.counts.dropped += u64::from(!spent);
            self.give_up(ticket);
            return Fate::Dropped;
        };
        lane.fifo.push_front((ticket.place, update));
        self.fifo_by_age.insert((ticket.place, ticket.lane.clone()));
        self.park(ticket.lane)
    }

    /// Makes room for a FIFO update of so many bytes, if that can be.
    fn make_room(&mut self, bytes: usize) -> bool {
        if self.bytes + bytes > self.limits.bytes && bytes <= self.limits.bytes {
            self.press();
            while self.bytes + bytes > self.limits.bytes && self.drop_oldest_fifo() {}
        }
        self.bytes + bytes <= self.limits.bytes
    }

    /// From here on all lanes fold as if their depth were zero.
    fn press(&mut self) {
        if self.pressed {
            return;
        }
        self.pressed = true;
        self.fold_all();
    }

    fn fold_all(&mut self) {
        let mut freed = Freed::default();
        self.lanes.values_mut().for_each(|lane| lane.folding.fold_to(0, &mut freed));
        self.folded(&freed);
    }

    fn relax(&mut self) {
        if self.pressed && self.bytes <= self.limits.bytes / 4 * 3 {
            self.pressed = false;
        }
    }

    fn folded(&mut self, freed: &Freed) {
        self.counts.folded += freed.updates as u64;
        self.waiting -= freed.updates;
        self.bytes -= freed.bytes;
    }

    fn drop_oldest_fifo(&mut self) -> bool {
        let oldest = self.fifo_by_age.first().and_then(|(_, lane)| self.lanes.get_index_of(lane));
        oldest.is_some_and(|at| self.drop_front(at))
    }

    /// Drops the oldest FIFO update of a lane, if it has one.
    fn drop_front(&mut self, at: usize) -> bool {
        let Some((place, update)) = self.lanes[at].fifo.pop_front() else { return false };
        self.fifo_by_age.remove(&(place, self.name(at)));
        self.counts.dropped += 1;
        self.waiting -= 1;
        self.bytes -= update.bytes();
        true
    }

    fn take_from(&mut self, name: Arc<str>) -> Option<Taken<T>> {
        let lane = self.lanes.get_mut(&name)?;
        let fifo = lane.fifo.pop_front().map(|(place, update)| (place, update, 0));
        if let Some((place, ..)) = fifo {
            self.fifo_by_age.remove(&(place, name.clone()));
        }
        let Some((place, update, folded)) = fifo.or_else(|| lane.folding.take()) else {
            self.go_on(name);
            return None;
        };
        lane.phase = Phase::InFlight;
        self.waiting -= 1;
        self.in_flight += 1;
        let bytes = update.bytes();
        Some(Taken { update, folded, ticket: Ticket { lane: name, place, bytes } })
    }

    /// The lane is ready, rests or ends.
    fn go_on(&mut self, name: Arc<str>) {
        let Some((at, _, lane)) = self.lanes.get_full_mut(&name) else { return };
        if !lane.fifo.is_empty() || lane.folding.is_ready() {
            lane.phase = Phase::Ready;
            self.ready.push_back(name);
        } else if lane.folding.is_empty() {
            self.lanes.swap_remove_index(at);
        } else {
            lane.phase = Phase::Resting;
        }
    }

    /// The lane has something to take; if it rested, it is ready.
    fn rouse(&mut self, at: usize) {
        if self.lanes[at].phase == Phase::Resting {
            self.lanes[at].phase = Phase::Ready;
            self.ready.push_back(self.name(at));
        }
    }

    /// What was in flight waits again, and its lane for [`Self::wake`].
    fn park(&mut self, name: Arc<str>) -> Fate {
        self.in_flight -= 1;
        self.waiting += 1;
        let number = self.next_number();
        if let Some(lane) = self.lanes.get_mut(&name) {
            lane.phase = Phase::Parked(number);
        }
        Fate::Waits(Parked { lane: name, number })
    }

    /// Where the lane is, which is made if there is none.
    fn open(&mut self, name: &str) -> usize {
        self.lanes.get_index_of(name).unwrap_or_else(|| {
            let (fifo, folding) = (VecDeque::new(), Folding::default());
            self.lanes.insert_full(name.into(), Lane { fifo, folding, phase: Phase::Resting }).0
        })
    }

    fn name(&self, at: usize) -> Arc<str> {
        self.lanes.get_index(at).map_or_else(|| "".into(), |(name, _)| name.clone())
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

impl<T> fmt::Debug for Lanes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes")
            .field("lanes", &self.lanes.len())
            .field("waiting", &self.waiting)
            .field("in_flight", &self.in_flight)
            .field("bytes", &self.bytes)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
