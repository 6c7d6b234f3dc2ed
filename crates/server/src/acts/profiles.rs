//! Profiles of every organization: looked up, changed and erased. A decision on one is made in its organization's scope, which
//! the operator chooses by naming the profile.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::profile::{Profile, ProfilePatch};
use rollcall_domain::search::{SearchPage, SearchPosition};
use rollcall_domain::tenant::EnrollmentLinks;
use rollcall_store::registry::OwnedProfile;
use rollcall_store::{Changed, Decide};
use rollcall_wire::enrollment_urls::UrlAction;
use rollcall_wire::error::ApiError;

use super::{Desk, organizations};
use crate::app::Operation::{
    ChangeProfile, EraseProfile, FindProfile, InsertEnrollmentUrl, SearchProfiles,
};
use crate::http::error::Failure;
use crate::links::Link;

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

/// Changes what is stated of a profile, as its platform could. Answers with the profile as it is then.
pub(crate) async fn update(
    desk: &Desk<'_>,
    of: &OwnedProfile,
    patch: ProfilePatch,
) -> Result<Profile, Failure> {
    decide(desk, &of.organization_id, &of.id, |now| {
        Box::new(move |profile| profile.update(&patch, now))
    })
    .await
}

/// Makes a URL for the end user, unless the organization's are switched off.
pub(crate) async fn link(
    desk: &Desk<'_>,
    of: &OwnedProfile,
    action: UrlAction,
) -> Result<Link, Failure> {
    match action {
        UrlAction::EnrollEndUser => {}
    }
    let organization = organizations::find(desk, &of.organization_id).await?;
    match organization.switches.enrollment_links {
        EnrollmentLinks::Enabled => {}
        EnrollmentLinks::Disabled => {
            let message = "The organization's enrollment_links are disabled; enable them first";
            return Err(ApiError::conflict(message).into());
        }
    }
    let act = desk.act();
    let link = Link::new(desk.app(), &of.organization_id, of.id.clone(), act.at);
    let scope = desk.scope(&of.organization_id);
    let insert = desk
        .store()
        .insert_enrollment_url(&scope, &act, &link.stored);
    let stored = desk.write(InsertEnrollmentUrl, insert).await?;
    stored
        .then_some(link)
        .ok_or_else(|| ApiError::profile_not_found().into())
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
