//! Bytes to domain and back: everything the contract fixes, and nothing else.
//!
//! The server asks this crate what a request says and what an answer looks like; it knows neither
//! storage nor sockets, so every shape can be tested, fuzzed and measured by itself. Parsers return
//! domain values that cannot be wrong, or an [`error::ApiError`]; writers append text.
//!
//! - [`headers`]: version, betas, workspace; from the betas follows the [`dialect::Dialect`].
//! - [`dialect`] and [`dialects`]: one file for each dated shape of the profile API, to be read beside
//!   the contract: lists of the fields, members of answers and filters that `sent`, `shown` and `filters`
//!   tell once each. A new dialect is a new file and one line in [`dialects::ALL`].
//! - [`query`]: query strings, strictly. [`cursor`]: positions as opaque text.
//! - [`enrollment_urls`], [`data_controls`], [`webhooks`], [`operator`], [`gateway`]: the shapes no dialect
//!   changes.
//! - [`inference`]: the bodies of the inference stub of a development server.
//! - [`openapi`]: documents that say all of this to programs.
//! - [`error`]: what a client is told when something is wrong. [`object`]: how answers are written.
#![warn(missing_docs)]

pub mod cursor;
pub mod data_controls;
pub mod dialect;
pub mod dialects;
pub mod enrollment_urls;
pub mod error;
mod filters;
pub mod gateway;
pub mod headers;
pub mod inference;
mod members;
pub mod object;
pub mod openapi;
pub mod operator;
mod parts;
pub mod query;
mod sent;
mod shown;
pub mod webhooks;
