//! `/operator/v1/organizations/{id}/workspaces`.

use rollcall_wire::operator::ListRequest;
use rollcall_wire::operator::tenants::{parse_workspace, write_workspace};
use rollcall_wire::query::parse_query_beta_only;

use super::{list_answer, written};
use crate::acts::{organizations, workspaces};
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `POST /operator/v1/organizations/{id}/workspaces`
pub(crate) async fn create(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let name = parse_workspace(call.fields().await?)?;
    let organization_id = organizations::named(call.param("organization_id"))?;
    let workspace = workspaces::create(&call.desk, organization_id, name).await?;
    Ok(json(written(|out| write_workspace(out, &workspace))))
}

/// `GET /operator/v1/organizations/{id}/workspaces`
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let name = format!("workspaces {}", call.param("organization_id"));
    let request = ListRequest::parse(call.query(), &call.app().cursors, &name)?;
    let id = organizations::named(call.param("organization_id"))?;
    let (after, limit) = (request.after.as_ref(), request.limit);
    let listed = workspaces::list(&call.desk, &id, after, limit).await?;
    Ok(list_answer(&call, &request, &listed, write_workspace))
}
