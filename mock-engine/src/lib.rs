//! A NOWEB engine without a phone: a small WhatsApp that behaves, on a clock that you hold.

#![forbid(unsafe_code)]

pub mod contact;
mod control;
pub mod delay;
pub mod engine;
pub mod faults;
pub mod journal;
mod nearest;
pub mod noweb;
mod player;
pub mod recording;
pub mod scenario;
pub mod traffic;
mod waha;
pub mod wire;
pub mod world;

pub use delay::Delay;
pub use engine::{MockEngine, MockError};
pub use player::{Answer, Unmet};
pub use recording::Recording;
pub use scenario::{Scenario, ScenarioError};
pub use waha::{MockWaha, MockWahaBuilder, StartError};
