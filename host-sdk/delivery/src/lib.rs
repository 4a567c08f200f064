//! Delivery of events to webhooks and WebSockets.
//!
//! An [`EventBus`](event_bus::EventBus) renders each event once and hands it to every receiver that wants
//! it. What waits for one receiver stands in [`lane`]s: complete and in order while the receiver keeps up,
//! the latest states when it does not. This package knows neither sessions nor plugins nor an HTTP
//! framework: a session is a name in an [`Envelope`](envelope::Envelope).

#![forbid(unsafe_code)]

pub mod event_bus;

pub mod envelope;
pub mod event_names;
pub mod lane;

pub mod socket;
pub mod webhook;

pub mod egress;
pub mod tls;

pub mod metrics;

pub mod clock;
