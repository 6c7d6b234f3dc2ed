//! Enrollment and action URLs, and what is submitted through them.

use std::sync::Arc;

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::enrollment::{
    Application, Enrolled, Enrollment, EnrollmentStatus, EnrollmentUrl, Verdict,
};
use rollcall_domain::id::{EnrollmentId, OrganizationId, ProfileId};
use rollcall_domain::page::{Limit, ListPosition, Order};
use rollcall_domain::profile::Profile;
use rollcall_domain::program::ProgramName;
use rollcall_domain::tenant::{OperatorProof, OrganizationScope, SecretHash};
use rollcall_record::document::ProfileDocument;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::commit::keep_audit;
use super::emitter::{Emitter, Tenant};
use super::rows::{damaged, optional, optional_timestamp, organization_number, parsed, timestamp};
use super::{SqliteStore, failed, overview, profile_rows};
use crate::Stored;
use crate::enrollments::{Decided, EnrollmentFilter, EnrollmentUrls, Enrollments, Submitted};
use crate::tenants::Listed;

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
                if profile_rows::find(connection, number, &url.profile_id)?.is_none() {
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
                keep_audit(connection, &ids, number, &act, &[url.creation()])?;
                Ok(true)
            })
            .await
    }

    async fn find_enrollment_url(&self, token: &SecretHash) -> Stored<Option<EnrollmentUrl>> {
        self.read(|connection| Ok(find_url(connection, token)?.map(|(_, url)| url)))
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

#[async_trait]
impl Enrollments for SqliteStore {
    async fn submit_enrollment(
        &self,
        act: &Act,
        token: &SecretHash,
        id: &EnrollmentId,
        application: &Application,
    ) -> Stored<Submitted> {
        let emitter = self.emitter();
        let (act, token, id, application) = (act.clone(), *token, id.clone(), application.clone());
        self.writer
            .write(move |connection| {
                let Some((number, url)) = find_url(connection, &token)? else {
                    return Ok(Submitted::Missing);
                };
                let Some(stored) = profile_rows::find(connection, number, &url.profile_id)? else {
                    return Ok(Submitted::Missing);
                };
                if url.is_expired_at(act.at) {
                    return Ok(Submitted::Expired);
                }
                let before = stored.decode()?;
                let enrolled = match url.submit(&before, id.clone(), application.clone(), act.at) {
                    Err(refusal) => return Ok(Submitted::Refused(refusal)),
                    Ok(enrolled) => enrolled,
                };
                insert(connection, number, &enrolled.enrollment)?;
                use_url(connection, &token, &enrolled.enrollment.id)?;
                overview::count_waiting(connection, number, 1)?;
                keep(connection, &emitter, number, &act, &before, &enrolled)?;
                Ok(Submitted::Done(enrolled.enrollment))
            })
            .await
    }

    async fn find_enrollment(
        &self,
        _proof: OperatorProof,
        id: &EnrollmentId,
    ) -> Stored<Option<Enrollment>> {
        self.read(|connection| Ok(find(connection, id)?.map(|(_, enrollment)| enrollment)))
    }

    async fn list_enrollments(
        &self,
        _proof: OperatorProof,
        filter: &EnrollmentFilter,
        order: Order,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<Enrollment>> {
        self.read(|connection| {
            let organization = match &filter.organization_id {
                None => None,
                // No organization has a number below 1.
                Some(id) => Some(self.organization(connection, id)?.unwrap_or(-1)),
            };
            list(connection, filter, organization, order, after, limit)
        })
    }

    async fn decide_enrollment(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &EnrollmentId,
        verdict: &Verdict,
        note: Option<&str>,
    ) -> Stored<Decided> {
        let emitter = self.emitter();
        let (act, id, verdict) = (act.clone(), id.clone(), verdict.clone());
        let note = note.map(str::to_owned);
        self.writer
            .write(move |connection| {
                let Some((number, waiting)) = find(connection, &id)? else {
                    return Ok(Decided::Missing);
                };
                let stored = profile_rows::find(connection, number, &waiting.profile_id)?;
                let before = stored
                    .ok_or_else(|| damaged("an enrollment's profile"))?
                    .decode()?;
                let enrolled = match waiting.decide(&before, &verdict, note.clone(), act.at) {
                    Err(refusal) => return Ok(Decided::Refused(refusal)),
                    Ok(enrolled) => enrolled,
                };
                update(connection, &enrolled.enrollment)?;
                overview::count_waiting(connection, number, -1)?;
                keep(connection, &emitter, number, &act, &before, &enrolled)?;
                Ok(Decided::Done(enrolled.enrollment))
            })
            .await
    }
}

/// Keeps what a step did to the profile, and what it tells and leaves behind.
fn keep(
    connection: &Connection,
    emitter: &Emitter,
    number: i64,
    act: &Act,
    before: &Profile,
    enrolled: &Enrolled,
) -> Stored<()> {
    let decided = &enrolled.profile;
    if decided.changed {
        let document = ProfileDocument::encode(&decided.value);
        profile_rows::update(connection, number, before, &decided.value, &document)?;
    }
    let tenant = Tenant {
        number,
        id: &enrolled.enrollment.organization_id,
    };
    emitter.keep_events(connection, tenant, act, &decided.events)?;
    keep_audit(connection, &emitter.ids, number, act, &decided.audit)
}

/// A URL and the number of its organization.
fn find_url(connection: &Connection, token: &SecretHash) -> Stored<Option<(i64, EnrollmentUrl)>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT o.id, u.profile_id, u.created_at, u.expires_at, u.enrollment_id, o.number \
             FROM enrollment_urls u JOIN organizations o ON o.number = u.organization \
             WHERE u.token_hash = ?1",
        )
        .map_err(failed)?;
    let mut rows = statement.query([token.0]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else {
        return Ok(None);
    };
    let url = EnrollmentUrl {
        token_hash: *token,
        organization_id: parsed(row, 0, OrganizationId::parse)?,
        profile_id: parsed(row, 1, ProfileId::parse)?,
        created_at: timestamp(row, 2)?,
        expires_at: timestamp(row, 3)?,
        enrollment_id: optional(row, 4, EnrollmentId::parse)?,
    };
    Ok(Some((row.get(5).map_err(failed)?, url)))
}

fn use_url(connection: &Connection, token: &SecretHash, id: &EnrollmentId) -> Stored<()> {
    connection
        .prepare_cached("UPDATE enrollment_urls SET enrollment_id = ?2 WHERE token_hash = ?1")
        .and_then(|mut statement| statement.execute(params![token.0, id.as_str()]))
        .map(|_| ())
        .map_err(failed)
}

fn insert(connection: &Connection, organization: i64, enrollment: &Enrollment) -> Stored<()> {
    let submitted = serde_json::to_string(&enrollment.submitted).unwrap_or_default();
    connection
        .prepare_cached(
            "INSERT INTO enrollments (id, organization, profile_id, program, status, submitted, \
             submitted_at, decided_at, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, NULL)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                enrollment.id.as_str(),
                organization,
                enrollment.profile_id.as_str(),
                enrollment.program.as_str(),
                enrollment.status.as_str(),
                submitted,
                enrollment.submitted_at.as_micros()
            ])
        })
        .map(|_| ())
        .map_err(failed)
}

