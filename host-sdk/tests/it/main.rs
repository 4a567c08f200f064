//! The gateway from outside: real libraries, real requests.

#![allow(clippy::unwrap_used, reason = "what a test sets up it may unwrap, in its helpers too")]

#[path = "../../delivery/tests/it/clock.rs"]
mod clock;
mod compatibility;
mod connections;
mod engine;
mod http;
mod layers;
mod loader;
mod panics;
mod requests;
mod sessions;
mod shutdown;
mod websockets;
mod words;
