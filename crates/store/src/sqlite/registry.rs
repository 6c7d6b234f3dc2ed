//! All profiles of all organizations, as the operator reaches them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use rollcall_domain::audit::{Act, AuditEntry};
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{EnforcementActionId, Ids, OrganizationId, ProfileId};
use rollcall_domain::profile::{Profile, ProfileRecord, import_audit};
use rollcall_domain::search::{SearchPage, SearchPosition};
use rollcall_domain::tenant::OperatorProof;
use rollcall_record::document::ProfileDocument;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::commit::keep_audit;
use super::rows::{organization_id, organization_number, parsed, query, timestamp};
use super::writer::Writing;
use super::{Organizations, SqliteStore, failed, overview, profile_rows, search};
use crate::registry::{DueExpiry, ExportPosition, FoundPage, OwnedProfile, Put, PutMode, Registry};
use crate::{StoreError, Stored};

#[async_trait]
impl Registry for SqliteStore {
    async fn locate_profile(
        &self,
        _proof: OperatorProof,
        id: &ProfileId,
    ) -> Stored<Option<OwnedProfile>> {
        self.read(|connection| {
            let Some((number, document)) = stored(connection, id)? else {
                return Ok(None);
            };
            let organization_id = organization_id(connection, number)?;
            Ok(Some(OwnedProfile {
                organization_id,
                id: id.clone(),
                document,
            }))
        })
    }

    async fn locate_action(
        &self,
        _proof: OperatorProof,
        id: &EnforcementActionId,
    ) -> Stored<Option<(OrganizationId, ProfileId)>> {
        self.read(|connection| {
            query_one(
                connection,
                "SELECT o.id, a.profile_id FROM enforcement_actions a \
                 JOIN organizations o ON o.number = a.organization WHERE a.id = ?1",
                id.as_str(),
                owner,
            )
        })
    }

    async fn put_profiles(
        &self,
        _proof: OperatorProof,
        act: &Act,
        records: Vec<(OrganizationId, ProfileRecord)>,
        mode: PutMode,
    ) -> Stored<Vec<Put>> {
        let (ids, act) = (Arc::clone(&self.ids), act.clone());
        let documents: Vec<_> = records
            .iter()
            .map(|(_, record)| ProfileDocument::encode(&record.profile))
            .collect();
        // Mostly given back here: the writer has better things to do than to take thousands of records apart.
        let kept = Arc::new((records, documents));
        let wanted = Arc::clone(&kept);
        let put_all = move |connection: &Writing<'_>| {
            let (records, documents) = wanted.as_ref();
            let mut batch = Batch::default();
            // Not as they are remembered: what of one has ended must not fail the records of the others.
            let organizations = Organizations::default();
            let mut results = Vec::with_capacity(records.len());
            for ((organization_id, record), document) in records.iter().zip(documents) {
                let number = organization_number(connection, &organizations, organization_id)?;
                results.push(match number {
                    None => Put::UnknownOrganization,
                    Some(number) if mode.match_reference => {
                        let owner = (number, organization_id);
                        batch.put_matched(connection, owner, record, act.at)?
                    }
                    Some(number) => {
                        let owner = (number, organization_id);
                        batch.put(connection, owner, record, document, act.at)?
                    }
                });
            }
            batch.keep(connection, &ids, &act, records.len())?;
            Ok(results)
        };
        self.writer
            .write(move |connection| {
                if mode.dry_run {
                    connection.attempt(&put_all, |_| false).map_err(failed)?
                } else {
                    put_all(connection)
                }
            })
            .await
    }

    async fn search_profiles(
        &self,
        _proof: OperatorProof,
        page: &SearchPage,
        now: Timestamp,
    ) -> Stored<FoundPage<SearchPosition>> {
        self.read(|connection| {
            let organization = match &page.search.organization_id {
                None => None,
                Some(id) => match self.organization(connection, id)? {
                    None => {
                        return Ok(FoundPage {
                            profiles: Vec::new(),
                            next: None,
                        });
                    }
                    Some(number) => Some(number),
                },
            };
            search::search(connection, organization, page, now)
        })
    }

    async fn export_profiles(
        &self,
        _proof: OperatorProof,
        organization_id: Option<&OrganizationId>,
        after: Option<&ExportPosition>,
        limit: usize,
    ) -> Stored<FoundPage<ExportPosition>> {
        self.read(|connection| export(connection, organization_id, after, limit))
    }

    async fn due_expiries(
        &self,
        _proof: OperatorProof,
        after: Option<&DueExpiry>,
        now: Timestamp,
        limit: usize,
    ) -> Stored<Vec<DueExpiry>> {
        let (time, id) = after.map_or((i64::MIN, ""), |after| {
            (after.expires_at.as_micros(), after.action_id.as_str())
        });
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            query(
                connection,
                "SELECT a.expires_at, a.id, a.profile_id, o.id FROM enforcement_actions a \
                 JOIN organizations o ON o.number = a.organization \
                 WHERE a.expires_at IS NOT NULL AND a.expires_at <= ?1 AND o.removal IS NULL \
                 AND (a.expires_at, a.id) > (?2, ?3) ORDER BY a.expires_at, a.id LIMIT ?4",
                params![now.as_micros(), time, id, limit],
                |row| {
                    Ok(DueExpiry {
                        expires_at: timestamp(row, 0)?,
                        action_id: parsed(row, 1, EnforcementActionId::parse)?,
                        profile_id: parsed(row, 2, ProfileId::parse)?,
                        organization_id: parsed(row, 3, OrganizationId::parse)?,
                    })
                },
            )
        })
    }

    async fn next_expiry(
        &self,
        _proof: OperatorProof,
        now: Timestamp,
    ) -> Stored<Option<Timestamp>> {
        self.read(|connection| {
            let micros: Option<i64> = connection
                .prepare_cached(
                    "SELECT MIN(expires_at) FROM enforcement_actions \
                     WHERE expires_at IS NOT NULL AND expires_at > ?1",
                )
                .and_then(|mut statement| statement.query_row([now.as_micros()], |row| row.get(0)))
                .map_err(failed)?;
            Ok(micros.and_then(Timestamp::from_micros))
        })
    }

    async fn count_profiles(&self, _proof: OperatorProof) -> Stored<Vec<(OrganizationId, u64)>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT o.id, coalesce(f.profiles, 0) FROM organizations o \
                     LEFT JOIN organization_figures f ON f.organization = o.number \
                     ORDER BY o.created_at, o.id",
                )
                .map_err(failed)?;
            let mut rows = statement.query([]).map_err(failed)?;
            let mut counts = Vec::new();
            while let Some(row) = rows.next().map_err(failed)? {
                let count = overview::figure(row.get(1).map_err(failed)?)?;
                counts.push((parsed(row, 0, OrganizationId::parse)?, count));
            }
            Ok(counts)
        })
    }
}

