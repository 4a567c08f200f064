//! A WhatsApp server: real clients log in to the mock's world.
//!
//! ```text
//! client -> WebSocket -> Noise -> node -> login, iq, message -> world, journal
//! client <- WebSocket <- Noise <- node <- device             <- world
//! ```
//!
//! It is another way into the world of a [`MockEngine`](crate::MockEngine), beside a gateway: the same
//! contacts, scenario, clock, rules, faults and seed. A client that logs in speaks for a session, which
//! has a journal and faults as any other; `/mock/sessions/{session}` is about it.
//!
//! The mock plays all phones. Whoever writes to an account writes to its phone, which the mock can read,
//! and the phone passes the message on to the account's devices. So what clients say to each other is
//! encrypted on the wire, and readable in the journal.
//!
//! # Limits
//!
#![doc = include_str!("whatsapp/limits.md")]

mod account;
mod alone;
mod answer;
mod control;
mod credentials;
mod device;
mod dictionary;
mod ending;
mod iq;
mod kdf;
mod keys;
mod login;
mod message;
mod noise;
mod pairing;
mod people;
mod probe;
mod protobuf;
mod queue;
mod server;
mod signal;
mod socket;
#[cfg(test)]
mod tests;

pub use alone::MockWhatsApp;
pub use probe::probe;
pub use server::{Options, WhatsApp};

#[cfg(test)]
pub(crate) use control::paths;

/// The script that points a program's own Baileys to the server, and has it trust the server's key:
/// `node --import ./preload.mjs app.js`.
pub fn preload() -> String {
    include_str!("whatsapp/preload.mjs").replace("@ROOT_KEY@", &noise::root_key_hex())
}
