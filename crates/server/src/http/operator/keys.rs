//! `/operator/v1/organizations/{id}/api_keys` and `/operator/v1/api_keys/{id}`.
//!
//! A key's secret is in the answer to its creation and nowhere else. The operator's own keys are made and listed
//! [elsewhere](super::operator_keys); they can be disabled and deleted here like any other.

use rollcall_domain::tenant::ApiKey;
use rollcall_wire::operator::tenants::{parse_api_key, parse_api_key_status, write_api_key};
use rollcall_wire::operator::{ListRequest, deleted};
use rollcall_wire::query::parse_query_beta_only;

use super::{list_answer, written};
use crate::acts::{keys, organizations};
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `POST /operator/v1/organizations/{id}/api_keys`
pub(crate) async fn create(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let fields = call.fields().await?;
    let draft = parse_api_key(fields, organizations::named(call.param("organization_id"))?)?;
    let (key, secret) = keys::create(&call.desk, draft).await?;
    let shown = Some(secret.expose());
    Ok(json(written(|out| write_api_key(out, &key, shown))))
}

/// `GET /operator/v1/organizations/{id}/api_keys`
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let name = format!("api_keys {}", call.param("organization_id"));
    let request = ListRequest::parse(call.query(), &call.app().cursors, &name)?;
    let id = organizations::named(call.param("organization_id"))?;
    let listed = keys::list(&call.desk, &id, request.after.as_ref(), request.limit).await?;
    let write = |out: &mut String, key: &ApiKey| write_api_key(out, key, None);
    Ok(list_answer(&call, &request, &listed, write))
}

/// `POST /operator/v1/api_keys/{id}`
pub(crate) async fn update(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let status = parse_api_key_status(call.fields().await?)?;
    let key = keys::set_status(&call.desk, &keys::named(call.param("api_key_id"))?, status).await?;
    Ok(json(written(|out| write_api_key(out, &key, None))))
}

/// `DELETE /operator/v1/api_keys/{id}`
pub(crate) async fn delete(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = keys::named(call.param("api_key_id"))?;
    keys::delete(&call.desk, &id).await?;
    Ok(json(deleted("api_key", id.as_str())))
}
