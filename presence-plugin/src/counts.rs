//! Counters of what was ignored. What an operator should know is logged, once per cause.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use parking_lot::Mutex;

/// The numbers of ignored events and participants of all sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Participants with an unknown status.
    pub unknown_words: u64,
    /// Malformed events and participants.
    pub malformed: u64,
    /// Events of broadcasts and newsletters, which have no presence.
    pub elsewhere: u64,
    /// Participants beyond a limit.
    pub over_limit: u64,
}

/// The largest number of unknown statuses that are logged; further ones are counted only.
const WORDS: usize = 32;
/// The length to which a logged status is cut, in characters.
const LETTERS: usize = 32;

/// The counters behind [`Counts`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    unknown_words: AtomicU64,
    malformed: AtomicU64,
    elsewhere: AtomicU64,
    over_limit: AtomicU64,
    limit_was_logged: AtomicBool,
    words: Mutex<BTreeSet<String>>,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        Counts {
            unknown_words: self.unknown_words.load(Ordering::Relaxed),
            malformed: self.malformed.load(Ordering::Relaxed),
            elsewhere: self.elsewhere.load(Ordering::Relaxed),
            over_limit: self.over_limit.load(Ordering::Relaxed),
        }
    }

    /// Counts an unknown status; each is logged once.
    pub(crate) fn unknown_word(&self, word: &str) {
        self.unknown_words.fetch_add(1, Ordering::Relaxed);
        if self.is_new(word) {
            tracing::warn!(
                ?word,
                "ignored a presence with an unknown status; logged once per status"
            );
        }
    }

    /// Counts a malformed event or participant.
    pub(crate) fn malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an event of something that has no presence, which is not an error.
    pub(crate) fn elsewhere(&self) {
        self.elsewhere.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts participants beyond a limit; the first time is logged.
    pub(crate) fn over_limit(&self, session: &str, refused: usize) {
        self.over_limit.fetch_add(refused as u64, Ordering::Relaxed);
        if !self.limit_was_logged.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                session,
                refused,
                "ignored presences beyond a limit (maxChats, maxParticipants); logged once"
            );
        }
    }

    fn is_new(&self, word: &str) -> bool {
        let word: String = word.chars().take(LETTERS).collect();
        let mut words = self.words.lock();
        words.len() < WORDS && words.insert(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_new_once() {
        let counters = Counters::default();
        assert!(counters.is_new("dancing"));
        assert!(!counters.is_new("dancing"));
    }

    #[test]
    fn up_to_32_words_are_remembered_and_all_are_counted() {
        let counters = Counters::default();
        for number in 0..100 {
            counters.unknown_word(&format!("{number}{}", "x".repeat(1000)));
        }
        assert_eq!(counters.words.lock().len(), WORDS);
        assert!(counters.words.lock().iter().all(|word| word.len() <= LETTERS));
        assert_eq!(counters.read().unknown_words, 100);
    }
}
