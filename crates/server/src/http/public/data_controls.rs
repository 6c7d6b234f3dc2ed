//! `/v1/user_profiles/{id}/providers/google/data_controls`: the end customer's keys and buckets.
//!
//! No dialect changes anything here; the paths exist for whoever lists their beta.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::profile::Profile;
use rollcall_record::document::ProfileDocument;
use rollcall_store::Changed;
use rollcall_wire::data_controls::{parse_update, write_data_controls};
use rollcall_wire::error::ApiError;
use rollcall_wire::query::parse_query_beta_only;

use crate::app::Operation;
use crate::http::answer::json;
use crate::http::call::PublicCall;
use crate::http::error::Outcome;

/// `GET /v1/user_profiles/{id}/providers/google/data_controls`
pub(crate) async fn get(call: PublicCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let id = call.profile_id().ok_or_else(ApiError::profile_not_found)?;
    let find = app.store.find_profile(call.scope(), &id);
    let document = call.exchange().read(Operation::FindProfile, find).await?;
    let document = document.ok_or_else(ApiError::profile_not_found)?;
    show(&call, &document, app.clock.now())
}

/// `POST /v1/user_profiles/{id}/providers/google/data_controls`
pub(crate) async fn update(call: PublicCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let update = parse_update(&call.body().await?)?;
    let id = call.profile_id().ok_or_else(ApiError::profile_not_found)?;
    let (now, validator) = (app.clock.now(), app.settings.data_controls);
    let approval = call.switches().data_controls;
    let decide = Box::new(move |profile: &Profile| {
        profile.update_data_controls(&update, approval, validator, now)
    });
    let act = call.act(now);
    let change = app.store.change_profile(call.scope(), &act, &id, decide);
    match call
        .exchange()
        .write(Operation::ChangeProfile, change)
        .await?
    {
        Changed::Done(document) => show(&call, &document, now),
        Changed::Refused(refusal) => Err(refusal.into()),
        Changed::Missing => Err(ApiError::profile_not_found().into()),
    }
}

fn show(call: &PublicCall<'_>, document: &ProfileDocument, now: Timestamp) -> Outcome {
    let mut text = String::with_capacity(1_024);
    let validator = call.app().settings.data_controls;
    write_data_controls(&mut text, &document.decode()?, now, validator);
    Ok(json(text))
}
