//! What the operator asks for: tenants, keys, profiles of every organization, and decisions on them
//! (contract `operator.md`). Rollcall's own API, so its shapes may grow.
//!
//! A handler parses, acts ([`crate::acts`]) and writes the answer.

pub(crate) mod audit_events;
pub(crate) mod data_controls;
pub(crate) mod dev;
pub(crate) mod enforcement_actions;
pub(crate) mod enrollments;
pub(crate) mod gateway;
pub(crate) mod keys;
pub(crate) mod operator_keys;
pub(crate) mod organizations;
pub(crate) mod profiles;
pub(crate) mod programs;
pub(crate) mod records;
pub(crate) mod webhook_deliveries;
pub(crate) mod webhook_endpoints;
pub(crate) mod workspaces;

use rollcall_store::tenants::Listed;
use rollcall_wire::object;
use rollcall_wire::operator::{ListPosition, ListRequest};

use super::answer::{Answer, json};
use super::call::OperatorCall;

/// The text that `write` appends to an empty one.
fn written(write: impl FnOnce(&mut String)) -> String {
    let mut out = String::with_capacity(512);
    write(&mut out);
    out
}

/// The answer to a list of tenants or keys.
fn list_answer<T>(
    call: &OperatorCall<'_>,
    request: &ListRequest<ListPosition>,
    listed: &Listed<T>,
    write: impl FnMut(&mut String, &T),
) -> Answer {
    let next = listed.next.as_ref();
    let next_page = next.map(|position| request.next_page(&call.app().cursors, position));
    json(object::page(&listed.items, write, next_page.as_deref()))
}
