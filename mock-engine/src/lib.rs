//! A NOWEB engine without a phone: a small WhatsApp that behaves, on a clock that you hold.
//!
//! ```text
//! scenario -> world -> stanza -> wire -> Baileys event -> gateway
//! journal  <- world <- node   <- wire <- operation     <- gateway
//! ```
//!
//! [`MockEngine`] is a gateway's engine; [`MockWaha`] is a gateway on it, in memory, for a test in five
//! lines; the command `mock-engine` serves it, with a control API under `/mock`. One seed decides all
//! chance: the same seed and [`Scenario`] give the same events, byte for byte.

#![forbid(unsafe_code)]

mod waha;

pub mod scenario;
pub mod traffic;

pub mod whatsapp;

pub mod world;

pub mod wire;

pub mod noweb;

pub mod contact;
pub mod engine;
pub mod faults;
pub mod journal;

pub mod control;
mod player;
pub mod recording;

mod chance;
pub mod delay;
mod json;
mod nearest;
pub mod time;

pub use delay::Delay;
pub use engine::{MockEngine, MockError};
pub use player::{Answer, Unmet};
pub use recording::Recording;
pub use scenario::{Scenario, ScenarioError};
pub use time::Speed;
pub use waha::{MockWaha, MockWahaBuilder, StartError};
