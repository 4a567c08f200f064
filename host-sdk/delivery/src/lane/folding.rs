//! The updates of one lane that may fold.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::{Place, Update};

/// Updates in the order in which they go out. See [`super`] for the rules.
#[derive(Debug)]
pub(super) struct Folding<T> {
    queue: BTreeMap<Place, Waiting<T>>,
    /// Spent updates that wait for their time without holding up the queue. None of them shares a key
    /// with an update of the queue.
    aside: BTreeMap<Place, Waiting<T>>,
    /// Where the newest update of each key is. Known from when the lane is full for the first time until
    /// it is empty.
    newest: Option<Newest>,
    /// The updates of the queue that are the newest of no key; known while `newest` is.
    superseded: BTreeSet<Place>,
}

type Newest = IndexMap<Box<str>, Place, RandomState>;

#[derive(Debug)]
struct Waiting<T> {
    update: T,
    /// How many updates were folded into it.
    folded: u32,
    /// Of how many keys it is the newest; counted while `newest` is known.
    live: usize,
    spent: bool,
}

/// What became needless.
#[derive(Debug, Default)]
pub(super) struct Freed {
    pub(super) updates: usize,
    pub(super) bytes: usize,
}

/// Where an update that failed went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PutBack {
    /// To the front of the queue.
    InFront,
    /// Aside, until it is woken or superseded.
    Aside,
    /// Nowhere: newer ones tell all that it tells.
    Folded,
}

impl<T> Default for Folding<T> {
    fn default() -> Self {
        Self {
            queue: BTreeMap::new(),
            aside: BTreeMap::new(),
            newest: None,
            superseded: BTreeSet::new(),
        }
    }
}

impl<T: Update> Folding<T> {
    /// Whether there is an update to take.
    pub(super) fn is_ready(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether nothing waits, aside or not.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.aside.is_empty()
    }

