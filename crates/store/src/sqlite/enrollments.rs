//! Enrollment and action URLs.

use std::sync::Arc;

use async_trait::async_trait;
use rollcall_domain::audit::{Act, AuditAction, AuditEntry, TargetKind};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::enrollment::EnrollmentUrl;
use rollcall_domain::id::{EnrollmentId, OrganizationId, ProfileId};
use rollcall_domain::tenant::{OrganizationScope, SecretHash};
use rusqlite::params;

use super::commit::keep_audit;
use super::rows::{optional, organization_number, parsed, timestamp};
use super::{SqliteStore, failed, profiles};
use crate::Stored;
use crate::enrollments::EnrollmentUrls;

#[async_trait]
impl EnrollmentUrls for SqliteStore {
    async fn insert_enrollment_url(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        url: &EnrollmentUrl,
    ) -> Stored<bool> {
        let (ids, known) = (Arc::clone(&self.ids), Arc::clone(&self.organizations));
        let (scope, act, url) = (scope.clone(), act.clone(), url.clone());
        self.writer
            .write(move |connection| {
                let number = organization_number(connection, &known, scope.organization_id())?;
                let Some(number) = number else {
                    return Ok(false);
                };
                if profiles::find(connection, number, &url.profile_id)?.is_none() {
                    return Ok(false);
                }
                connection
                    .prepare_cached(
                        "INSERT INTO enrollment_urls (token_hash, organization, profile_id, \
                         created_at, expires_at, enrollment_id) VALUES (?1, ?2, ?3, ?4, ?5, NULL)",
                    )
                    .and_then(|mut statement| {
                        statement.execute(params![
                            url.token_hash.0,
                            number,
                            url.profile_id.as_str(),
                            url.created_at.as_micros(),
                            url.expires_at.as_micros()
                        ])
                    })
                    .map_err(failed)?;
                let target = TargetKind::UserProfile;
                let id = url.profile_id.as_str();
                let entry = AuditEntry::new(AuditAction::EnrollmentUrlCreated, target, id);
                keep_audit(connection, &ids, number, &act, &[entry])?;
                Ok(true)
            })
            .await
    }

    async fn find_enrollment_url(&self, token: &SecretHash) -> Stored<Option<EnrollmentUrl>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT o.id, u.profile_id, u.created_at, u.expires_at, u.enrollment_id \
                     FROM enrollment_urls u JOIN organizations o ON o.number = u.organization \
                     WHERE u.token_hash = ?1",
                )
                .map_err(failed)?;
            let mut rows = statement.query([token.0]).map_err(failed)?;
            let Some(row) = rows.next().map_err(failed)? else {
                return Ok(None);
            };
            Ok(Some(EnrollmentUrl {
                token_hash: *token,
                organization_id: parsed(row, 0, OrganizationId::parse)?,
                profile_id: parsed(row, 1, ProfileId::parse)?,
                created_at: timestamp(row, 2)?,
                expires_at: timestamp(row, 3)?,
                enrollment_id: optional(row, 4, EnrollmentId::parse)?,
            }))
        })
    }

    async fn prune_enrollment_urls(&self, before: Timestamp) -> Stored<u64> {
        self.writer
            .write(move |connection| {
                let removed = connection
                    .prepare_cached("DELETE FROM enrollment_urls WHERE expires_at < ?1")
                    .and_then(|mut statement| statement.execute([before.as_micros()]))
                    .map_err(failed)?;
                Ok(u64::try_from(removed).unwrap_or(u64::MAX))
            })
            .await
    }
}