/// The profiles of an organization that have a reference.
pub(super) const HOLDERS: &str = "SELECT id FROM profiles WHERE organization = ?2 \
    AND reference_id = ?1 ORDER BY created_at, id LIMIT 2";

/// Records being written in one transaction, and what its audit entries tell of them.
#[derive(Default)]
struct Batch<'a> {
    /// How many records were written for each organization.
    written: BTreeMap<i64, (&'a OrganizationId, usize)>,
    /// What was done to the record that was written last.
    last: Vec<AuditEntry>,
}

impl<'a> Batch<'a> {
    fn put_matched(
        &mut self,
        connection: &Writing<'_>,
        owner: (i64, &'a OrganizationId),
        record: &ProfileRecord,
        now: Timestamp,
    ) -> Stored<Put> {
        let reference = record.profile.details.reference_id.as_ref();
        let found = match reference {
            None => Vec::new(),
            Some(reference) => query(
                connection,
                HOLDERS,
                params![reference.as_str(), owner.0],
                |row| parsed(row, 0, ProfileId::parse),
            )?,
        };
        match record.matched(&found) {
            Err(unmatched) => Ok(Put::Unmatched(unmatched)),
            Ok(record) => {
                let document = ProfileDocument::encode(&record.profile);
                self.put(connection, owner, &record, &document, now)
            }
        }
    }

    fn put(
        &mut self,
        connection: &Writing<'_>,
        (organization, organization_id): (i64, &'a OrganizationId),
        record: &ProfileRecord,
        document: &ProfileDocument,
        now: Timestamp,
    ) -> Stored<Put> {
        let profile = &record.profile;
        if let Some(foreign) = foreign_action(connection, profile)? {
            return Ok(Put::ForeignAction(foreign));
        }
        // Nearly every record is new, and inserting it tells.
        if profile_rows::insert_unless_there(connection, organization, profile, document)? {
            connection.count(organization, profile.created_at, 1);
            self.wrote((organization, organization_id), vec![profile.creation()]);
            return Ok(Put::Created);
        }
        let Some((owner, old)) = stored(connection, &profile.id)? else {
            return Err(StoreError::Failed(
                "a profile's key is taken, and not by its id".into(),
            ));
        };
        if owner != organization {
            return Ok(Put::ForeignProfile);
        }
        let old = old.decode()?;
        let decided = record.replace(&old, now);
        if !decided.changed {
            return Ok(Put::Unchanged);
        }
        let document = ProfileDocument::encode(&decided.value);
        profile_rows::remove(connection, organization, &old)?;
        connection.count(organization, old.created_at, -1);
        profile_rows::insert(connection, organization, &decided.value, &document)?;
        connection.count(organization, decided.value.created_at, 1);
        self.wrote((organization, organization_id), decided.audit);
        Ok(Put::Replaced)
    }

    fn wrote(&mut self, (number, id): (i64, &'a OrganizationId), audit: Vec<AuditEntry>) {
        self.written.entry(number).or_insert((id, 0)).1 += 1;
        self.last = audit;
    }

    /// Writes one audit entry for each organization.
    fn keep(mut self, connection: &Connection, ids: &Ids, act: &Act, sent: usize) -> Stored<()> {
        let Some(last) = self.last.pop() else {
            return Ok(());
        };
        for (number, (id, written)) in self.written {
            let entry = import_audit(id, sent, written, last.clone());
            keep_audit(connection, ids, number, act, &[entry])?;
        }
        Ok(())
    }
}

fn stored(connection: &Connection, id: &ProfileId) -> Stored<Option<(i64, ProfileDocument)>> {
    connection
        .prepare_cached("SELECT organization, document FROM profiles WHERE id = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([id.as_str()], |row| {
                    let document = ProfileDocument::from_stored(row.get_ref(1)?.as_str()?);
                    Ok((row.get(0)?, document))
                })
                .optional()
        })
        .map_err(failed)
}

