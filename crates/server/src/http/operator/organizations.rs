//! `/operator/v1/organizations` and `/operator/v1/organizations/{id}`.

use http::StatusCode;
use rollcall_store::tenants::Left;
use rollcall_wire::operator::tenants::{
    parse_organization, parse_organization_patch, removal_under_way, write_organization,
};
use rollcall_wire::operator::{ListRequest, deleted};
use rollcall_wire::query::parse_query_beta_only;

use super::{list_answer, written};
use crate::acts::organizations;
use crate::http::answer::{json, json_with_status};
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `POST /operator/v1/organizations`
pub(crate) async fn create(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let draft = parse_organization(call.fields().await?)?;
    let organization = organizations::create(&call.desk, draft).await?;
    Ok(json(written(|out| write_organization(out, &organization))))
}

/// `GET /operator/v1/organizations`
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let request = ListRequest::parse(call.query(), &call.app().cursors, "organizations")?;
    let listed = organizations::list(&call.desk, request.after.as_ref(), request.limit).await?;
    Ok(list_answer(&call, &request, &listed, write_organization))
}

/// `GET /operator/v1/organizations/{id}`
pub(crate) async fn get(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = organizations::named(call.param("organization_id"))?;
    let organization = organizations::find(&call.desk, &id).await?;
    Ok(json(written(|out| write_organization(out, &organization))))
}

/// `POST /operator/v1/organizations/{id}`
pub(crate) async fn update(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let patch = parse_organization_patch(call.fields().await?)?;
    let id = organizations::named(call.param("organization_id"))?;
    let organization = organizations::update(&call.desk, &id, &patch).await?;
    Ok(json(written(|out| write_organization(out, &organization))))
}

/// `DELETE /operator/v1/organizations/{id}`: ends a tenancy.
pub(crate) async fn remove(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = organizations::named(call.param("organization_id"))?;
    Ok(match organizations::remove(&call.desk, &id).await? {
        Left::Nothing => json(deleted("organization", id.as_str())),
        Left::More => json_with_status(StatusCode::ACCEPTED, removal_under_way(&id)),
    })
}
