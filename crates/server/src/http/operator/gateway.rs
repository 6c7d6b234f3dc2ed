//! `/operator/v1/organizations/{id}/gateway_policy` and `…/gateway_decision`.

use rollcall_wire::operator::gateway::{
    parse_decision, parse_policy, write_decision, write_policy,
};
use rollcall_wire::query::parse_query_beta_only;

use super::written;
use crate::acts::{gateway, organizations};
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `GET /operator/v1/organizations/{id}/gateway_policy`
pub(crate) async fn show_policy(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let id = organizations::named(call.param("organization_id"))?;
    let organization = organizations::find(&call.desk, &id).await?;
    Ok(json(written(|out| write_policy(out, &organization))))
}

/// `POST /operator/v1/organizations/{id}/gateway_policy`: answers with the policy as it is now.
pub(crate) async fn change_policy(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let patch = parse_policy(call.fields().await?)?;
    let id = organizations::named(call.param("organization_id"))?;
    let organization = organizations::update(&call.desk, &id, &patch).await?;
    Ok(json(written(|out| write_policy(out, &organization))))
}

/// `GET /operator/v1/organizations/{id}/gateway_decision`: what a gateway would be told now.
pub(crate) async fn decide(call: OperatorCall<'_>) -> Outcome {
    let request = parse_decision(call.query())?;
    let id = organizations::named(call.param("organization_id"))?;
    let told = gateway::decide(&call.desk, &id, request).await?;
    let profile = told.profile();
    let decision = told.judged.decision;
    Ok(json(written(|out| {
        write_decision(out, decision, profile.as_ref());
    })))
}
