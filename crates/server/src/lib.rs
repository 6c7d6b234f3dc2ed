//! Rollcall: a self-hosted server of user profiles. This crate puts the parts together and talks to the
//! world; what is true is decided in `rollcall-domain`, what the contract fixes byte for byte is in
//! `rollcall-wire`, what is kept is in `rollcall-store`.
//!
//! # The way of one request
//!
//! `GET /v1/user_profiles` goes through [`http::listener`] (accepts, times out, drains), [`http::service`]
//! and [`http::router`] (which path of [`http::routes`]), `http::call` (who calls, for whom, in which
//! dialect: the contract's order of checks), and `http::public::profiles::list`, which asks the dialect to read
//! the query, storage to hand the rows to the dialect's page writer, and is done. What every response
//! carries is put on in [`http::service`]; what goes wrong becomes a `Failure` (`http::error`) through `?`.
//!
//! `POST /v1/user_profiles` differs in two steps: the body becomes a draft, `Profile::create` decides,
//! and storage commits the decision whole, with its events and its audit entry.
//!
//! # The map
//!
//! - [`app`]: what every request may need. [`serving`]: how the server starts, runs and ends.
//! - [`http`]: from a connection to a handler and back.
//! - `pages`: what people see, the Verification Portal and the operator's console.
//! - `acts`: what an operator does, whichever door it is asked for at.
//! - [`credentials`], [`secrets`]: whose key it is, and how keys are made.
//! - [`background`]: what happens without being asked.
//! - [`webhooks`]: what an organization is told, and how it gets there.
//! - [`development`]: what only a development server has; [`initial`]: what it starts with.
//! - `gateway`: what a gateway is told of a profile.
//! - [`config`], [`metrics`], [`traffic`], [`telemetry`], `log_json`, `log_lines`: what is set, counted and logged.
//! - `open_files`: how many connections and deliveries fit under the limit of open files.
//! - `first_ids`: what an import has seen before.

mod acts;
pub mod app;
pub mod background;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod development;
mod duty;
pub mod email_hash;
mod first_ids;
mod gateway;
pub mod http;
pub mod initial;
mod links;
mod log_json;
mod log_lines;
pub mod metrics;
mod open_files;
mod outbound;
mod pages;
mod removal;
pub mod secrets;
pub mod serving;
pub mod telemetry;
pub mod traffic;
mod unknown_betas;
pub mod webhooks;
