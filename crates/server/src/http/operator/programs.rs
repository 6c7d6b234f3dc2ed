//! `/operator/v1/user_profiles/{id}/programs/{name}`: the operator's admissions.

use rollcall_domain::profile::Profile;
use rollcall_wire::operator::profiles::{parse_program, parse_program_name, write_record};
use rollcall_wire::query::parse_query_beta_only;

use super::{decide_on, named_profile, written};
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::{Failure, Outcome};
use rollcall_domain::id::OrganizationId;

/// `PUT /operator/v1/user_profiles/{id}/programs/{name}`: answers with the record as it is now.
pub(crate) async fn set(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let name = parse_program_name(call.param(1))?;
    let standing = parse_program(&call.body().await?, &name)?;
    let owned = named_profile(&call).await?;
    let id = owned.document.decode()?.id;
    let now = call.app().clock.now();
    let decide = Box::new(move |profile: &Profile| profile.set_program(standing.clone(), now));
    let profile = decide_on(&call, &owned.organization_id, &id, decide).await?;
    show(&call, &owned.organization_id, &profile)
}

/// `DELETE /operator/v1/user_profiles/{id}/programs/{name}`: answers with the record as it is now,
/// whether or not the profile was in the program.
pub(crate) async fn delete(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let name = parse_program_name(call.param(1))?;
    let owned = named_profile(&call).await?;
    let id = owned.document.decode()?.id;
    let now = call.app().clock.now();
    let decide = Box::new(move |profile: &Profile| Ok(profile.delete_program(&name, now)));
    let profile = decide_on(&call, &owned.organization_id, &id, decide).await?;
    show(&call, &owned.organization_id, &profile)
}

fn show(call: &OperatorCall<'_>, organization_id: &OrganizationId, profile: &Profile) -> Outcome {
    let now = call.app().clock.now();
    let mut shown: Result<(), Failure> = Ok(());
    let text = written(|out| {
        shown = write_record(out, organization_id, profile, None, now).map_err(Failure::from);
    });
    shown.map(|()| json(text))
}
