//! Organizations: the platforms.

use std::time::Duration;

use rollcall_domain::gateway_policy::GatewayPolicy;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::page::{Limit, ListPosition};
use rollcall_domain::tenant::{Organization, OrganizationPatch};
use rollcall_store::tenants::{Left, Listed};
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::tenants::OrganizationDraft;
use tokio::time::{Instant, timeout_at};

use super::Desk;
use crate::app::Operation::{ReadTenants, RemoveOrganization, WriteTenants};
use crate::http::error::Failure;
use crate::removal;

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

/// How long whoever ends a tenancy waits for its end at the most; no longer than half the time that there is for a request,
/// so that the answer says that the end has begun, and not that nobody knows.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends a tenancy: nothing of it is answered any more. What is left of it when this took long is removed by whoever asks
/// again, and by the server itself.
pub(crate) async fn remove(desk: &Desk<'_>, id: &OrganizationId) -> Result<Left, Failure> {
    let (app, act) = (desk.app(), desk.act());
    let until = Instant::now() + PATIENCE.min(app.settings.request_timeout / 2);
    let begin = desk.store().begin_removal(desk.proof, &act, id);
    let outcome = desk.write(WriteTenants, begin).await?;
    app.credentials.forget();
    outcome.ok_or_else(not_found)??;
    let go_on = timeout_at(until, removal::go_on(desk.store(), &*app.clock, id));
    let go_on = async {
        match go_on.await {
            Ok(over) => over.map(|()| Left::Nothing),
            Err(_elapsed) => Ok(Left::More),
        }
    };
    let left = desk.write(RemoveOrganization, go_on).await;
    app.credentials.forget();
    left
}

fn not_found() -> Failure {
    ApiError::not_found("organization").into()
}