    /// How many updates wait, those aside too.
    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.aside.len()
    }

    /// Adds the newest update at the end, and folds if there are `depth` already.
    pub(super) fn push(&mut self, place: Place, update: T, depth: usize) -> Freed {
        let full = self.queue.len() >= depth;
        if full {
            self.index();
        }
        let mut waiting = Waiting { update, folded: 0, live: 0, spent: false };
        let mut freed = Freed::default();
        let mut place = place;
        if self.newest.is_some() {
            waiting.live = waiting.update.keys().len();
            let touched = self.point_at(place, &waiting.update);
            for &old in &touched {
                self.settle(old, &mut waiting, &mut freed);
            }
            if full
                && let Some(&last) = touched.last()
                && self.superseded.remove(&last)
                && let Some(old) = self.queue.remove(&last)
            {
                // There it is still behind all else that shares a key with it.
                waiting.stand_for(&old, &mut freed);
                self.point_at(last, &waiting.update);
                place = last;
            }
        }
        self.queue.insert(place, waiting);
        self.fold_to(depth, &mut freed);
        freed
    }

    /// Takes the first of the queue.
    pub(super) fn take(&mut self) -> Option<(Place, T, u32)> {
        let (place, waiting) = self.queue.pop_first()?;
        self.superseded.remove(&place);
        self.forget(place, &waiting.update);
        Some((place, waiting.update, waiting.folded))
    }

    /// Takes back an update that failed. `spent`: it stays only as the last state of a key.
    pub(super) fn put_back(
        &mut self,
        place: Place,
        update: T,
        folded: u32,
        spent: bool,
        depth: usize,
    ) -> PutBack {
        let full = self.queue.len() >= depth;
        if spent || full {
            self.index();
        }
        let mut waiting = Waiting { update, folded, live: 0, spent };
        let Some(newest) = &mut self.newest else {
            self.queue.insert(place, waiting);
            return PutBack::InFront;
        };
        let keys = waiting.update.keys();
        if (spent || full) && keys.iter().all(|key| newest.contains_key(key)) {
            let heir = keys.first().and_then(|key| newest.get(key)).copied();
            if let Some(heir) = heir.and_then(|heir| self.at(heir)) {
                heir.stand_for(&waiting, &mut Freed::default());
            }
            return PutBack::Folded;
        }
        for key in keys {
            let owner = *newest.entry(key.clone()).or_insert(place);
            waiting.live += usize::from(owner == place);
        }
        if spent && waiting.live == keys.len() {
            self.aside.insert(place, waiting);
            return PutBack::Aside;
        }
        if waiting.live == 0 {
            self.superseded.insert(place);
        }
        self.queue.insert(place, waiting);
        PutBack::InFront
    }

    /// Puts an update that stands aside into the queue. `false` when there is none.
    pub(super) fn wake(&mut self, place: Place) -> bool {
        let woken = self.aside.remove(&place);
        woken.is_some_and(|waiting| self.queue.insert(place, waiting).is_none())
    }

    /// Folds what is superseded, the newest first, until no more than `depth` are left.
    pub(super) fn fold_to(&mut self, depth: usize, freed: &mut Freed) {
        if self.queue.len() > depth {
            self.index();
        }
        while self.queue.len() > depth
            && let Some(place) = self.superseded.pop_last()
            && let Some(old) = self.queue.remove(&place)
        {
            let newest = self.newest.as_ref();
            let heir = old.update.keys().first().and_then(|key| newest?.get(key)).copied();
            match heir.and_then(|heir| self.at(heir)) {
                Some(heir) => heir.stand_for(&old, freed),
                None => freed.add(&old.update),
            }
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) -> Freed {
        let mut freed = Freed::default();
        let all = std::mem::take(self);
        all.queue.values().chain(all.aside.values()).for_each(|old| freed.add(&old.update));
        freed
    }

    /// Finds out what is the newest of each key, unless that is known.
    fn index(&mut self) {
        if self.newest.is_some() {
            return;
        }
        let mut newest = Newest::default();
        for (&place, waiting) in &self.queue {
            newest.extend(waiting.update.keys().iter().map(|key| (key.clone(), place)));
        }
        for place in newest.values() {
            self.queue.entry(*place).and_modify(|waiting| waiting.live += 1);
        }
        let superseded = self.queue.iter().filter(|(_, waiting)| waiting.live == 0);
        self.superseded = superseded.map(|(&place, _)| place).collect();
        self.newest = Some(newest);
    }

    /// Makes `place` the newest of the update's keys. The places that were it before, in order.
    fn point_at(&mut self, place: Place, update: &T) -> BTreeSet<Place> {
        let Some(newest) = &mut self.newest else { return BTreeSet::new() };
        let mut lost = Vec::new();
        for key in update.keys() {
            match newest.get_mut(key) {
                Some(owner) => lost.push(std::mem::replace(owner, place)),
                None => {
                    newest.insert(key.clone(), place);
                }
            }
        }
        for &place in &lost {
            if let Some(old) = self.at(place) {
                old.live -= 1;
            }
        }
        lost.into_iter().collect()
    }

    /// Draws the consequences for an update that is no longer the newest of some of its keys.
    fn settle(&mut self, place: Place, newer: &mut Waiting<T>, freed: &mut Freed) {
        let Some(old) = self.at(place) else { return };
        match (old.live, old.spent) {
            (0, true) => {
                let old = self.queue.remove(&place).or_else(|| self.aside.remove(&place));
                old.into_iter().for_each(|old| newer.stand_for(&old, freed));
            }
            (0, false) => {
                self.superseded.insert(place);
            }
            // A part of it is still news, and must come before the newer part.
            _ => {
                self.wake(place);
            }
        }
    }

    /// Forgets that `place` is the newest of these keys, and all about keys when nothing waits.
    fn forget(&mut self, place: Place, update: &T) {
        if self.is_empty() {
            self.newest = None;
        } else if let Some(newest) = &mut self.newest {
            for key in update.keys() {
                if newest.get(key) == Some(&place) {
                    newest.swap_remove(key);
                }
            }
        }
    }

    fn at(&mut self, place: Place) -> Option<&mut Waiting<T>> {
        self.queue.get_mut(&place).or_else(|| self.aside.get_mut(&place))
    }
}

impl<T: Update> Waiting<T> {
    /// Counts an older one as folded into this one.
    fn stand_for(&mut self, old: &Self, freed: &mut Freed) {
        self.folded = self.folded.saturating_add(old.folded).saturating_add(1);
        freed.add(&old.update);
    }
}

impl Freed {
    fn add(&mut self, update: &impl Update) {
        self.updates += 1;
        self.bytes += update.bytes();
    }
}
