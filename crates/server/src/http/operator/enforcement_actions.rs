//! Enforcement: opening, listing and resolving actions, and what becomes of identity checks.

use rollcall_domain::decision::Refusal;
use rollcall_domain::id::{EnforcementActionId, OrganizationId, ProfileId};
use rollcall_domain::profile::Profile;
use rollcall_store::Decide;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::enforcement::{
    ShownAction, parse_action, parse_identity_check, parse_list, write_action, write_list,
};
use rollcall_wire::operator::parse_nothing;
use rollcall_wire::query::parse_query_beta_only;

use super::{decide_on, named_profile, named_profile_id, written};
use crate::app::Operation;
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::{Failure, Outcome, Written};

/// `POST /operator/v1/user_profiles/{id}/enforcement_actions`
pub(crate) async fn open(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let body = call.body().await?;
    let now = app.clock.now();
    let id = app.ids.enforcement_action(now);
    let action = parse_action(&body, id.clone(), now)?;
    let owned = named_profile(&call).await?;
    let profile_id = named_profile_id(&call)?;
    let decide = Box::new(move |profile: &Profile| profile.open_action(action.clone(), now));
    decide_and_show(&call, &owned.organization_id, &profile_id, &id, decide).await
}

/// `GET /operator/v1/user_profiles/{id}/enforcement_actions`: open and past ones, oldest first.
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let profile_id = named_profile_id(&call)?;
    let request = parse_list(call.query(), &app.cursors, &profile_id)?;
    let profile = named_profile(&call).await?.document.decode()?;
    let now = app.clock.now();
    let text = write_list(
        &profile_id,
        &profile.enforcement,
        &request,
        &app.cursors,
        now,
    );
    Ok(json(text))
}

/// `POST /operator/v1/enforcement_actions/{id}/resolve`
pub(crate) async fn resolve(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    parse_nothing(&call.body().await?)?;
    let (organization_id, profile_id, id) = named_action(&call).await?;
    let now = call.app().clock.now();
    let named = id.clone();
    let decide = Box::new(move |profile: &Profile| profile.resolve_action(&named, now));
    decide_and_show(&call, &organization_id, &profile_id, &id, decide).await
}

/// `POST /operator/v1/enforcement_actions/{id}/identity_check`
pub(crate) async fn identity_check(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let state = parse_identity_check(&call.body().await?)?;
    let (organization_id, profile_id, id) = named_action(&call).await?;
    let now = call.app().clock.now();
    let named = id.clone();
    let decide = Box::new(move |profile: &Profile| profile.identity_check(&named, state, now));
    decide_and_show(&call, &organization_id, &profile_id, &id, decide).await
}

/// Decides, wakes the sweeper for an expiry that may be nearer than the one it sleeps for, and shows
/// the action as it is now.
async fn decide_and_show(
    call: &OperatorCall<'_>,
    organization_id: &OrganizationId,
    profile_id: &ProfileId,
    id: &EnforcementActionId,
    decide: Decide,
) -> Outcome {
    let app = call.app();
    let profile = decide_on(call, organization_id, profile_id, decide).await?;
    app.sweep_due.notify_one();
    let shown = ShownAction::find(&profile.enforcement, id, app.clock.now());
    let shown = shown.ok_or_else(|| {
        Failure::internal("a decided action is not its profile's", Written::Perhaps)
    })?;
    Ok(json(written(|out| write_action(out, profile_id, shown))))
}

/// The action that the path names, and whose it is. One whose profile was deleted is gone with it.
async fn named_action(
    call: &OperatorCall<'_>,
) -> Result<(OrganizationId, ProfileId, EnforcementActionId), Failure> {
    let not_found = || ApiError::from(Refusal::ActionNotFound);
    let id = EnforcementActionId::parse(call.param(0)).map_err(|_| not_found())?;
    let locate = call.app().store.locate_action(call.proof, &id);
    let located = call.exchange().read(Operation::FindProfile, locate).await?;
    let (organization_id, profile_id) = located.ok_or_else(not_found)?;
    Ok((organization_id, profile_id, id))
}
