//! The command line as its users meet it: the real binary, and what it says and ends with.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]
#![expect(
    clippy::too_many_lines,
    reason = "a conversation with the binary is as long as it is"
)]

mod both_ways;
mod care;
mod client;
mod data_controls;
mod dev;
mod erase;
mod files;
mod help;
mod open_files;
mod records;
mod rollcall;
mod secret_key;
mod serve;
mod storage;
mod surroundings;
mod transfer;
mod unread;
mod upgrades;
mod webhooks;
