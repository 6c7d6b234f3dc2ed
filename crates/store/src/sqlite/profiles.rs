//! An organization's profiles.

use std::sync::Arc;

use async_trait::async_trait;
use rollcall_domain::audit::{Act, AuditEntry};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Decided;
use rollcall_domain::id::ProfileId;
use rollcall_domain::page::{Position, ProfileListing};
use rollcall_domain::profile::Profile;
use rollcall_domain::tenant::OrganizationScope;
use rollcall_domain::text::ReferenceId;
use rollcall_record::document::{PageSink, ProfileDocument};
use rusqlite::Connection;

use super::commit::keep_audit;
use super::emitter::{Emitter, Tenant};
use super::profile_rows::{delete_rows, find, find_by_reference, insert, remove, update};
use super::rows::organization_number;
use super::writer::Writing;
use super::{Organizations, SqliteStore, enrollments, listing, outbox};
use crate::profiles::{Changed, Decide, Profiles};
use crate::tables::WithProfile;
use crate::{StoreError, Stored};

#[async_trait]
impl Profiles for SqliteStore {
    async fn examine_profiles(
        &self,
        scope: &OrganizationScope,
        listing: &ProfileListing,
        now: Timestamp,
        sink: &mut (dyn PageSink + Send),
    ) -> Stored<Option<Position>> {
        self.read(
            |connection| match self.organization(connection, scope.organization_id())? {
                None => Ok(None),
                Some(organization) => listing::list(connection, organization, listing, now, sink),
            },
        )
    }

    async fn find_profile(
        &self,
        scope: &OrganizationScope,
        id: &ProfileId,
    ) -> Stored<Option<ProfileDocument>> {
        self.read(|connection| {
            let Some(organization) = self.organization(connection, scope.organization_id())? else {
                return Ok(None);
            };
            find(connection, organization, id)
        })
    }

    async fn find_by_reference(
        &self,
        scope: &OrganizationScope,
        reference: &ReferenceId,
    ) -> Stored<Option<ProfileDocument>> {
        self.read(|connection| {
            let Some(organization) = self.organization(connection, scope.organization_id())? else {
                return Ok(None);
            };
            find_by_reference(connection, organization, reference)
        })
    }

    async fn find_or_insert_by_reference(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        reference: &ReferenceId,
        decided: Decided<Profile>,
    ) -> Stored<ProfileDocument> {
        let change = self.tenant_change(scope, act);
        let reference = reference.clone();
        self.writer
            .write(move |connection| {
                let organization = change
                    .organization(connection)?
                    .ok_or_else(no_organization)?;
                // The writer is one, so nobody can come between.
                match find_by_reference(connection, organization, &reference)? {
                    Some(document) => Ok(document),
                    None => change.insert(connection, organization, &decided),
                }
            })
            .await
    }

    async fn insert_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        decided: Decided<Profile>,
    ) -> Stored<ProfileDocument> {
        let change = self.tenant_change(scope, act);
        self.writer
            .write(move |connection| {
                let organization = change
                    .organization(connection)?
                    .ok_or_else(no_organization)?;
                change.insert(connection, organization, &decided)
            })
            .await
    }

    async fn change_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &ProfileId,
        decide: Decide,
    ) -> Stored<Changed> {
        let change = self.tenant_change(scope, act);
        let id = id.clone();
        self.writer
            .write(move |connection| {
                let Some(organization) = change.organization(connection)? else {
                    return Ok(Changed::Missing);
                };
                let Some(stored) = find(connection, organization, &id)? else {
                    return Ok(Changed::Missing);
                };
                let before = stored.decode()?;
                let decided = match decide(&before) {
                    Err(refusal) => return Ok(Changed::Refused(refusal)),
                    Ok(decided) => decided,
                };
                if !decided.changed {
                    return Ok(Changed::Done(stored));
                }
                let document = ProfileDocument::encode(&decided.value);
                update(connection, organization, &before, &decided.value, &document)?;
                change.keep(connection, organization, &decided)?;
                Ok(Changed::Done(document))
            })
            .await
    }

    async fn remove_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &ProfileId,
    ) -> Stored<bool> {
        let change = self.tenant_change(scope, act);
        let id = id.clone();
        self.writer
            .write(move |connection| {
                let Some((organization, profile)) = change.remove(connection, &id)? else {
                    return Ok(false);
                };
                change.audit(connection, organization, &[profile.removal()])?;
                Ok(true)
            })
            .await
    }

    async fn erase_profile(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        id: &ProfileId,
    ) -> Stored<bool> {
        let change = self.tenant_change(scope, act);
        let id = id.clone();
        self.writer
            .write(move |connection| {
                let Some((organization, profile)) = change.remove(connection, &id)? else {
                    return Ok(false);
                };
                delete_rows(connection, &id, WithProfile::goes_at_erasure)?;
                outbox::erase_events_of(connection, &id, change.act.at)?;
                change.audit(connection, organization, &[profile.erasure()])?;
                Ok(true)
            })
            .await
    }
}

fn no_organization() -> StoreError {
    StoreError::Unavailable("the organization was removed".into())
}

impl SqliteStore {
    fn tenant_change(&self, scope: &OrganizationScope, act: &Act) -> TenantChange {
        TenantChange {
            emitter: self.emitter(),
            organizations: Arc::clone(&self.organizations),
            scope: scope.clone(),
            act: act.clone(),
        }
    }
}

/// What a change of a tenant's data carries into the writer's thread.
struct TenantChange {
    emitter: Emitter,
    organizations: Arc<Organizations>,
    scope: OrganizationScope,
    act: Act,
}

impl TenantChange {
    fn organization(&self, connection: &Connection) -> Stored<Option<i64>> {
        organization_number(
            connection,
            &self.organizations,
            self.scope.organization_id(),
        )
    }

    fn insert(
        &self,
        connection: &Writing<'_>,
        organization: i64,
        decided: &Decided<Profile>,
    ) -> Stored<ProfileDocument> {
        let document = ProfileDocument::encode(&decided.value);
        insert(connection, organization, &decided.value, &document)?;
        connection.count(organization, decided.value.created_at, 1);
        self.keep(connection, organization, decided)?;
        Ok(document)
    }

    fn keep(&self, connection: &Connection, number: i64, decided: &Decided<Profile>) -> Stored<()> {
        let tenant = Tenant {
            number,
            id: self.scope.organization_id(),
        };
        let emitter = &self.emitter;
        emitter.keep_events(connection, tenant, &self.act, &decided.events)?;
        self.audit(connection, number, &decided.audit)
    }

    fn audit(&self, connection: &Connection, number: i64, entries: &[AuditEntry]) -> Stored<()> {
        keep_audit(connection, &self.emitter.ids, number, &self.act, entries)
    }

    /// Removes a profile with its enrollments; what it was, and the number of its organization.
    fn remove(&self, connection: &Writing<'_>, id: &ProfileId) -> Stored<Option<(i64, Profile)>> {
        let Some(organization) = self.organization(connection)? else {
            return Ok(None);
        };
        let Some(stored) = find(connection, organization, id)? else {
            return Ok(None);
        };
        let profile = stored.decode()?;
        remove(connection, organization, &profile)?;
        enrollments::end_of(connection, organization, id)?;
        delete_rows(connection, id, |with| match with {
            WithProfile::Removed(column) => Some(column),
            _ => None,
        })?;
        connection.count(organization, profile.created_at, -1);
        Ok(Some((organization, profile)))
    }
}
