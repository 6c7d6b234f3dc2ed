//! Enforcement: opening, listing and resolving actions, and what becomes of identity checks.

use rollcall_domain::id::EnforcementActionId;
use rollcall_domain::profile::Profile;
use rollcall_wire::operator::enforcement::{
    ShownAction, parse_identity_check, parse_list, write_action, write_list,
};
use rollcall_wire::operator::parse_nothing;
use rollcall_wire::query::parse_query_beta_only;

use super::written;
use crate::acts::{enforcement, profiles};
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::{Failure, Outcome, Written};

/// `POST /operator/v1/user_profiles/{id}/enforcement_actions`
pub(crate) async fn open(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let action = enforcement::stated(&call.desk, call.fields().await?)?;
    let owned =
        profiles::find(&call.desk, &profiles::named(call.param("user_profile_id"))?).await?;
    let id = action.id().clone();
    show(
        &call,
        &enforcement::open(&call.desk, &owned, action).await?,
        &id,
    )
}

/// `GET /operator/v1/user_profiles/{id}/enforcement_actions`: open and past ones, oldest first.
pub(crate) async fn list(call: OperatorCall<'_>) -> Outcome {
    let app = call.app();
    let id = profiles::named(call.param("user_profile_id"))?;
    let request = parse_list(call.query(), &app.cursors, &id)?;
    let profile = profiles::find(&call.desk, &id).await?.document.decode()?;
    let now = app.clock.now();
    let text = write_list(&id, &profile.enforcement, &request, &app.cursors, now);
    Ok(json(text))
}

/// `POST /operator/v1/enforcement_actions/{id}/resolve`
pub(crate) async fn resolve(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    parse_nothing(&call.body().await?)?;
    let action = enforcement::find(
        &call.desk,
        enforcement::named(call.param("enforcement_action_id"))?,
    )
    .await?;
    show(
        &call,
        &enforcement::resolve(&call.desk, &action).await?,
        &action.id,
    )
}

/// `POST /operator/v1/enforcement_actions/{id}/identity_check`
pub(crate) async fn identity_check(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let state = parse_identity_check(call.fields().await?)?;
    let action = enforcement::find(
        &call.desk,
        enforcement::named(call.param("enforcement_action_id"))?,
    )
    .await?;
    let checked = enforcement::identity_check(&call.desk, &action, state).await?;
    show(&call, &checked, &action.id)
}

/// The action as it is now.
fn show(call: &OperatorCall<'_>, profile: &Profile, id: &EnforcementActionId) -> Outcome {
    let now = call.app().clock.now();
    let shown = ShownAction::find(&profile.enforcement, id, now).ok_or_else(|| {
        Failure::internal("a decided action is not its profile's", Written::Perhaps)
    })?;
    Ok(json(written(|out| write_action(out, &profile.id, shown))))
}
