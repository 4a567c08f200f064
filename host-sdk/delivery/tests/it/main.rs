//! Events from the bus to their receivers: the lanes alone, and over real sockets.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod bus;
mod clock;
mod lanes;
mod lanes_model;
mod outages;
mod receiver;
mod retries;
mod tls;
mod webhooks;
