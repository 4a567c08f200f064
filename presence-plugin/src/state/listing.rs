//! Chats copied out of the state, so that they are written as JSON after its lock is released.

use std::{slice, sync::Arc};

use super::{
    names::Names,
    row::{PackedId, Row, Unpacked},
};
use crate::{jid::Server, presence::Record};

/// A copy of some chats and their participants, packed.
#[derive(Debug, Default)]
pub struct Listing {
    chats: Vec<(PackedId, usize)>,
    rows: Vec<Row>,
    /// The ids that are not numbers, in the order in which they occur.
    names: Vec<Arc<str>>,
}

/// An outward id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id<'a> {
    /// A number and its server.
    Number(u64, Server),
    /// The text.
    Name(&'a str),
}

impl Listing {
    pub(super) fn with_capacity(chats: usize, rows: usize) -> Self {
        Self { chats: Vec::with_capacity(chats), rows: Vec::with_capacity(rows), names: Vec::new() }
    }

    pub(super) fn push(&mut self, chat: PackedId, rows: &[Row], names: &Names) {
        self.chats.push((chat, rows.len()));
        self.rows.extend_from_slice(rows);
        if !names.is_empty() {
            let ids = [chat].into_iter().chain(rows.iter().map(|row| row.id));
            self.names.extend(ids.filter_map(|id| names.name(id).cloned()));
        }
    }

    /// The number of chats.
    #[must_use]
    pub fn chats(&self) -> usize {
        self.chats.len()
    }

    /// The number of participants in all chats.
    #[must_use]
    pub fn participants(&self) -> usize {
        self.rows.len()
    }

    /// Visits everything in order: calls `chat` for each chat, then `participant` for each of its
    /// participants, then `end`. Each call gets `target`.
    pub fn walk<T>(
        &self,
        target: &mut T,
        chat: impl Fn(&mut T, Id<'_>),
        participant: impl Fn(&mut T, Id<'_>, Record),
        end: impl Fn(&mut T),
    ) {
        let mut names = self.names.iter();
        let mut rows = self.rows.iter();
        for (id, count) in &self.chats {
            chat(target, resolve(*id, &mut names));
            for row in rows.by_ref().take(*count) {
                participant(target, resolve(row.id, &mut names), row.record());
            }
            end(target);
        }
    }
}

fn resolve<'a>(id: PackedId, names: &mut slice::Iter<'a, Arc<str>>) -> Id<'a> {
    match id.unpack() {
        Unpacked::Number(number, server) => Id::Number(number, server),
        Unpacked::Name(_) => {
            Id::Name(names.next().expect("a listing has the name of every id that is not a number"))
        }
    }
}
