//! Several nodes of the real program on one PostgreSQL, and what happens when one of them, or the
//! database, dies under them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

mod cluster;
mod database;
mod migrations;
mod nodes;
mod old_server;
#[path = "../support/mod.rs"]
mod support;
