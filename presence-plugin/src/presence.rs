//! The presence of one participant.

use std::{fmt, num::NonZeroU32};

use serde::{Deserialize, Serialize};

/// A presence, in the documented words.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Not connected; the last-seen may be known.
    Offline,
    /// Connected.
    Online,
    /// Writing in this chat.
    Typing,
    /// Recording a voice message in this chat.
    Recording,
    /// Stopped writing in this chat.
    Paused,
}

impl Presence {
    /// All five, in the documentation's order.
    pub const ALL: [Self; 5] =
        [Self::Offline, Self::Online, Self::Typing, Self::Recording, Self::Paused];

    /// The documented word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Online => "online",
            Self::Typing => "typing",
            Self::Recording => "recording",
            Self::Paused => "paused",
        }
    }

    /// The presence with this documented word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|presence| presence.word() == word)
    }

    /// Whether it applies to one chat rather than to the whole account.
    #[must_use]
    pub const fn is_of_chat(self) -> bool {
        matches!(self, Self::Typing | Self::Recording | Self::Paused)
    }
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The last known presence of one participant; a newer record replaces all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Record {
    /// The last known presence.
    pub presence: Presence,
    /// When the participant was last online, in Unix seconds; always unknown unless offline.
    pub last_seen: Option<NonZeroU32>,
}

impl Record {
    /// Offline, since `last_seen` if that is a plausible number of Unix seconds: 1 to 4,294,967,295, which is
    /// in the year 2106. Any other number, such as one of milliseconds, is unknown and never changed into
    /// a plausible one.
    #[must_use]
    pub fn offline(last_seen: Option<u64>) -> Self {
        let plausible = |seconds| u32::try_from(seconds).ok().and_then(NonZeroU32::new);
        Self { presence: Presence::Offline, last_seen: last_seen.and_then(plausible) }
    }

    /// A presence without a last-seen.
    #[must_use]
    pub const fn of(presence: Presence) -> Self {
        Self { presence, last_seen: None }
    }

    /// A presence, with the last-seen if it is [`Presence::Offline`].
    #[must_use]
    pub fn new(presence: Presence, last_seen: Option<u64>) -> Self {
        match presence {
            Presence::Offline => Self::offline(last_seen),
            other => Self::of(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_presences_translate_both_ways() {
        for presence in Presence::ALL {
            assert_eq!(Presence::from_word(presence.word()), Some(presence));
            assert_eq!(serde_json::to_value(presence).unwrap(), presence.word());
        }
        assert_eq!(Presence::from_word("Online"), None);
    }

    #[test]
    fn a_last_seen_that_is_not_a_plausible_number_of_seconds_is_unknown() {
        let last_seen = |seconds| Record::offline(Some(seconds)).last_seen.map(u32::from);
        let last = u64::from(u32::MAX);
        for plausible in [1, 1_686_719_326, last] {
            assert_eq!(last_seen(plausible).map(u64::from), Some(plausible));
        }
        // Milliseconds, microseconds, and numbers that 32 bits would wrap to a plausible one.
        for other in [0, last + 1, last + 1_686_719_327, 1_686_719_326_000, u64::MAX] {
            assert_eq!(last_seen(other), None, "{other}");
        }
    }

    #[test]
    fn only_an_offline_participant_has_a_last_seen() {
        for presence in Presence::ALL {
            let kept = Record::new(presence, Some(7)).last_seen.is_some();
            assert_eq!(kept, presence == Presence::Offline);
        }
    }
}
