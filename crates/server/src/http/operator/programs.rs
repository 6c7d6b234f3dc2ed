//! `/operator/v1/user_profiles/{id}/programs/{name}`: the operator's admissions.

use rollcall_domain::id::OrganizationId;
use rollcall_domain::profile::Profile;
use rollcall_wire::operator::profiles::{parse_program, parse_program_name, write_record};
use rollcall_wire::query::parse_query_beta_only;

use crate::acts::{profiles, programs};
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `PUT /operator/v1/user_profiles/{id}/programs/{name}`: answers with the record as it is now.
pub(crate) async fn set(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let name = parse_program_name(call.param("name"))?;
    let standing = parse_program(call.fields().await?, &name)?;
    let owned =
        profiles::find(&call.desk, &profiles::named(call.param("user_profile_id"))?).await?;
    let profile = programs::set(&call.desk, &owned, standing).await?;
    show(&call, &owned.organization_id, &profile)
}

/// `DELETE /operator/v1/user_profiles/{id}/programs/{name}`: answers with the record as it is now,
/// whether or not the profile was in the program.
pub(crate) async fn delete(call: OperatorCall<'_>) -> Outcome {
    parse_query_beta_only(call.query())?;
    let name = parse_program_name(call.param("name"))?;
    let owned =
        profiles::find(&call.desk, &profiles::named(call.param("user_profile_id"))?).await?;
    let profile = programs::delete(&call.desk, &owned, name).await?;
    show(&call, &owned.organization_id, &profile)
}

fn show(call: &OperatorCall<'_>, organization_id: &OrganizationId, profile: &Profile) -> Outcome {
    let mut shown = String::with_capacity(1_024);
    let now = call.app().clock.now();
    write_record(&mut shown, organization_id, profile, None, now)?;
    Ok(json(shown))
}
