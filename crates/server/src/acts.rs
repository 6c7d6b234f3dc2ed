//! What an operator does, each act in one function: the id it gives, the clock it reads, what it stores, and what has to
//! be forgotten or woken after it. An act is told what was parsed and answers with a value of the domain or with the
//! [`Failure`](crate::http::error::Failure) that every door tells alike.
//!
//! Two doors lead here: the operator API (parse, act, write) and the console (form, act, page). The command line goes
//! through the first. Who acts, and on what, is the [`Desk`].
//!
//! To add an act, write a function that takes the desk in the file of its noun; the handler of a route and the page of
//! a form call it.

pub(crate) mod audit;
pub(crate) mod data_controls;
pub(crate) mod deliveries;
mod desk;
pub(crate) mod development;
pub(crate) mod endpoints;
pub(crate) mod enforcement;
pub(crate) mod enrollments;
pub(crate) mod finding;
pub(crate) mod gateway;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod organizations;
pub(crate) mod profiles;
pub(crate) mod programs;
pub(crate) mod records;
pub(crate) mod workspaces;

pub(crate) use desk::Desk;

use rollcall_wire::error::ErrorKind;

use crate::http::error::Failure;

/// What was found, or nothing where it is not there.
pub(crate) fn if_there<T>(found: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match found {
        Err(failure) if failure.told().kind == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}
