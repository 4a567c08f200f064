//! The updates of one lane that may fold.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::{Place, Update};

/// Updates in the order in which they came and go out. See [`super`] for the rules.
#[derive(Debug)]
pub(super) struct Folding<T> {
    queue: BTreeMap<Place, Waiting<T>>,
    /// The last states that were given up. None of them shares a key with an update of the queue.
    aside: BTreeMap<Place, Waiting<T>>,
    /// The current round: the updates at or before this place. Those after it belong to the next round.
    round: Place,
    /// Where the newest update of each key is. Known from when the lane is full for the first time until
    /// it is empty.
    newest: Option<Newest>,
    /// The updates of the queue that no key keeps in their round; known while `newest` is.
    superseded: BTreeSet<Place>,
}

type Newest = IndexMap<Box<str>, Place, RandomState>;

#[derive(Debug)]
struct Waiting<T> {
    update: T,
    /// How many updates were folded into it.
    folded: u32,
    /// Of how many keys it is the newest of its round; counted while `newest` is known.
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
    /// Aside, until it is recalled or superseded.
    Aside,
    /// Nowhere: newer ones tell all that it tells.
    Folded,
}

impl<T> Default for Folding<T> {
    fn default() -> Self {
        Self {
            queue: BTreeMap::new(),
            aside: BTreeMap::new(),
            round: 0,
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
    pub(super) fn push(&mut self, place: Place, update: T, folded: u32, depth: usize) -> Freed {
        let full = self.queue.len() >= depth;
        if full {
            self.index();
        }
        let mut waiting = Waiting { update, folded, live: 0, spent: false };
        let mut freed = Freed::default();
        if self.newest.is_some() {
            waiting.live = waiting.update.keys().len();
            for old in self.point_at(place, &waiting.update) {
                self.settle(old, &mut waiting, &mut freed);
            }
            if full {
                self.take_the_place_of_the_last(place, &mut waiting, &mut freed);
            }
        }
        self.queue.insert(place, waiting);
        self.fold_to(depth, &mut freed);
        freed
    }

    /// Folds the last of the current round, where it is the last of all, into a newer one, which goes out when
    /// that one would have gone out.
    fn take_the_place_of_the_last(
        &mut self,
        place: Place,
        newer: &mut Waiting<T>,
        freed: &mut Freed,
    ) {
        let (Some(newest), Some(last)) = (&self.newest, self.queue.last_entry()) else { return };
        let (at, keys) = (*last.key(), last.get().update.keys());
        if at <= self.round && keys.iter().all(|key| newest.get(key) == Some(&place)) {
            self.superseded.remove(&at);
            newer.stand_for(&last.remove(), freed);
            self.round = place;
        }
    }

    /// Takes the first of the queue. When it is the first of the next round, that round becomes the current one.
    pub(super) fn take(&mut self) -> Option<(Place, T, u32)> {
        let (place, waiting) = self.queue.pop_first()?;
        if place > self.round {
            self.round = self.queue.last_key_value().map_or(place, |(last, _)| *last);
        }
        self.superseded.remove(&place);
        self.forget(place, &waiting.update);
        Some((place, waiting.update, waiting.folded))
    }

    /// Removes what was given up, the oldest first, if `filter` holds.
    pub(super) fn recall(&mut self, mut filter: impl FnMut(&T) -> bool) -> Vec<(T, u32)> {
        let recalled: Vec<Place> = self
            .aside
            .iter()
            .filter(|(_, waiting)| filter(&waiting.update))
            .map(|(place, _)| *place)
            .collect();
        let mut updates = Vec::with_capacity(recalled.len());
        for place in recalled {
            if let Some(waiting) = self.aside.remove(&place) {
                self.forget(place, &waiting.update);
                updates.push((waiting.update, waiting.folded));
            }
        }
        updates
    }

    /// How many updates were given up and not recalled.
    pub(super) fn given_up(&self) -> usize {
        self.aside.len()
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
        self.index();
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
        let mut sole = 0;
        for key in keys {
            let owner = *newest.entry(key.clone()).or_insert(place);
            sole += usize::from(owner == place);
            waiting.live += usize::from(owner == place || owner > self.round);
        }
        if spent && sole == keys.len() {
            self.aside.insert(place, waiting);
            return PutBack::Aside;
        }
        if waiting.live == 0 {
            self.superseded.insert(place);
        }
        self.queue.insert(place, waiting);
        PutBack::InFront
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
            match self.newer_than(place, &old.update) {
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
        let (mut newest, mut lost) = (Newest::default(), Vec::new());
        for (&place, waiting) in &mut self.queue {
            waiting.live = waiting.update.keys().len();
            for key in waiting.update.keys() {
                lost.extend(newest.insert(key.clone(), place).map(|owner| (owner, place)));
            }
        }
        for (owner, newer) in lost {
            if self.is_same_round(owner, newer) {
                self.queue.entry(owner).and_modify(|waiting| waiting.live -= 1);
            }
        }
        let superseded = self.queue.iter().filter(|(_, waiting)| waiting.live == 0);
        self.superseded = superseded.map(|(&place, _)| place).collect();
        self.newest = Some(newest);
    }

    fn is_same_round(&self, older: Place, newer: Place) -> bool {
        older > self.round || newer <= self.round
    }

    /// One that waits and is newer than `place` of the first key of `update`.
    fn newer_than(&mut self, place: Place, update: &T) -> Option<&mut Waiting<T>> {
        let key = update.keys().first()?;
        let newest = self.newest.as_ref().and_then(|newest| newest.get(key)).copied();
        let heir = newest.or_else(|| {
            let newer = self.queue.range(place..);
            newer.rev().find(|(_, waiting)| waiting.update.keys().contains(key)).map(|(at, _)| *at)
        });
        self.at(heir?)
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
        for &old in &lost {
            if self.is_same_round(old, place)
                && let Some(old) = self.at(old)
            {
                old.live -= 1;
            }
        }
        lost.into_iter().collect()
    }

    /// Draws the consequences for an update that is no longer the newest of some of its keys.
    fn settle(&mut self, place: Place, newer: &mut Waiting<T>, freed: &mut Freed) {
        if let Some(needless) = self.aside.remove(&place) {
            newer.stand_for(&needless, freed);
            return;
        }
        let (Some(old), Some(newest)) = (self.queue.get(&place), &self.newest) else { return };
        let is_newest = |key: &str| newest.get(key) == Some(&place);
        if old.spent && !old.update.keys().iter().any(|key| is_newest(key)) {
            self.superseded.remove(&place);
            let old = self.queue.remove(&place);
            old.into_iter().for_each(|old| newer.stand_for(&old, freed));
        } else if old.live == 0 {
            self.superseded.insert(place);
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
