//! `/v1/user_profiles/{id}/action_urls` and its legacy form `/v1/user_profiles/{id}/enrollment_url`.
//!
//! Both make the same kind of URL.

use rollcall_domain::tenant::EnrollmentLinks;
use rollcall_wire::enrollment_urls::{
    UrlAction, parse_action_url_body, parse_enrollment_url_body, write_action_url,
    write_enrollment_url,
};
use rollcall_wire::error::ApiError;
use rollcall_wire::query::parse_query_beta_only;

use crate::app::Operation;
use crate::http::answer::json;
use crate::http::call::PublicCall;
use crate::http::error::{Failure, Outcome};
use crate::links::Link;

/// `POST /v1/user_profiles/{id}/enrollment_url`
pub(crate) async fn create_enrollment_url(call: PublicCall<'_>) -> Outcome {
    call.in_dialect_with_enrollment_url()?;
    parse_query_beta_only(call.query())?;
    parse_enrollment_url_body(&call.body().await?)?;
    let made = make(&call).await?;
    Ok(json(write_enrollment_url(
        made.stored.expires_at,
        &made.url,
    )))
}

/// `POST /v1/user_profiles/{id}/action_urls`
pub(crate) async fn create(call: PublicCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    match parse_action_url_body(&call.body().await?)? {
        UrlAction::EnrollEndUser => {}
    }
    let made = make(&call).await?;
    Ok(json(write_action_url(made.stored.expires_at, &made.url)))
}

async fn make(call: &PublicCall<'_>) -> Result<Link, Failure> {
    match call.switches().enrollment_links {
        EnrollmentLinks::Enabled => {}
        EnrollmentLinks::Disabled => return Err(ApiError::profile_not_found().into()),
    }
    let profile_id = call.profile_id().ok_or_else(ApiError::profile_not_found)?;
    let now = call.app().clock.now();
    let link = Link::new(call.app(), call.organization_id(), profile_id, now);
    let (store, act) = (&call.app().store, call.act(now));
    let insert = store.insert_enrollment_url(call.scope(), &act, &link.stored);
    let stored = call
        .exchange()
        .write(Operation::InsertEnrollmentUrl, insert)
        .await?;
    stored
        .then_some(link)
        .ok_or_else(|| ApiError::profile_not_found().into())
}
