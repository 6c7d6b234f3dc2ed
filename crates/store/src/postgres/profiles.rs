//! An organization's profiles.

use std::panic::{AssertUnwindSafe, catch_unwind};

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Decided;
use rollcall_domain::id::{Ids, ProfileId};
use rollcall_domain::page::{Position, ProfileListing};
use rollcall_domain::profile::Profile;
use rollcall_domain::tenant::OrganizationScope;
use rollcall_domain::text::ReferenceId;
use rollcall_record::document::{PageSink, ProfileDocument};

use super::commit::Keep;
use super::creates::Create;
use super::pool::Planned;
use super::profile_rows::{count, count_figures, lock, open_actions, slot, update};
use super::rows::document;
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::values;
use super::{PostgresStore, enrollments, listing, outbox, tables};
use crate::columns::{day, text_lookup};
use crate::profiles::{Changed, Decide, Profiles};
use crate::{StoreError, Stored};

#[async_trait]
impl Profiles for PostgresStore {
    async fn examine_profiles(
        &self,
        scope: &OrganizationScope,
        listing: &ProfileListing,
        now: Timestamp,
        sink: &mut (dyn PageSink + Send),
    ) -> Stored<Option<Position>> {
        listing::list(self, scope.organization_id().as_str(), listing, now, sink).await
    }

    async fn find_profile(
        &self,
        scope: &OrganizationScope,
        id: &ProfileId,
    ) -> Stored<Option<ProfileDocument>> {
        let rows = self
            .read_planned(
                Planned::Once,
                "SELECT document FROM profiles WHERE organization = $1 AND id = $2",
                &values![scope.organization_id().as_str(), id.as_str()],
            )
            .await?;
        rows.first().map(|row| document(row, 0)).transpose()
    }

    async fn find_by_reference(
        &self,
        scope: &OrganizationScope,
        reference: &ReferenceId,
    ) -> Stored<Option<ProfileDocument>> {
        let parameters = values![scope.organization_id().as_str(), reference.as_str()];
        let rows = self
            .read_planned(Planned::Once, BY_REFERENCE, &parameters)
            .await?;
        rows.first().map(|row| document(row, 0)).transpose()
    }

    async fn find_or_insert_by_reference(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        reference: &ReferenceId,
        decided: Decided<Profile>,
    ) -> Stored<ProfileDocument> {
        let first_use = FirstUse {
            ids: &self.ids,
            create: Create::new(&self.ids, scope, act, decided),
            reference,
        };
        self.run(
            "find_or_insert_by_reference",
            &first_use,
            |tx, first_use| Box::pin(first_use.run(tx)),
        )
        .await
    }

    async fn insert_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        decided: Decided<Profile>,
    ) -> Stored<ProfileDocument> {
        let create = Create::new(&self.ids, scope, act, decided);
        self.creates.add(create).await
    }

    async fn change_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &ProfileId,
        decide: Decide,
    ) -> Stored<Changed> {
        let change = Change {
            keep: Keep::new(&self.ids, act),
            scope,
            id,
            decide: &decide,
        };
        self.run("change_profile", &change, |tx, change| {
            Box::pin(change.run(tx))
        })
        .await
    }

    async fn remove_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &ProfileId,
    ) -> Stored<bool> {
        let removal = Removal {
            keep: Keep::new(&self.ids, act),
            scope,
            id,
            erases: false,
        };
        self.run("remove_profile", &removal, |tx, removal| {
            Box::pin(removal.run(tx))
        })
        .await
    }

    async fn erase_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &ProfileId,
    ) -> Stored<bool> {
        let removal = Removal {
            keep: Keep::new(&self.ids, act),
            scope,
            id,
            erases: true,
        };
        self.run("erase_profile", &removal, |tx, removal| {
            Box::pin(removal.run(tx))
        })
        .await
    }
}

/// The oldest of an organization's profiles that have a reference.
const BY_REFERENCE: &str = "SELECT document FROM profiles WHERE organization = $1 \
    AND reference_id = $2 ORDER BY created_at, id LIMIT 1";

