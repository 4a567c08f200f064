//! A participant in 16 bytes.

use std::num::NonZeroU32;

use crate::{
    jid::{Jid, Server},
    presence::{Presence, Record},
};

/// An id in 62 bits, below 2 bits for its kind: a number on one of the three servers, or the place of a
/// name in [`super::names::Names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PackedId(u64);

const PLACE_BITS: u32 = 62;
const VALUE: u64 = (1 << PLACE_BITS) - 1;

impl PackedId {
    /// The packed form of an id whose user is a number.
    pub(super) fn of(jid: &Jid<'_>) -> Option<Self> {
        let kind = match jid.server() {
            Server::Contact => 0,
            Server::Lid => 1,
            Server::Group => 2,
        };
        jid.number().map(|number| Self(kind << PLACE_BITS | number))
    }

    /// The name at `place`.
    pub(super) fn of_name(place: usize) -> Self {
        Self(3 << PLACE_BITS | place as u64)
    }

    /// The number or the place.
    pub(super) fn unpack(self) -> Unpacked {
        let value = self.0 & VALUE;
        match self.0 >> PLACE_BITS {
            0 => Unpacked::Number(value, Server::Contact),
            1 => Unpacked::Number(value, Server::Lid),
            2 => Unpacked::Number(value, Server::Group),
            _ => Unpacked::Name(
                usize::try_from(value).expect("a place was a usize when it was packed"),
            ),
        }
    }

    /// A hash that scatters neighbouring ids over the whole range.
    pub(super) fn scattered(self) -> u64 {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// The contents of a [`PackedId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unpacked {
    /// A number.
    Number(u64, Server),
    /// The place of a name.
    Name(usize),
}

/// A participant and its last record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) id: PackedId,
    last_seen: Option<NonZeroU32>,
    presence: Presence,
}

impl Row {
    pub(super) fn new(id: PackedId, record: Record) -> Self {
        Self { id, last_seen: record.last_seen, presence: record.presence }
    }

    /// Replaces the record; returns whether the new one differs.
    pub(super) fn set(&mut self, record: Record) -> bool {
        let differs = self.record() != record;
        *self = Self::new(self.id, record);
        differs
    }

    pub(super) fn record(&self) -> Record {
        Record { presence: self.presence, last_seen: self.last_seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_16_bytes() {
        assert_eq!(size_of::<Row>(), 16);
    }

    #[test]
    fn numbers_come_back_with_their_server() {
        for id in ["0@c.us", "777@lid", "999999999999999999@g.us"] {
            let jid = Jid::parse(id).unwrap();
            let unpacked = PackedId::of(&jid).unwrap().unpack();
            assert_eq!(unpacked, Unpacked::Number(jid.number().unwrap(), jid.server()));
        }
    }
}