/// An enforcement action of `profile` whose id belongs to another profile.
fn foreign_action(
    connection: &Connection,
    profile: &Profile,
) -> Stored<Option<EnforcementActionId>> {
    let past = profile.enforcement.past().iter().map(|past| &past.action);
    for action in profile.enforcement.unresolved().iter().chain(past) {
        let holder: Option<String> = query_one(
            connection,
            "SELECT profile_id FROM enforcement_actions WHERE id = ?1",
            action.id().as_str(),
            |row| row.get(0).map_err(failed),
        )?;
        if holder.is_some_and(|holder| holder != profile.id.as_str()) {
            return Ok(Some(action.id().clone()));
        }
    }
    Ok(None)
}

fn query_one<T>(
    connection: &Connection,
    sql: &str,
    parameter: &str,
    read: impl FnOnce(&Row<'_>) -> Stored<T>,
) -> Stored<Option<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query([parameter]).map_err(failed)?;
    rows.next().map_err(failed)?.map(read).transpose()
}

fn owner(row: &Row<'_>) -> Stored<(OrganizationId, ProfileId)> {
    Ok((
        parsed(row, 0, OrganizationId::parse)?,
        parsed(row, 1, ProfileId::parse)?,
    ))
}

/// Organizations in the order of their ids, each one's profiles oldest first.
fn export(
    connection: &Connection,
    organization_id: Option<&OrganizationId>,
    after: Option<&ExportPosition>,
    limit: usize,
) -> Stored<FoundPage<ExportPosition>> {
    let mut profiles: Vec<OwnedProfile> = Vec::new();
    let mut from = after.map(|after| (after.created_at.as_micros(), after.id.as_str()));
    let mut organization = match (after, organization_id) {
        (Some(after), _) => organization_from(connection, after.organization_id.as_str(), true)?,
        (None, Some(id)) => organization_from(connection, id.as_str(), true)?,
        (None, None) => organization_from(connection, "", false)?,
    };
    let mut last: Option<(Timestamp, ProfileId)> = None;
    while let Some((number, id)) = organization {
        if organization_id.is_some_and(|only| *only != id) {
            break;
        }
        let (created_at, profile_id) = from.take().unwrap_or((i64::MIN, ""));
        let mut statement = connection
            .prepare_cached(
                "SELECT created_at, id, document FROM profiles WHERE organization = ?1 \
                 AND (created_at, id) > (?2, ?3) ORDER BY created_at, id LIMIT ?4",
            )
            .map_err(failed)?;
        let wanted = i64::try_from(limit - profiles.len()).unwrap_or(i64::MAX);
        let mut rows = statement
            .query(params![number, created_at, profile_id, wanted])
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let document = row.get_ref(2).map_err(failed)?;
            let document = document
                .as_str()
                .map_err(|_| super::rows::damaged("a document"))?;
            let profile_id = parsed(row, 1, ProfileId::parse)?;
            profiles.push(OwnedProfile {
                organization_id: id.clone(),
                id: profile_id.clone(),
                document: ProfileDocument::from_stored(document),
            });
            last = Some((timestamp(row, 0)?, profile_id));
        }
        if profiles.len() >= limit {
            let next = last.map(|(created_at, profile_id)| ExportPosition {
                organization_id: id,
                created_at,
                id: profile_id,
            });
            return Ok(FoundPage { profiles, next });
        }
        organization = organization_from(connection, id.as_str(), false)?;
    }
    Ok(FoundPage {
        profiles,
        next: None,
    })
}

/// The first organization at (`inclusive`) or after `id`.
fn organization_from(
    connection: &Connection,
    id: &str,
    inclusive: bool,
) -> Stored<Option<(i64, OrganizationId)>> {
    let sql = if inclusive {
        "SELECT number, id FROM organizations WHERE id >= ?1 AND removal IS NULL ORDER BY id LIMIT 1"
    } else {
        "SELECT number, id FROM organizations WHERE id > ?1 AND removal IS NULL ORDER BY id LIMIT 1"
    };
    query_one(connection, sql, id, |row| {
        Ok((
            row.get(0).map_err(failed)?,
            parsed(row, 1, OrganizationId::parse)?,
        ))
    })
}
