//! `/operator/v1/organizations/{id}/api_keys` and `/operator/v1/api_keys/{id}`.
//!
//! A key's secret is in the answer to its creation and nowhere else. The operator's own keys are made
//! on the command line alone; they can be disabled and deleted here like any other.

use rollcall_domain::id::ApiKeyId;
use rollcall_domain::tenant::{ApiKey, BornExpired};
use rollcall_store::tenants::NotStored;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::tenants::{parse_api_key, parse_api_key_status, write_api_key};
use rollcall_wire::operator::{ListRequest, deleted};
use rollcall_wire::query::parse_query_beta_only;

use super::{list_answer, named_organization, organizations, written};
use crate::app::Operation;
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::{Failure, Outcome};
use crate::secrets::Secret;

/// `POST /operator/v1/organizations/{id}/api_keys`
pub(crate) async fn create(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let body = call.body().await?;
    let draft = parse_api_key(&body, named_organization(&call)?)?;
    let now = app.clock.now();
    let secret = Secret::key(draft.owner.kind(), &app.ids);
    let id = app.ids.api_key(now);
    let key = ApiKey::create(id, draft.owner, draft.name, draft.expires_at, now)
        .map_err(|_born_expired| ApiError::at("expires_at", BornExpired::MESSAGE))?;
    let act = call.act(now);
    let hash = secret.hash();
    let insert = app.store.insert_key(call.proof, &act, &key, &hash);
    match call
        .exchange()
        .write(Operation::WriteTenants, insert)
        .await?
    {
        Ok(()) => {
            let shown = Some(secret.expose());
            Ok(json(written(|out| write_api_key(out, &key, shown))))
        }
        Err(NotStored::UnknownOrganization) => Err(ApiError::not_found("organization").into()),
        Err(NotStored::UnknownWorkspace) => {
            let message = "is not a workspace of this organization";
            Err(ApiError::at("workspace_id", message).into())
        }
        Err(NotStored::Taken) => Err(ApiError::conflict("An API key with this id exists").into()),
    }
}

/// `GET /operator/v1/organizations/{id}/api_keys`
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let name = format!("api_keys {}", call.param(0));
    let request = ListRequest::parse(call.query(), &app.cursors, &name)?;
    let organization = organizations::find(&call).await?;
    let owner = Some(&organization.id);
    let list = app
        .store
        .list_keys(call.proof, owner, request.after.as_ref(), request.limit);
    let listed = call.exchange().read(Operation::ReadTenants, list).await?;
    let write = |out: &mut String, key: &ApiKey| write_api_key(out, key, None);
    Ok(list_answer(&call, &request, &listed, write))
}

/// `POST /operator/v1/api_keys/{id}`
pub(crate) async fn update(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let status = parse_api_key_status(&call.body().await?)?;
    let id = named_key(&call)?;
    let act = call.act(app.clock.now());
    let change = app.store.set_key_status(call.proof, &act, &id, status);
    let changed = call
        .exchange()
        .write(Operation::WriteTenants, change)
        .await?;
    app.credentials.forget();
    let key = changed.ok_or_else(not_found)?;
    Ok(json(written(|out| write_api_key(out, &key, None))))
}

/// `DELETE /operator/v1/api_keys/{id}`
pub(crate) async fn delete(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let id = named_key(&call)?;
    let act = call.act(app.clock.now());
    let remove = app.store.remove_key(call.proof, &act, &id);
    let removed = call
        .exchange()
        .write(Operation::WriteTenants, remove)
        .await?;
    app.credentials.forget();
    if removed {
        Ok(json(deleted("api_key", id.as_str())))
    } else {
        Err(not_found().into())
    }
}

fn named_key(call: &OperatorCall<'_>) -> Result<ApiKeyId, Failure> {
    ApiKeyId::parse(call.param(0)).map_err(|_| not_found().into())
}

fn not_found() -> ApiError {
    ApiError::not_found("API key")
}
