//! Data controls: what the operator says became of the end customer's keys and buckets.

use rollcall_domain::data_controls::{Region, RegionReport};
use rollcall_domain::profile::Profile;
use rollcall_store::registry::OwnedProfile;

use super::{Desk, profiles};
use crate::http::error::Failure;

/// Answers with the profile as it is then.
pub(crate) async fn report(
    desk: &Desk<'_>,
    of: &OwnedProfile,
    region: Region,
    report: RegionReport,
) -> Result<Profile, Failure> {
    let validator = desk.app().settings.data_controls;
    profiles::decide(desk, &of.organization_id, &of.id, |now| {
        Box::new(move |profile| profile.report_on_region(region, &report, validator, now))
    })
    .await
}
