//! Profiles of every organization: looked up, and erased. A decision on one is made in its organization's scope, which
//! the operator chooses by naming the profile.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::profile::Profile;
use rollcall_domain::search::{SearchPage, SearchPosition};
use rollcall_store::registry::OwnedProfile;
use rollcall_store::{Changed, Decide};
use rollcall_wire::error::ApiError;

use super::Desk;
use crate::app::Operation::{ChangeProfile, EraseProfile, FindProfile, SearchProfiles};
use crate::http::error::Failure;

/// The profile that is called so, whether or not there is one.
pub(crate) fn named(text: &str) -> Result<ProfileId, Failure> {
    ProfileId::parse(text).map_err(|_| ApiError::profile_not_found().into())
}

/// The profile, and whose it is.
pub(crate) async fn find(desk: &Desk<'_>, id: &ProfileId) -> Result<OwnedProfile, Failure> {
    let locate = desk.store().locate_profile(desk.proof, id);
    let found = desk.read(FindProfile, locate).await?;
    found.ok_or_else(|| ApiError::profile_not_found().into())
}

/// A page of a search.
pub(crate) struct Found {
    /// With whose they are.
    pub(crate) profiles: Vec<(OrganizationId, Profile)>,
    /// Those that the page lacks because what is stored of them is damaged.
    pub(crate) damaged: Vec<ProfileId>,
    pub(crate) next: Option<SearchPosition>,
}

pub(crate) async fn search(
    desk: &Desk<'_>,
    page: &SearchPage,
    now: Timestamp,
) -> Result<Found, Failure> {
    let search = desk.store().search_profiles(desk.proof, page, now);
    let found = desk.read(SearchProfiles, search).await?;
    let mut profiles = Vec::with_capacity(found.profiles.len());
    let mut damaged = Vec::new();
    for owned in found.profiles {
        match owned.document.decode() {
            Ok(profile) => profiles.push((owned.organization_id, profile)),
            Err(damage) => {
                desk.app()
                    .tell_of_damage(&owned.organization_id, &owned.id, &damage);
                damaged.push(owned.id);
            }
        }
    }
    Ok(Found {
        profiles,
        damaged,
        next: found.next,
    })
}

/// Erases a person. It is done when neither the database nor its log holds anything of it, but where the log is being
/// read, as by a backup: then soon after.
pub(crate) async fn erase(desk: &Desk<'_>, id: &ProfileId) -> Result<(), Failure> {
    let owned = find(desk, id).await?;
    let (scope, act) = (desk.scope(&owned.organization_id), desk.act());
    let erase = async {
        let erased = desk.store().erase_profile(&scope, &act, id).await?;
        if !desk.store().empty_log().await.unwrap_or_default() {
            tracing::warn!("the log is being read and will be emptied of what was erased later");
        }
        Ok(erased)
    };
    let erased = desk.write(EraseProfile, erase).await?;
    let gone = || ApiError::profile_not_found().into();
    erased.then_some(()).ok_or_else(gone)
}

/// Decides on a profile in its organization's scope, and answers with what it is then.
pub(super) async fn decide(
    desk: &Desk<'_>,
    organization_id: &OrganizationId,
    id: &ProfileId,
    decide: impl FnOnce(Timestamp) -> Decide,
) -> Result<Profile, Failure> {
    let (scope, act) = (desk.scope(organization_id), desk.act());
    let change = desk
        .store()
        .change_profile(&scope, &act, id, decide(act.at));
    match desk.write(ChangeProfile, change).await? {
        Changed::Done(document) => Ok(document.decode()?),
        Changed::Refused(refusal) => Err(refusal.into()),
        Changed::Missing => Err(ApiError::profile_not_found().into()),
    }
}
