//! A NOWEB engine without a phone: a small WhatsApp that behaves, on a clock that you hold.

#![forbid(unsafe_code)]

pub mod contact;
pub mod delay;
pub mod engine;
pub mod faults;
pub mod journal;
mod nearest;
pub mod noweb;
pub mod scenario;
pub mod traffic;
pub mod wire;
pub mod world;

pub use delay::Delay;
pub use engine::{MockEngine, MockError};
pub use scenario::{Scenario, ScenarioError};
