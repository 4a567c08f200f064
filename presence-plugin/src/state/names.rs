//! The ids that are no plain numbers: groups of the old form, leading zeros, very many digits.

use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexSet;

use super::row::{PackedId, Unpacked};
use crate::jid::Jid;

/// Outward ids by place. It only grows, and by no more than the state's limits let in.
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

    /// The packed form of an id, which is remembered if it must be.
    pub(super) fn pack(&mut self, jid: &Jid<'_>) -> PackedId {
        PackedId::of(jid).unwrap_or_else(|| {
            let (place, _) = self.0.insert_full(jid.to_string().into());
            PackedId::of_name(place)
        })
    }

    /// The name that a packed id stands for, if it stands for one.
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

    /// Whether there are none, so that no id stands for one.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
