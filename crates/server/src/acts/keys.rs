//! API keys. A key's secret is given to whoever makes it, once, and is nowhere else.

use rollcall_domain::id::{ApiKeyId, OrganizationId};
use rollcall_domain::page::{Limit, ListPosition};
use rollcall_domain::tenant::{ApiKey, BornExpired, KeyStatus};
use rollcall_store::tenants::{Listed, NotStored};
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::tenants::ApiKeyDraft;

use super::{Desk, organizations};
use crate::app::Operation::{ReadTenants, WriteTenants};
use crate::http::error::Failure;
use crate::secrets::Secret;

/// The key that is called so, whether or not there is one.
pub(crate) fn named(text: &str) -> Result<ApiKeyId, Failure> {
    ApiKeyId::parse(text).map_err(|_| not_found())
}

/// The key that is called so, which must be one of the operator's own.
pub(crate) async fn find_operators(desk: &Desk<'_>, text: &str) -> Result<ApiKey, Failure> {
    let key = find(desk, &named(text)?).await?;
    let is_operators = key.owner.role().is_some();
    is_operators.then_some(key).ok_or_else(not_found)
}

pub(crate) async fn create(
    desk: &Desk<'_>,
    draft: ApiKeyDraft,
) -> Result<(ApiKey, Secret), Failure> {
    let ids = &desk.app().ids;
    let act = desk.act();
    let secret = Secret::key(draft.owner.kind(), ids);
    let id = ids.api_key(act.at);
    let key = ApiKey::create(id, draft.owner, draft.name, draft.expires_at, act.at)
        .map_err(|_born_expired| ApiError::at("expires_at", BornExpired::MESSAGE))?;
    let hash = secret.hash();
    let insert = desk.store().insert_key(desk.proof, &act, &key, &hash);
    match desk.write(WriteTenants, insert).await? {
        Ok(()) => Ok((key, secret)),
        Err(NotStored::UnknownOrganization) => Err(ApiError::not_found("organization").into()),
        Err(NotStored::UnknownWorkspace) => {
            let message = "is not a workspace of this organization";
            Err(ApiError::at("workspace_id", message).into())
        }
        Err(NotStored::Taken) => Err(ApiError::conflict("An API key with this id exists").into()),
    }
}

/// Those of an organization, which must exist.
pub(crate) async fn list(
    desk: &Desk<'_>,
    organization_id: &OrganizationId,
    after: Option<&ListPosition>,
    limit: Limit,
) -> Result<Listed<ApiKey>, Failure> {
    organizations::find(desk, organization_id).await?;
    let owner = Some(organization_id);
    let list = desk.store().list_keys(desk.proof, owner, after, limit);
    desk.read(ReadTenants, list).await
}

/// The operator's own.
pub(crate) async fn list_operators(
    desk: &Desk<'_>,
    after: Option<&ListPosition>,
    limit: Limit,
) -> Result<Listed<ApiKey>, Failure> {
    let list = desk.store().list_keys(desk.proof, None, after, limit);
    desk.read(ReadTenants, list).await
}

pub(crate) async fn find(desk: &Desk<'_>, id: &ApiKeyId) -> Result<ApiKey, Failure> {
    let find = desk.store().find_key(desk.proof, id);
    let found = desk.read(ReadTenants, find).await?;
    found.ok_or_else(not_found)
}

/// Enables or disables a key.
pub(crate) async fn set_status(
    desk: &Desk<'_>,
    id: &ApiKeyId,
    status: KeyStatus,
) -> Result<ApiKey, Failure> {
    let act = desk.act();
    let change = desk.store().set_key_status(desk.proof, &act, id, status);
    let changed = desk.write(WriteTenants, change).await?;
    desk.app().credentials.forget();
    changed.map_err(ApiError::from)?.ok_or_else(not_found)
}

pub(crate) async fn delete(desk: &Desk<'_>, id: &ApiKeyId) -> Result<(), Failure> {
    let act = desk.act();
    let remove = desk.store().remove_key(desk.proof, &act, id);
    let removed = desk.write(WriteTenants, remove).await?;
    desk.app().credentials.forget();
    let removed = removed.map_err(ApiError::from)?;
    removed.then_some(()).ok_or_else(not_found)
}

fn not_found() -> Failure {
    ApiError::not_found("API key").into()
}
