//! Organizations: the platforms.

use rollcall_domain::gateway_policy::GatewayPolicy;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::page::{Limit, ListPosition};
use rollcall_domain::tenant::{Organization, OrganizationPatch};
use rollcall_store::tenants::Listed;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::tenants::OrganizationDraft;

use super::Desk;
use crate::app::Operation::{ReadTenants, WriteTenants};
use crate::http::error::Failure;

/// The organization that is called so, whether or not there is one.
pub(crate) fn named(text: &str) -> Result<OrganizationId, Failure> {
    OrganizationId::parse(text).map_err(|_| not_found())
}

pub(crate) async fn create(
    desk: &Desk<'_>,
    draft: OrganizationDraft,
) -> Result<Organization, Failure> {
    let act = desk.act();
    let organization = Organization {
        id: desk.app().ids.organization(act.at),
        name: draft.name,
        created_at: act.at,
        rate_limit_rpm: draft.rate_limit_rpm,
        status: draft.status,
        switches: draft.switches,
        gateway_policy: GatewayPolicy::default(),
    };
    let insert = desk
        .store()
        .insert_organization(desk.proof, &act, &organization);
    let inserted = desk.write(WriteTenants, insert).await?;
    inserted.map_err(|_| ApiError::conflict("An organization with this id exists"))?;
    Ok(organization)
}

pub(crate) async fn list(
    desk: &Desk<'_>,
    after: Option<&ListPosition>,
    limit: Limit,
) -> Result<Listed<Organization>, Failure> {
    let list = desk.store().list_organizations(desk.proof, after, limit);
    desk.read(ReadTenants, list).await
}

pub(crate) async fn find(desk: &Desk<'_>, id: &OrganizationId) -> Result<Organization, Failure> {
    let find = desk.store().find_organization(desk.proof, id);
    let found = desk.read(ReadTenants, find).await?;
    found.ok_or_else(not_found)
}

pub(crate) async fn update(
    desk: &Desk<'_>,
    id: &OrganizationId,
    patch: &OrganizationPatch,
) -> Result<Organization, Failure> {
    let act = desk.act();
    let change = desk
        .store()
        .change_organization(desk.proof, &act, id, patch);
    let changed = desk.write(WriteTenants, change).await?;
    desk.app().credentials.forget();
    changed.ok_or_else(not_found)
}

fn not_found() -> Failure {
    ApiError::not_found("organization").into()
}
