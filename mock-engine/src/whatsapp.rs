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
mod protobuf;
mod queue;
mod server;
mod signal;
mod socket;

pub use server::{Options, WhatsApp};
