//! The gateway from outside: real libraries, real sockets.

mod engine;
mod http;
mod loader;
mod panics;
mod requests;
mod sessions;
mod words;
