//! `/operator/v1/user_profiles/{id}/data_controls/{cmek|storage}/{region}`: what became of a key or a bucket.

use rollcall_domain::data_controls::ControlKind;
use rollcall_wire::data_controls::{parse_region, parse_report, write_data_controls};
use rollcall_wire::query::parse_query_beta_only;

use crate::acts::{data_controls, profiles};
use crate::http::answer::json;
use crate::http::call::OperatorCall;
use crate::http::error::Outcome;

/// `POST /operator/v1/user_profiles/{id}/data_controls/cmek/{region}`
pub(crate) async fn report_on_key(call: OperatorCall<'_>) -> Outcome {
    report(&call, ControlKind::Cmek).await
}

/// `POST /operator/v1/user_profiles/{id}/data_controls/storage/{region}`
pub(crate) async fn report_on_bucket(call: OperatorCall<'_>) -> Outcome {
    report(&call, ControlKind::Storage).await
}

/// Answers with the object as it is then.
async fn report(call: &OperatorCall<'_>, control: ControlKind) -> Outcome {
    let app = call.app();
    parse_query_beta_only(call.query())?;
    let region = parse_region(call.param("region"))?;
    let report = parse_report(call.fields().await?, control)?;
    let owned =
        profiles::find(&call.desk, &profiles::named(call.param("user_profile_id"))?).await?;
    let profile = data_controls::report(&call.desk, &owned, region, report).await?;
    let mut shown = String::with_capacity(1_024);
    let validator = app.settings.data_controls;
    write_data_controls(&mut shown, &profile, app.clock.now(), validator);
    Ok(json(shown))
}
