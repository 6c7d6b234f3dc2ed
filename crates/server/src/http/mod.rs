//! HTTP: from a connection to a handler and back.
//!
//! A request goes through [`listener`] (sockets, time limits, drain) and [`service`], which is wrapped
//! around all the rest: [`router`] (which path, which method, in the table of [`routes`]), `call` (who
//! calls, for whom, in which dialect) and one handler in `public`, `operator` or `pages`. A handler is given
//! an `exchange::Exchange`; whatever goes wrong on the way becomes an `error::Failure`.

pub(crate) mod answer;
pub mod body;
pub(crate) mod call;
mod cors;
pub(crate) mod docs;
pub(crate) mod error;
pub(crate) mod exchange;
pub mod fences;
pub(crate) mod gateway;
mod health;
pub(crate) mod host;
pub mod listener;
pub mod openapi;
pub(crate) mod operator;
pub(crate) mod public;
pub mod roles;
pub mod router;
pub mod routes;
pub mod service;
mod source;
pub mod starting;
