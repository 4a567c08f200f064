//! The presence updates that an engine reports, and the events that a plugin emits.

use abi_stable::{
    StableAbi,
    std_types::{ROption, RSlice, RStr, RVec},
};

/// The status of a participant, in the words of Baileys (`WAPresence`).
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineStatus(pub u8);

impl EngineStatus {
    /// Any other word.
    pub const UNKNOWN: Self = Self(0);
    /// `available`.
    pub const AVAILABLE: Self = Self(1);
    /// `unavailable`.
    pub const UNAVAILABLE: Self = Self(2);
    /// `composing`.
    pub const COMPOSING: Self = Self(3);
    /// `recording`.
    pub const RECORDING: Self = Self(4);
    /// `paused`.
    pub const PAUSED: Self = Self(5);
}

/// An update of one participant, borrowed from the engine for the duration of a call.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct PresenceUpdate<'a> {
    participant: RStr<'a>,
    status: EngineStatus,
    last_seen: ROption<u64>,
}

impl<'a> PresenceUpdate<'a> {
    /// Creates an update of `participant`, an engine's jid; `last_seen` is in Unix seconds.
    #[must_use]
    pub fn new(participant: &'a str, status: EngineStatus, last_seen: Option<u64>) -> Self {
        Self { participant: participant.into(), status, last_seen: last_seen.into() }
    }

    /// The participant, as the engine writes it.
    #[must_use]
    pub fn participant(&self) -> &'a str {
        self.participant.as_str()
    }

    /// The participant's status.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        self.status
    }

    /// When the participant was last online, in Unix seconds, if the engine reports it.
    #[must_use]
    pub fn last_seen(&self) -> Option<u64> {
        self.last_seen.into_option()
    }
}

/// A key, for example a participant: an emission supersedes earlier ones of its lane with the same keys.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key<'a>(RStr<'a>);

impl<'a> Key<'a> {
    /// Creates the key called `name`.
    #[must_use]
    pub fn new(name: &'a str) -> Self {
        Self(name.into())
    }

    /// The name of the key.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0.as_str()
    }
}

/// An event on its way to webhooks and websockets; authors of plugins write [`crate::Emission`].
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct EmissionAbi<'a> {
    pub(crate) session: RStr<'a>,
    pub(crate) event: RStr<'a>,
    pub(crate) lane: RStr<'a>,
    pub(crate) keys: RSlice<'a, Key<'a>>,
    pub(crate) payload: RVec<u8>,
}

impl<'a> EmissionAbi<'a> {
    pub(crate) fn new(emission: crate::Emission<'a>) -> Self {
        Self {
            session: emission.session.into(),
            event: emission.event.into(),
            lane: emission.lane.into(),
            keys: emission.keys.into(),
            payload: emission.payload.into(),
        }
    }

    /// The session that the event belongs to.
    #[must_use]
    pub fn session(&self) -> &'a str {
        self.session.as_str()
    }

    /// The event's name, for example `session.status`.
    #[must_use]
    pub fn event(&self) -> &'a str {
        self.event.as_str()
    }

    /// The lane: emissions of one lane stay in order.
    #[must_use]
    pub fn lane(&self) -> &'a str {
        self.lane.as_str()
    }

    /// The keys; empty if the emission must never be superseded.
    #[must_use]
    pub fn keys(&self) -> &'a [Key<'a>] {
        self.keys.as_slice()
    }

    /// The payload, JSON.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}
