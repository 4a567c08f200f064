//! The participants of one chat, in the order in which they were first seen.

use super::row::{PackedId, Row};
use crate::presence::Record;

/// Rows, with an index by id in large chats.
#[derive(Debug, Default)]
pub(super) struct Roster {
    rows: Vec<Row>,
    index: Index,
}

/// The largest number of rows that are searched one by one, which is as fast and needs no index.
const FEW: usize = 32;

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn find(&self, id: PackedId) -> Option<&Row> {
        self.place(id).map(|place| &self.rows[place])
    }

    pub(super) fn find_mut(&mut self, id: PackedId) -> Option<&mut Row> {
        self.place(id).map(|place| &mut self.rows[place])
    }

    /// Adds a participant that is not in the chat yet.
    ///
    /// # Panics
    ///
    /// Beyond 65,534 participants.
    pub(super) fn push(&mut self, id: PackedId, record: Record) {
        if self.rows.len() == self.rows.capacity() {
            // Most chats have one participant; the others grow by half their size, not by all of it.
            let more = if self.rows.is_empty() { 1 } else { (self.rows.len() / 2).max(3) };
            self.rows.reserve_exact(more);
        }
        self.rows.push(Row::new(id, record));
        if self.rows.len() > FEW {
            self.index.add(&self.rows);
        }
    }

    fn place(&self, id: PackedId) -> Option<usize> {
        if self.rows.len() <= FEW {
            self.rows.iter().position(|row| row.id == id)
        } else {
            self.index.find(id, &self.rows)
        }
    }
}

/// An open-addressed table of places, 4 to 8 bytes per row: each slot holds a place plus one, or 0.
#[derive(Debug, Default)]
struct Index(Box<[u16]>);

impl Index {
    /// Adds the last of `rows`.
    fn add(&mut self, rows: &[Row]) {
        if self.0.len() >= rows.len() * 2 {
            self.insert(rows.len() - 1, rows);
            return;
        }
        self.0 = vec![0; (rows.len() * 2).next_power_of_two()].into();
        for place in 0..rows.len() {
            self.insert(place, rows);
        }
    }

    fn insert(&mut self, place: usize, rows: &[Row]) {
        let mut slot = self.home(rows[place].id);
        while self.0[slot] != 0 {
            slot = self.after(slot);
        }
        // The limit on participants keeps places below what a slot can hold.
        self.0[slot] = u16::try_from(place + 1).expect("a chat has up to 65,534 participants");
    }

    fn find(&self, id: PackedId, rows: &[Row]) -> Option<usize> {
        let mut slot = self.home(id);
        loop {
            let place = usize::from(self.0[slot]).checked_sub(1)?;
            if rows[place].id == id {
                return Some(place);
            }
            slot = self.after(slot);
        }
    }

    fn home(&self, id: PackedId) -> usize {
        // The length is a power of two: its logarithm is the number of upper bits that select a slot.
        let slot = id.scattered() >> (u64::BITS - self.0.len().ilog2());
        usize::try_from(slot).expect("a slot is below the length")
    }

    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{jid::Jid, presence::Presence, state::Limits};

    fn id(number: usize) -> PackedId {
        PackedId::of(&Jid::parse(&number.to_string()).unwrap()).unwrap()
    }

    fn bytes(roster: &Roster) -> usize {
        roster.rows.capacity() * size_of::<Row>() + size_of_val(&*roster.index.0)
    }

    #[test]
    fn every_participant_is_found_at_every_size() {
        let mut roster = Roster::default();
        for number in 0..3000 {
            assert!(roster.find(id(number)).is_none());
            roster.push(id(number), Record::of(Presence::Online));
            for known in [0, number / 2, number] {
                assert_eq!(roster.find(id(known)).unwrap().id, id(known));
            }
        }
    }

    #[test]
    fn one_more_participant_takes_no_more_than_40_bytes() {
        let mut roster = Roster::default();
        roster.push(id(0), Record::of(Presence::Online));
        let first = bytes(&roster);
        assert_eq!(first, 16);
        for number in 1..10_000 {
            roster.push(id(number), Record::of(Presence::Online));
            // Capacity grows ahead of need, by at least three rows.
            let further = bytes(&roster).saturating_sub(first + 3 * size_of::<Row>());
            assert!(further <= 40 * number, "{further} bytes for {number} further");
        }
    }

    #[test]
    fn the_largest_possible_chat_works() {
        let mut roster = Roster::default();
        for number in 0..Limits::MOST_PARTICIPANTS {
            roster.push(id(number), Record::of(Presence::Online));
        }
        assert!(roster.find(id(Limits::MOST_PARTICIPANTS - 1)).is_some());
        assert!(roster.find(id(Limits::MOST_PARTICIPANTS)).is_none());
    }
}
