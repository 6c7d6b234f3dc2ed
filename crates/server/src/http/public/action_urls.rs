//! `/v1/user_profiles/{id}/action_urls` and its legacy form `/v1/user_profiles/{id}/enrollment_url`.
//!
//! Both make the same kind of URL. Its token exists in the answer alone; what is stored is its hash.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enrollment::EnrollmentUrl;
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
use crate::secrets::Secret;

/// `POST /v1/user_profiles/{id}/enrollment_url`
pub(crate) async fn create_enrollment_url(call: PublicCall<'_>) -> Outcome {
    call.in_dialect_with_enrollment_url()?;
    parse_query_beta_only(call.query())?;
    parse_enrollment_url_body(&call.body().await?)?;
    let made = make(&call).await?;
    Ok(json(write_enrollment_url(made.expires_at, &made.url)))
}

/// `POST /v1/user_profiles/{id}/action_urls`
pub(crate) async fn create(call: PublicCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    match parse_action_url_body(&call.body().await?)? {
        UrlAction::EnrollEndUser => {}
    }
    let made = make(&call).await?;
    Ok(json(write_action_url(made.expires_at, &made.url)))
}

struct Made {
    expires_at: Timestamp,
    url: String,
}

async fn make(call: &PublicCall<'_>) -> Result<Made, Failure> {
    let app = call.app();
    match call.switches().enrollment_links {
        EnrollmentLinks::Enabled => {}
        EnrollmentLinks::Disabled => return Err(ApiError::profile_not_found().into()),
    }
    let profile_id = call.profile_id().ok_or_else(ApiError::profile_not_found)?;
    let token = Secret::enrollment_token(&app.ids);
    let now = app.clock.now();
    let url = EnrollmentUrl {
        token_hash: token.hash(),
        organization_id: call.organization_id().clone(),
        profile_id,
        created_at: now,
        expires_at: now.saturating_add(app.settings.enrollment_url_lifetime),
        enrollment_id: None,
    };
    let act = call.act(now);
    let insert = app.store.insert_enrollment_url(call.scope(), &act, &url);
    if !call
        .exchange()
        .write(Operation::InsertEnrollmentUrl, insert)
        .await?
    {
        return Err(ApiError::profile_not_found().into());
    }
    let base = &app.settings.public_base_url;
    Ok(Made {
        expires_at: url.expires_at,
        url: format!("{base}/user-profiles/enrollment/{}", token.expose()),
    })
}
