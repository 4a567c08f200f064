//! Virtual time: a clock that a test or a simulation stops, steps or lets run fast.
//!
//! [`VirtualClock`] implements [`host_sdk::Clock`]. It may only move on once nothing that its last step
//! woke is still running; [`Activity`] counts the runnable tasks. With [`VirtualClock::in_turns`] those
//! tasks run one at a time, so that a simulation gives the same output whatever the number of threads.

mod activity;
mod clock;
mod speed;

pub use activity::Activity;
pub use clock::{Pace, SPEEDS, VirtualClock};
pub use speed::Speed;