/// Everything the first use of a reference needs, the same for each attempt.
struct FirstUse<'a> {
    ids: &'a Ids,
    create: Create,
    reference: &'a ReferenceId,
}

impl FirstUse<'_> {
    async fn run(&self, tx: &mut Tx) -> Result<ProfileDocument, Trouble> {
        let organization = self.create.organization().as_str();
        let reference = self.reference.as_str();
        let key = values![organization, text_lookup(reference)];
        // There is no profile to lock yet. The key is taken until the transaction ends, and what a statement
        // sees is what was there when it began: who had to wait asks after the other's commit.
        tx.write_now(
            "INSERT INTO first_uses (organization, reference) VALUES ($1, $2)",
            &key,
        )
        .await?;
        tx.write(
            "DELETE FROM first_uses WHERE organization = $1 AND reference = $2",
            key,
        );
        let found = tx
            .query(BY_REFERENCE, &values![organization, reference])
            .await?;
        match found.first() {
            // It may be the one that an earlier attempt of this call stored.
            Some(row) => Ok(document(row, 0)?),
            None => self.create.store(tx, self.ids).await,
        }
    }
}

/// Everything a change needs, the same for each attempt.
struct Change<'a> {
    keep: Keep<'a>,
    scope: &'a OrganizationScope,
    id: &'a ProfileId,
    decide: &'a Decide,
}

impl Change<'_> {
    async fn run(&self, tx: &mut Tx) -> Result<Changed, Trouble> {
        let organization = self.scope.organization_id();
        let stored = lock(tx, organization.as_str(), self.id).await?;
        self.keep.unless_applied(tx).await?;
        let Some(stored) = stored else {
            return Ok(Changed::Missing);
        };
        let before = stored.decode()?;
        let decided = match decide(self.decide, &before)? {
            Err(refusal) => return Ok(Changed::Refused(refusal)),
            Ok(decided) => decided,
        };
        if !decided.changed {
            return Ok(Changed::Done(stored));
        }
        let document = ProfileDocument::encode(&decided.value);
        update(
            tx,
            organization.as_str(),
            &before,
            &decided.value,
            &document,
        );
        self.keep.events(tx, organization, &decided.events).await?;
        self.keep.audit(tx, organization.as_str(), &decided.audit);
        let change = open_actions(&decided.value) - open_actions(&before);
        count_figures(tx, organization.as_str(), change, 0);
        Ok(Changed::Done(document))
    }
}

/// A rule that panics is a defect of the rule and must not cost the connection's other users anything.
fn decide(
    decide: &Decide,
    before: &Profile,
) -> Result<Result<Decided<Profile>, rollcall_domain::decision::Refusal>, StoreError> {
    catch_unwind(AssertUnwindSafe(|| decide(before)))
        .map_err(|_| StoreError::Failed("a decision panicked".into()))
}

/// Everything a removal needs, the same for each attempt.
struct Removal<'a> {
    keep: Keep<'a>,
    scope: &'a OrganizationScope,
    id: &'a ProfileId,
    /// Whether nothing at all is to be kept.
    erases: bool,
}

impl Removal<'_> {
    async fn run(&self, tx: &mut Tx) -> Result<bool, Trouble> {
        let organization = self.scope.organization_id().as_str();
        let stored = lock(tx, organization, self.id).await?;
        self.keep.unless_applied(tx).await?;
        let Some(stored) = stored else {
            return Ok(false);
        };
        let profile = stored.decode()?;
        let waiting = enrollments::end_of(tx, organization, &profile.id).await?;
        tables::remove_profile(tx, organization, profile.id.as_str());
        let entry = if self.erases {
            tables::erase_profile(tx, organization, self.id.as_str());
            outbox::erase_events_of(tx, organization, self.id, self.keep.act().at);
            profile.erasure()
        } else {
            profile.removal()
        };
        self.keep.audit(tx, organization, &[entry]);
        count_figures(tx, organization, -open_actions(&profile), -waiting);
        count(tx, organization, day(profile.created_at), slot(), -1);
        Ok(true)
    }
}
