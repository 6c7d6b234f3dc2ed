//! `/operator/v1/organizations/{id}/workspaces`.

use rollcall_domain::tenant::Workspace;
use rollcall_store::tenants::NotStored;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::ListRequest;
use rollcall_wire::operator::tenants::{parse_workspace, write_workspace};
use rollcall_wire::query::parse_query_beta_only;

use super::{list_answer, named_organization, organizations, written};
use crate::app::Operation;
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `POST /operator/v1/organizations/{id}/workspaces`
pub(crate) async fn create(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let name = parse_workspace(&call.body().await?)?;
    let now = app.clock.now();
    let workspace = Workspace {
        id: app.ids.workspace(now),
        organization_id: named_organization(&call)?,
        name,
        created_at: now,
    };
    let act = call.act(now);
    let insert = app.store.insert_workspace(call.proof, &act, &workspace);
    match call
        .exchange()
        .write(Operation::WriteTenants, insert)
        .await?
    {
        Ok(()) => Ok(json(written(|out| write_workspace(out, &workspace)))),
        Err(NotStored::Taken) => Err(ApiError::conflict("A workspace with this id exists").into()),
        Err(NotStored::UnknownOrganization | NotStored::UnknownWorkspace) => {
            Err(ApiError::not_found("organization").into())
        }
    }
}

/// `GET /operator/v1/organizations/{id}/workspaces`
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let name = format!("workspaces {}", call.param(0));
    let request = ListRequest::parse(call.query(), &app.cursors, &name)?;
    let organization = organizations::find(&call).await?;
    let scope = call.proof.choose(organization.id);
    let list = app
        .store
        .list_workspaces(&scope, request.after.as_ref(), request.limit);
    let listed = call.exchange().read(Operation::ReadTenants, list).await?;
    Ok(list_answer(&call, &request, &listed, write_workspace))
}
