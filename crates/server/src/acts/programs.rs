//! Programs: what the operator admits the entity behind a profile to.

use rollcall_domain::profile::Profile;
use rollcall_domain::program::{ProgramName, ProgramStanding};
use rollcall_store::registry::OwnedProfile;

use super::{Desk, profiles};
use crate::http::error::Failure;

/// Answers with the profile as it is then.
pub(crate) async fn set(
    desk: &Desk<'_>,
    of: &OwnedProfile,
    standing: ProgramStanding,
) -> Result<Profile, Failure> {
    profiles::decide(desk, &of.organization_id, &of.id, |now| {
        Box::new(move |profile| profile.set_program(standing.clone(), now))
    })
    .await
}

/// Takes a profile out of a program, whether or not it is in it. Answers with the profile as it is then.
pub(crate) async fn delete(
    desk: &Desk<'_>,
    of: &OwnedProfile,
    name: ProgramName,
) -> Result<Profile, Failure> {
    profiles::decide(desk, &of.organization_id, &of.id, |now| {
        Box::new(move |profile| Ok(profile.delete_program(&name, now)))
    })
    .await
}
