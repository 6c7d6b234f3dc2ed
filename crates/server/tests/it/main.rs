//! Black-box tests: a whole server on a free port, and clients that only know its address.
//!
//! One file for each resource, and a few that hold for all of them: the matrices (every route with
//! every kind of key, every route with another tenant's ids) walk the router's own table, so that a
//! new route is covered or fails. The clock stands still and ids are seeded, so answers are compared
//! whole, headers and ids included.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]
#![expect(
    clippy::too_many_lines,
    reason = "a table is as long as the contract's"
)]

mod audit;
mod bodies;
mod client;
mod console;
mod console_applications;
mod console_import;
mod console_lists;
mod console_requests;
mod console_search;
mod console_webhooks;
mod contract;
mod damage;
mod data_controls;
mod development;
mod durability;
mod enforcement;
mod enrollment;
mod erasure;
mod fixtures;
mod gateway;
mod goldens;
mod headers;
mod health;
mod inference;
mod listing;
mod matrices;
mod operators_profiles;
mod order_of_checks;
mod paths;
mod portal;
mod profiles;
mod programs;
mod rate_limits;
mod receiver;
mod records;
mod roles;
mod search;
mod secrecy;
mod server;
mod storage;
mod sweeper;
mod tenancy;
mod tenants;
mod webhook_deliveries;
mod webhook_endpoints;