fn update(connection: &Connection, enrollment: &Enrollment) -> Stored<()> {
    connection
        .prepare_cached(
            "UPDATE enrollments SET status = ?2, decided_at = ?3, note = ?4 WHERE id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                enrollment.id.as_str(),
                enrollment.status.as_str(),
                enrollment.decided_at.map(Timestamp::as_micros),
                enrollment.note
            ])
        })
        .map(|_| ())
        .map_err(failed)
}

/// Ends the URLs of a profile, which is about to be removed, and counts its enrollments no more.
pub(super) fn end_of(connection: &Connection, organization: i64, id: &ProfileId) -> Stored<()> {
    let waiting: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM enrollments WHERE profile_id = ?1 AND status = 'pending'",
        )
        .and_then(|mut statement| statement.query_row([id.as_str()], |row| row.get(0)))
        .map_err(failed)?;
    // They stay for as long as expired ones do, and show the same page. Should a record bring the id back,
    // they are still over.
    connection
        .prepare_cached("UPDATE enrollment_urls SET expires_at = created_at WHERE profile_id = ?1")
        .and_then(|mut statement| statement.execute([id.as_str()]))
        .map_err(failed)?;
    overview::count_waiting(connection, organization, -waiting)
}

const COLUMNS: &str = "e.id, o.id, e.profile_id, e.program, e.status, e.submitted, \
    e.submitted_at, e.decided_at, e.note, e.organization";

