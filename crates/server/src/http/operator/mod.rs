//! What the operator asks for: tenants, keys, profiles of every organization, and decisions on them
//! (contract `operator.md`). Rollcall's own API, so its shapes may grow.
//!
//! Handlers read like the public ones: query, body, decide, store, render. What crosses tenants needs
//! the operator's proof, which the call carries; a decision on one profile is made in the scope of
//! its organization, which the operator chooses by naming the profile.

pub(crate) mod audit_events;
pub(crate) mod dev;
pub(crate) mod enforcement_actions;
pub(crate) mod enrollments;
pub(crate) mod keys;
pub(crate) mod organizations;
pub(crate) mod profiles;
pub(crate) mod programs;
pub(crate) mod records;
pub(crate) mod webhook_deliveries;
pub(crate) mod webhook_endpoints;
pub(crate) mod workspaces;

use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::profile::Profile;
use rollcall_store::registry::OwnedProfile;
use rollcall_store::tenants::Listed;
use rollcall_store::{Changed, Decide};
use rollcall_wire::error::ApiError;
use rollcall_wire::object;
use rollcall_wire::operator::{ListPosition, ListRequest};

use super::answer::{Answer, json};
use super::call::OperatorCall;
use super::error::Failure;
use crate::app::Operation;

/// The text that `write` appends to an empty one.
fn written(write: impl FnOnce(&mut String)) -> String {
    let mut out = String::with_capacity(512);
    write(&mut out);
    out
}

/// The organization that the path names, whether or not there is one.
fn named_organization(call: &OperatorCall<'_>) -> Result<OrganizationId, Failure> {
    let named = OrganizationId::parse(call.param(0));
    named.map_err(|_| ApiError::not_found("organization").into())
}

/// The profile that the path names, and whose it is.
async fn named_profile(call: &OperatorCall<'_>) -> Result<OwnedProfile, Failure> {
    let id = named_profile_id(call)?;
    let locate = call.app().store.locate_profile(call.proof, &id);
    let found = call.exchange().read(Operation::FindProfile, locate).await?;
    found.ok_or_else(|| ApiError::profile_not_found().into())
}

fn named_profile_id(call: &OperatorCall<'_>) -> Result<ProfileId, Failure> {
    ProfileId::parse(call.param(0)).map_err(|_| ApiError::profile_not_found().into())
}

/// Decides on a profile that was located, in its organization's scope, and reads what it is now.
async fn decide_on(
    call: &OperatorCall<'_>,
    organization_id: &OrganizationId,
    profile_id: &ProfileId,
    decide: Decide,
) -> Result<Profile, Failure> {
    let app = call.app();
    let scope = call.proof.choose(organization_id.clone());
    let act = call.act(app.clock.now());
    let change = app.store.change_profile(&scope, &act, profile_id, decide);
    match call
        .exchange()
        .write(Operation::ChangeProfile, change)
        .await?
    {
        Changed::Done(document) => Ok(document.decode()?),
        Changed::Refused(refusal) => Err(refusal.into()),
        Changed::Missing => Err(ApiError::profile_not_found().into()),
    }
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
