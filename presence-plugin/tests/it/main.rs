//! The plugin through its host's interface: requests, events, laws, and the words of its sources.

#![allow(clippy::unwrap_used, reason = "what a test sets up it may unwrap, in its helpers too")]

mod desk;
mod etag;
mod events;
mod laws;
mod openapi;
mod requests;
mod resubscribe;
mod set_presence;
mod subscribing;
mod takeover;
mod words;
