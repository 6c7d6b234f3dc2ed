//! `/operator/v1/operator_keys` and `/operator/v1/operator_keys/{id}`: the operator's own keys, each with its role.
//!
//! A key's secret is in the answer to its creation and nowhere else.

use rollcall_domain::tenant::ApiKey;
use rollcall_wire::operator::tenants::{parse_api_key_status, parse_operator_key, write_api_key};
use rollcall_wire::operator::{ListRequest, deleted};
use rollcall_wire::query::parse_query_beta_only;

use super::{list_answer, written};
use crate::acts::keys;
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `POST /operator/v1/operator_keys`
pub(crate) async fn create(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let draft = parse_operator_key(call.fields().await?)?;
    let (key, secret) = keys::create(&call.desk, draft).await?;
    let shown = Some(secret.expose());
    Ok(json(written(|out| write_api_key(out, &key, shown))))
}

/// `GET /operator/v1/operator_keys`
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let request = ListRequest::parse(call.query(), &call.app().cursors, "operator_keys")?;
    let after = request.after.as_ref();
    let listed = keys::list_operators(&call.desk, after, request.limit).await?;
    let write = |out: &mut String, key: &ApiKey| write_api_key(out, key, None);
    Ok(list_answer(&call, &request, &listed, write))
}

/// `POST /operator/v1/operator_keys/{id}`
pub(crate) async fn update(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let status = parse_api_key_status(call.fields().await?)?;
    let ApiKey { id, .. } = keys::find_operators(&call.desk, call.param("operator_key_id")).await?;
    let key = keys::set_status(&call.desk, &id, status).await?;
    Ok(json(written(|out| write_api_key(out, &key, None))))
}

/// `DELETE /operator/v1/operator_keys/{id}`
pub(crate) async fn delete(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let ApiKey { id, .. } = keys::find_operators(&call.desk, call.param("operator_key_id")).await?;
    keys::delete(&call.desk, &id).await?;
    Ok(json(deleted("api_key", id.as_str())))
}