/// An enrollment and the number of its organization.
fn find(connection: &Connection, id: &EnrollmentId) -> Stored<Option<(i64, Enrollment)>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM enrollments e JOIN organizations o ON o.number = e.organization \
         WHERE e.id = ?1"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query([id.as_str()]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else {
        return Ok(None);
    };
    Ok(Some((row.get(9).map_err(failed)?, enrollment(row)?)))
}

fn list(
    connection: &Connection,
    filter: &EnrollmentFilter,
    organization: Option<i64>,
    order: Order,
    after: Option<&ListPosition>,
    limit: Limit,
) -> Stored<Listed<Enrollment>> {
    let (than, direction, beginning) = match order {
        Order::Ascending => (">", "ASC", (i64::MIN, "")),
        Order::Descending => ("<", "DESC", (i64::MAX, "")),
    };
    let (submitted_at, id) = after.map_or(beginning, |after| {
        (after.created_at.as_micros(), after.id.as_str())
    });
    let mut parameters = vec![Value::Integer(submitted_at), Value::Text(id.to_owned())];
    let mut conditions = format!("(e.submitted_at, e.id) {than} (?1, ?2)");
    let mut and = |column: &str, value: Value| {
        parameters.push(value);
        conditions += &format!(" AND e.{column} = ?{}", parameters.len());
    };
    if let Some(status) = filter.status {
        and("status", Value::Text(status.as_str().to_owned()));
    }
    if let Some(organization) = organization {
        and("organization", Value::Integer(organization));
    }
    if let Some(profile_id) = &filter.profile_id {
        and("profile_id", Value::Text(profile_id.as_str().to_owned()));
    }
    let wanted = limit.get() + 1;
    let sql = format!(
        "SELECT {COLUMNS} FROM enrollments e JOIN organizations o ON o.number = e.organization \
         WHERE {conditions} ORDER BY e.submitted_at {direction}, e.id {direction} LIMIT {wanted}"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement
        .query(params_from_iter(parameters))
        .map_err(failed)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        items.push(enrollment(row)?);
    }
    Ok(Listed::of(items, limit, |last: &Enrollment| {
        (last.submitted_at, last.id.as_str())
    }))
}

fn enrollment(row: &Row<'_>) -> Stored<Enrollment> {
    let submitted: String = row.get(5).map_err(failed)?;
    Ok(Enrollment {
        id: parsed(row, 0, EnrollmentId::parse)?,
        organization_id: parsed(row, 1, OrganizationId::parse)?,
        profile_id: parsed(row, 2, ProfileId::parse)?,
        program: parsed(row, 3, ProgramName::parse)?,
        status: parsed(row, 4, EnrollmentStatus::parse)?,
        submitted: serde_json::from_str(&submitted)
            .map_err(|_| damaged("an enrollment's answers"))?,
        submitted_at: timestamp(row, 6)?,
        decided_at: optional_timestamp(row, 7)?,
        note: row.get(8).map_err(failed)?,
    })
}
