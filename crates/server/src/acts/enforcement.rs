//! Enforcement: opening and resolving actions, and what becomes of identity checks. Each wakes the sweeper, for an expiry
//! that may be nearer than the one it sleeps for.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Refusal;
use rollcall_domain::enforcement::{CheckState, EnforcementAction};
use rollcall_domain::id::{EnforcementActionId, OrganizationId, ProfileId};
use rollcall_domain::profile::Profile;
use rollcall_record::field::Fields;
use rollcall_store::Decide;
use rollcall_store::registry::OwnedProfile;
use rollcall_wire::error::ApiError;
use rollcall_wire::operator::enforcement::parse_action;

use super::{Desk, profiles};
use crate::app::Operation::FindProfile;
use crate::http::error::Failure;

/// An action, and the profile that it is said to be of.
pub(crate) struct NamedAction {
    pub(crate) id: EnforcementActionId,
    pub(crate) profile_id: ProfileId,
    pub(crate) organization_id: OrganizationId,
}

/// The action that is called so, whether or not there is one.
pub(crate) fn named(text: &str) -> Result<EnforcementActionId, Failure> {
    EnforcementActionId::parse(text).map_err(|_| not_found())
}

/// Finds whose an action is. One whose profile was deleted is gone with it.
pub(crate) async fn find(desk: &Desk<'_>, id: EnforcementActionId) -> Result<NamedAction, Failure> {
    let locate = desk.store().locate_action(desk.proof, &id);
    let located = desk.read(FindProfile, locate).await?;
    let (organization_id, profile_id) = located.ok_or_else(not_found)?;
    Ok(NamedAction {
        id,
        profile_id,
        organization_id,
    })
}

/// The action that the operator states, which is to be opened now.
pub(crate) fn stated(desk: &Desk<'_>, fields: Fields) -> Result<EnforcementAction, Failure> {
    let app = desk.app();
    let now = app.clock.now();
    Ok(parse_action(fields, app.ids.enforcement_action(now), now)?)
}

/// Answers with the profile as it is then.
pub(crate) async fn open(
    desk: &Desk<'_>,
    of: &OwnedProfile,
    action: EnforcementAction,
) -> Result<Profile, Failure> {
    decide(desk, &of.organization_id, &of.id, |now| {
        Box::new(move |profile| profile.open_action(action.clone(), now))
    })
    .await
}

/// Answers with the profile as it is then.
pub(crate) async fn resolve(desk: &Desk<'_>, action: &NamedAction) -> Result<Profile, Failure> {
    let id = action.id.clone();
    decide(desk, &action.organization_id, &action.profile_id, |now| {
        Box::new(move |profile| profile.resolve_action(&id, now))
    })
    .await
}

/// Records what became of the identity check that can clear an action. Answers with the profile as it is then.
pub(crate) async fn identity_check(
    desk: &Desk<'_>,
    action: &NamedAction,
    state: CheckState,
) -> Result<Profile, Failure> {
    let id = action.id.clone();
    decide(desk, &action.organization_id, &action.profile_id, |now| {
        Box::new(move |profile| profile.identity_check(&id, state, now))
    })
    .await
}

async fn decide(
    desk: &Desk<'_>,
    organization_id: &OrganizationId,
    profile_id: &ProfileId,
    decide: impl FnOnce(Timestamp) -> Decide,
) -> Result<Profile, Failure> {
    let decided = profiles::decide(desk, organization_id, profile_id, decide).await?;
    desk.app().sweep_due.notify_one();
    Ok(decided)
}

fn not_found() -> Failure {
    ApiError::from(Refusal::ActionNotFound).into()
}
