//! The wire as its clients see it: the contract's own examples, its tables row by row, every dialect's
//! answers as snapshots, and inputs nobody thought of.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod bodies;
mod contract;
mod cursors;
mod documents;
mod errors;
mod example;
mod fuzz;
mod operator;
mod queries;
mod snapshots;
mod webhooks;
