//! The real program behind a real socket: a client that somebody else wrote, and input that nobody
//! should have sent.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

mod bad_input;
mod http2;
#[path = "../support/passing.rs"]
mod passing;
mod refusals;
mod second_client;
mod slow_clients;
#[path = "../support/mod.rs"]
mod support;
