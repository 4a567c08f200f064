//! The plugin as its host sees it: requests, events, laws, and what its sources must not say.

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
