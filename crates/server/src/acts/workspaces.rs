//! Workspaces: the parts of an organization that keys can be bound to.

use rollcall_domain::id::{OrganizationId, WorkspaceId};
use rollcall_domain::page::{Limit, ListPosition};
use rollcall_domain::tenant::Workspace;
use rollcall_store::tenants::{Listed, NotStored};
use rollcall_wire::error::ApiError;

use super::{Desk, organizations};
use crate::app::Operation::{ReadTenants, WriteTenants};
use crate::http::error::Failure;

pub(crate) async fn create(
    desk: &Desk<'_>,
    organization_id: OrganizationId,
    name: String,
) -> Result<Workspace, Failure> {
    let act = desk.act();
    let workspace = Workspace {
        id: desk.app().ids.workspace(act.at),
        organization_id,
        name,
        created_at: act.at,
    };
    let insert = desk.store().insert_workspace(desk.proof, &act, &workspace);
    match desk.write(WriteTenants, insert).await? {
        Ok(()) => Ok(workspace),
        Err(NotStored::Taken) => Err(ApiError::conflict("A workspace with this id exists").into()),
        Err(NotStored::UnknownOrganization | NotStored::UnknownWorkspace) => {
            Err(ApiError::not_found("organization").into())
        }
    }
}

/// Those of an organization, which must exist.
pub(crate) async fn list(
    desk: &Desk<'_>,
    organization_id: &OrganizationId,
    after: Option<&ListPosition>,
    limit: Limit,
) -> Result<Listed<Workspace>, Failure> {
    organizations::find(desk, organization_id).await?;
    let scope = desk.scope(organization_id);
    let list = desk.store().list_workspaces(&scope, after, limit);
    desk.read(ReadTenants, list).await
}

/// The workspace with this id, whoever's it is.
pub(crate) async fn look_up(
    desk: &Desk<'_>,
    id: &WorkspaceId,
) -> Result<Option<Workspace>, Failure> {
    let find = desk.store().find_workspace(desk.proof, id);
    desk.read(ReadTenants, find).await
}
