//! `/operator/v1/organizations` and `/operator/v1/organizations/{id}`.

use rollcall_domain::tenant::Organization;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::ListRequest;
use rollcall_wire::operator::tenants::{
    parse_organization, parse_organization_patch, write_organization,
};
use rollcall_wire::query::parse_query_beta_only;

use super::{list_answer, named_organization, written};
use crate::app::Operation;
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `POST /operator/v1/organizations`
pub(crate) async fn create(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let draft = parse_organization(&call.body().await?)?;
    let now = app.clock.now();
    let organization = Organization {
        id: app.ids.organization(now),
        name: draft.name,
        created_at: now,
        rate_limit_rpm: draft.rate_limit_rpm,
        status: draft.status,
    };
    let act = call.act(now);
    let insert = app
        .store
        .insert_organization(call.proof, &act, &organization);
    let inserted = call
        .exchange()
        .write(Operation::WriteTenants, insert)
        .await?;
    inserted.map_err(|_| ApiError::conflict("An organization with this id exists"))?;
    Ok(json(written(|out| write_organization(out, &organization))))
}

/// `GET /operator/v1/organizations`
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let request = ListRequest::parse(call.query(), &app.cursors, "organizations")?;
    let list = app
        .store
        .list_organizations(call.proof, request.after.as_ref(), request.limit);
    let listed = call.exchange().read(Operation::ReadTenants, list).await?;
    Ok(list_answer(&call, &request, &listed, write_organization))
}

/// `GET /operator/v1/organizations/{id}`
pub(crate) async fn get(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let organization = find(&call).await?;
    Ok(json(written(|out| write_organization(out, &organization))))
}

/// `POST /operator/v1/organizations/{id}`
pub(crate) async fn update(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let patch = parse_organization_patch(&call.body().await?)?;
    let id = named_organization(&call)?;
    let act = call.act(app.clock.now());
    let change = app.store.change_organization(call.proof, &act, &id, &patch);
    let changed = call
        .exchange()
        .write(Operation::WriteTenants, change)
        .await?;
    app.credentials.forget();
    let organization = changed.ok_or_else(|| ApiError::not_found("organization"))?;
    Ok(json(written(|out| write_organization(out, &organization))))
}

/// The organization that the path names.
pub(super) async fn find(
    call: &OperatorCall<'_>,
) -> Result<Organization, crate::http::error::Failure> {
    let id = named_organization(call)?;
    let find = call.app().store.find_organization(call.proof, &id);
    let found = call.exchange().read(Operation::ReadTenants, find).await?;
    found.ok_or_else(|| ApiError::not_found("organization").into())
}
