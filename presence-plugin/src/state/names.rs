//! Ids that are not plain numbers: old-style groups, leading zeros, more than 18 digits.

use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexSet;

use super::row::{PackedId, Unpacked};
use crate::jid::Jid;

/// Outward ids by place. It only grows, bounded by the limits of the state.
#[derive(Debug, Default)]
pub(super) struct Names(IndexSet<Arc<str>, RandomState>);

impl Names {
    /// The packed form of an id, if it is a number or has been seen.
    pub(super) fn find(&self, jid: &Jid<'_>) -> Option<PackedId> {
        PackedId::of(jid).or_else(|| {
            let place = self.0.get_index_of(jid.to_string().as_str())?;
            Some(PackedId::of_name(place))
        })
    }

    /// The packed form of an id, which is added if it is not a number.
    pub(super) fn pack(&mut self, jid: &Jid<'_>) -> PackedId {
        PackedId::of(jid).unwrap_or_else(|| {
            let (place, _) = self.0.insert_full(jid.to_string().into());
            PackedId::of_name(place)
        })
    }

    /// The name of a packed id that is not a number.
    pub(super) fn name(&self, id: PackedId) -> Option<&Arc<str>> {
        match id.unpack() {
            Unpacked::Number(..) => None,
            Unpacked::Name(place) => self.0.get_index(place),
        }
    }

    /// The outward id.
    pub(super) fn outward(&self, id: PackedId) -> String {
        match id.unpack() {
            Unpacked::Number(number, server) => format!("{number}{}", server.suffix()),
            Unpacked::Name(place) => self.0[place].to_string(),
        }
    }

    /// Whether all ids so far are numbers.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
