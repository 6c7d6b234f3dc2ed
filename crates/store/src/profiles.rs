//! An organization's profiles, as its own platform reaches them.

use std::borrow::Cow;

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::{Decided, Refusal};
use rollcall_domain::id::ProfileId;
use rollcall_domain::page::{Position, ProfileListing, Start};
use rollcall_domain::profile::Profile;
use rollcall_domain::tenant::OrganizationScope;
use rollcall_domain::text::ReferenceId;
use rollcall_record::document::{DamagedDocument, PageSink, ProfileDocument, ProfileView};

use crate::Stored;

/// A rule to apply to a profile as it is in the transaction. It may be run again after a conflict.
pub type Decide = Box<dyn Fn(&Profile) -> Result<Decided<Profile>, Refusal> + Send + Sync>;

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// There is no such profile in the organization.
    Missing,
    /// The rule said no; nothing was stored.
    Refused(Refusal),
    /// The profile as it is now, changed or found to be so already.
    Done(ProfileDocument),
}

/// A sink that tells whether anything reached it.
struct Found<'a> {
    sink: &'a mut (dyn PageSink + Send),
    any: bool,
}

impl PageSink for Found<'_> {
    fn profile(&mut self, view: &ProfileView<'_>) -> Result<(), DamagedDocument> {
        self.sink.profile(view)?;
        self.any = true;
        Ok(())
    }

    fn damaged(&mut self, id: ProfileId, damage: DamagedDocument) {
        self.sink.damaged(id, damage);
    }
}

/// Profiles of one organization.
#[async_trait]
pub trait Profiles: Send + Sync {
    /// Hands one page to `sink`, profile by profile, and answers with the position to go on after,
    /// or `None` when nothing follows.
    ///
    /// Without a filter a page is full unless it is the last. With one it may hold fewer, and it
    /// holds something unless it is the last, because clients end their walk at an empty page.
    async fn list_profiles(
        &self,
        scope: &OrganizationScope,
        listing: &ProfileListing,
        now: Timestamp,
        sink: &mut (dyn PageSink + Send),
    ) -> Stored<Option<Position>> {
        if !listing.is_filtered() {
            return self.examine_profiles(scope, listing, now, sink).await;
        }
        let mut listing = Cow::Borrowed(listing);
        let mut found = Found { sink, any: false };
        loop {
            let examined = self.examine_profiles(scope, &listing, now, &mut found);
            match examined.await? {
                Some(position) if !found.any => {
                    listing.to_mut().start = Start::after(position);
                    // However far it is to the first match, others get their turn meanwhile.
                    tokio::task::yield_now().await;
                }
                next => return Ok(next),
            }
        }
    }

    /// What [`Profiles::list_profiles`] does, but with a filter at most
    /// [`Limit::examination_bound`](rollcall_domain::page::Limit::examination_bound) profiles are
    /// examined, each judged at `now`, so that a page with a position may be empty.
    async fn examine_profiles(
        &self,
        scope: &OrganizationScope,
        listing: &ProfileListing,
        now: Timestamp,
        sink: &mut (dyn PageSink + Send),
    ) -> Stored<Option<Position>>;

    /// The profile's document, if the organization has the profile.
    async fn find_profile(
        &self,
        scope: &OrganizationScope,
        id: &ProfileId,
    ) -> Stored<Option<ProfileDocument>>;

    /// The document of the oldest of the organization's profiles that have this reference.
    async fn find_by_reference(
        &self,
        scope: &OrganizationScope,
        reference: &ReferenceId,
    ) -> Stored<Option<ProfileDocument>>;

    /// Stores a new profile unless the organization has one with its reference, and answers with the oldest
    /// that has it. However many do so at the same time, on whichever nodes, one of them stores a profile.
    async fn find_or_insert_by_reference(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        reference: &ReferenceId,
        decided: Decided<Profile>,
    ) -> Stored<ProfileDocument>;

    /// Stores a new profile. Its id is new by construction.
    async fn insert_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        decided: Decided<Profile>,
    ) -> Stored<ProfileDocument>;

    /// Applies `decide` to the profile and stores what it decides.
    async fn change_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &ProfileId,
        decide: Decide,
    ) -> Stored<Changed>;

    /// Removes the profile; `false` when there was none. Its id is never given out again, its open
    /// actions end silently, its enrollment URLs stop working.
    async fn remove_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &ProfileId,
    ) -> Stored<bool>;

    /// Removes the profile and everything that is kept of it: its enrollment URLs as well, and the payloads
    /// of its webhook deliveries, of which those that wait are canceled. `false` when there was none.
    /// What the files of an engine still hold of it then is [`Check::empty_log`](crate::Check::empty_log)'s concern.
    async fn erase_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &ProfileId,
    ) -> Stored<bool>;
}
