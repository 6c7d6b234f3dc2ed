//! Enrollment and action URLs, and what is submitted through them.
//!
//! Both steps of an enrollment concern its profile, and both lock the profile's row, as its removal
//! does; so an enrollment never outlives its profile.

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
use tokio_postgres::Row;

use super::commit::Keep;
use super::rows::{column, damaged, optional, optional_timestamp, parsed, text, timestamp};
use super::transaction::{Tx, removed};
use super::trouble::Trouble;
use super::value::{Value, values};
use super::{PostgresStore, overview, profile_rows};
use crate::Stored;
use crate::enrollments::{Decided, EnrollmentFilter, EnrollmentUrls, Enrollments, Submitted};
use crate::tenants::Listed;

#[async_trait]
impl EnrollmentUrls for PostgresStore {
    async fn insert_enrollment_url(
        &self,
        scope: &OrganizationScope,
        act: &Act,
        url: &EnrollmentUrl,
    ) -> Stored<bool> {
        let insertion = UrlInsertion {
            keep: Keep::new(&self.ids, act),
            organization: scope.organization_id().as_str(),
            url,
        };
        self.run("insert_enrollment_url", &insertion, |tx, insertion| {
            Box::pin(insertion.run(tx))
        })
        .await
    }

    async fn find_enrollment_url(&self, token: &SecretHash) -> Stored<Option<EnrollmentUrl>> {
        let rows = self.read(FIND_URL, &values![&token.0[..]]).await?;
        rows.first().map(|row| url(row, token)).transpose()
    }

    async fn prune_enrollment_urls(&self, before: Timestamp) -> Stored<u64> {
        self.run("prune_enrollment_urls", &values![before], |tx, before| {
            Box::pin(removed(
                tx,
                "WITH gone AS (DELETE FROM enrollment_urls WHERE expires_at < $1 RETURNING 1) \
                 SELECT count(*) FROM gone",
                before,
            ))
        })
        .await
    }
}

#[async_trait]
impl Enrollments for PostgresStore {
    async fn submit_enrollment(
        &self,
        act: &Act,
        token: &SecretHash,
        id: &EnrollmentId,
        application: &Application,
    ) -> Stored<Submitted> {
        let submission = Submission {
            keep: Keep::new(&self.ids, act),
            token,
            id,
            application,
        };
        self.run("submit_enrollment", &submission, |tx, submission| {
            Box::pin(submission.run(tx))
        })
        .await
    }

    async fn find_enrollment(
        &self,
        _proof: OperatorProof,
        id: &EnrollmentId,
    ) -> Stored<Option<Enrollment>> {
        let rows = self.read(&find(""), &values![id.as_str()]).await?;
        rows.first().map(enrollment).transpose()
    }

    async fn list_enrollments(
        &self,
        _proof: OperatorProof,
        filter: &EnrollmentFilter,
        order: Order,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<Enrollment>> {
        let (sql, parameters) = list(filter, order, after, limit);
        let rows = self.read(&sql, &parameters).await?;
        let found = rows.iter().map(enrollment).collect::<Stored<_>>()?;
        Ok(Listed::of(found, limit, |last: &Enrollment| {
            (last.submitted_at, last.id.as_str())
        }))
    }

    async fn decide_enrollment(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &EnrollmentId,
        verdict: &Verdict,
        note: Option<&str>,
    ) -> Stored<Decided> {
        let decision = Decision {
            keep: Keep::new(&self.ids, act),
            id,
            verdict,
            note,
        };
        self.run("decide_enrollment", &decision, |tx, decision| {
            Box::pin(decision.run(tx))
        })
        .await
    }
}

struct UrlInsertion<'a> {
    keep: Keep<'a>,
    organization: &'a str,
    url: &'a EnrollmentUrl,
}

impl UrlInsertion<'_> {
    async fn run(&self, tx: &mut Tx) -> Result<bool, Trouble> {
        let url = self.url;
        let id = url.profile_id.as_str();
        // Locked, so that whoever removes the profile meanwhile finds this URL too and ends it.
        let found = tx
            .query(
                "SELECT 1 FROM profiles WHERE organization = $1 AND id = $2 FOR KEY SHARE",
                &values![self.organization, id],
            )
            .await?;
        self.keep.unless_applied(tx).await?;
        if found.is_empty() {
            return Ok(false);
        }
        tx.write(
            "INSERT INTO enrollment_urls (token_hash, organization, profile_id, created_at, \
             expires_at, enrollment_id) VALUES ($1, $2, $3, $4, $5, NULL)",
            values![
                &url.token_hash.0[..],
                self.organization,
                id,
                url.created_at,
                url.expires_at,
            ],
        );
        self.keep.audit(tx, self.organization, &[url.creation()]);
        Ok(true)
    }
}

struct Submission<'a> {
    keep: Keep<'a>,
    token: &'a SecretHash,
    id: &'a EnrollmentId,
    application: &'a Application,
}

impl Submission<'_> {
    async fn run(&self, tx: &mut Tx) -> Result<Submitted, Trouble> {
        // The profile is locked before the URL, as its removal does it; the URL is locked because it takes
        // one submission, however many come at once.
        let Some(url) = self.find(tx, "").await? else {
            return Ok(Submitted::Missing);
        };
        let organization = url.organization_id.as_str();
        let stored = profile_rows::lock(tx, organization, &url.profile_id).await?;
        let url = self.find(tx, " FOR UPDATE").await?;
        self.keep.unless_applied(tx).await?;
        let (Some(stored), Some(url)) = (stored, url) else {
            return Ok(Submitted::Missing);
        };
        let now = self.keep.act().at;
        if url.is_expired_at(now) {
            return Ok(Submitted::Expired);
        }
        let before = stored.decode()?;
        let (id, application) = (self.id.clone(), self.application.clone());
        let enrolled = match url.submit(&before, id, application, now) {
            Err(refusal) => return Ok(Submitted::Refused(refusal)),
            Ok(enrolled) => enrolled,
        };
        insert(tx, &enrolled.enrollment);
        tx.write(
            "UPDATE enrollment_urls SET enrollment_id = $2 WHERE token_hash = $1",
            values![&self.token.0[..], self.id.as_str()],
        );
        keep(tx, &self.keep, &before, &enrolled, 1).await?;
        Ok(Submitted::Done(enrolled.enrollment))
    }

    async fn find(&self, tx: &mut Tx, lock: &str) -> Result<Option<EnrollmentUrl>, Trouble> {
        let sql = format!("{FIND_URL}{lock}");
        let rows = tx.query(&sql, &values![&self.token.0[..]]).await?;
        Ok(rows.first().map(|row| url(row, self.token)).transpose()?)
    }
}

struct Decision<'a> {
    keep: Keep<'a>,
    id: &'a EnrollmentId,
    verdict: &'a Verdict,
    note: Option<&'a str>,
}

impl Decision<'_> {
    async fn run(&self, tx: &mut Tx) -> Result<Decided, Trouble> {
        // The profile is locked before the enrollment, as its removal does it.
        let Some(waiting) = self.find(tx, "").await? else {
            return Ok(Decided::Missing);
        };
        let organization = waiting.organization_id.as_str();
        let stored = profile_rows::lock(tx, organization, &waiting.profile_id).await?;
        let waiting = self.find(tx, " FOR UPDATE").await?;
        self.keep.unless_applied(tx).await?;
        let (Some(stored), Some(waiting)) = (stored, waiting) else {
            return Ok(Decided::Missing);
        };
        let before = stored.decode()?;
        let (note, now) = (self.note.map(str::to_owned), self.keep.act().at);
        let enrolled = match waiting.decide(&before, self.verdict, note, now) {
            Err(refusal) => return Ok(Decided::Refused(refusal)),
            Ok(enrolled) => enrolled,
        };
        let decided = &enrolled.enrollment;
        tx.write(
            "UPDATE enrollments SET status = $3, decided_at = $4, note = $5 \
             WHERE organization = $1 AND id = $2",
            values![
                decided.organization_id.as_str(),
                decided.id.as_str(),
                decided.status.as_str(),
                decided.decided_at,
                decided.note.as_deref(),
            ],
        );
        keep(tx, &self.keep, &before, &enrolled, -1).await?;
        Ok(Decided::Done(enrolled.enrollment))
    }

    async fn find(&self, tx: &mut Tx, lock: &str) -> Result<Option<Enrollment>, Trouble> {
        let rows = tx.query(&find(lock), &values![self.id.as_str()]).await?;
        Ok(rows.first().map(enrollment).transpose()?)
    }
}

/// Keeps what a step did to the profile, what it tells and leaves behind, and how many more wait.
async fn keep(
    tx: &mut Tx,
    keep: &Keep<'_>,
    before: &Profile,
    enrolled: &Enrolled,
    waiting: i64,
) -> Result<(), Trouble> {
    let decided = &enrolled.profile;
    let organization = &enrolled.enrollment.organization_id;
    if decided.changed {
        let document = ProfileDocument::encode(&decided.value);
        profile_rows::update(tx, organization.as_str(), before, &decided.value, &document);
    }
    keep.events(tx, organization, &decided.events).await?;
    keep.audit(tx, organization.as_str(), &decided.audit);
    let change = overview::Change {
        waiting,
        ..overview::Change::default()
    };
    overview::count(tx, organization.as_str(), change);
    Ok(())
}

const FIND_URL: &str = "SELECT organization, profile_id, created_at, expires_at, enrollment_id \
    FROM enrollment_urls WHERE token_hash = $1";

fn url(row: &Row, token: &SecretHash) -> Stored<EnrollmentUrl> {
    Ok(EnrollmentUrl {
        token_hash: *token,
        organization_id: parsed(row, 0, OrganizationId::parse)?,
        profile_id: parsed(row, 1, ProfileId::parse)?,
        created_at: timestamp(row, 2)?,
        expires_at: timestamp(row, 3)?,
        enrollment_id: optional(row, 4, EnrollmentId::parse)?,
    })
}

fn insert(tx: &mut Tx, enrollment: &Enrollment) {
    let submitted = serde_json::to_string(&enrollment.submitted).unwrap_or_default();
    tx.write(
        "INSERT INTO enrollments (organization, id, profile_id, program, status, submitted, \
         submitted_at, decided_at, note) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, NULL)",
        values![
            enrollment.organization_id.as_str(),
            enrollment.id.as_str(),
            enrollment.profile_id.as_str(),
            enrollment.program.as_str(),
            enrollment.status.as_str(),
            submitted,
            enrollment.submitted_at,
        ],
    );
}

/// Ends the URLs of a profile, whose row is locked and about to go; answers with how many of its enrollments
/// are waiting.
pub(super) async fn end_of(
    tx: &mut Tx,
    organization: &str,
    id: &ProfileId,
) -> Result<i64, Trouble> {
    // They stay for as long as expired ones do, and show the same page. Should a record bring the id back,
    // they are still over.
    tx.write(
        "UPDATE enrollment_urls SET expires_at = created_at \
         WHERE profile_id = $1 AND organization = $2",
        values![id.as_str(), organization],
    );
    let rows = tx
        .query(
            "SELECT status FROM enrollments WHERE profile_id = $1 AND organization = $2",
            &values![id.as_str(), organization],
        )
        .await?;
    let mut waiting = 0;
    for row in &rows {
        let pending = text(row, 0)? == EnrollmentStatus::Pending.as_str();
        waiting += i64::from(pending);
    }
    Ok(waiting)
}

const COLUMNS: &str = "id, organization, profile_id, program, status, submitted, submitted_at, \
    decided_at, note";

fn find(lock: &str) -> String {
    format!("SELECT {COLUMNS} FROM enrollments WHERE id = $1{lock}")
}

fn list(
    filter: &EnrollmentFilter,
    order: Order,
    after: Option<&ListPosition>,
    limit: Limit,
) -> (String, Vec<Value>) {
    let (than, direction) = match order {
        Order::Ascending => (">", "ASC"),
        Order::Descending => ("<", "DESC"),
    };
    let mut parameters = values![limit.get() + 1].to_vec();
    let mut conditions = Vec::new();
    let filters = [
        ("status", filter.status.map(EnrollmentStatus::as_str)),
        (
            "organization",
            filter.organization_id.as_ref().map(OrganizationId::as_str),
        ),
        (
            "profile_id",
            filter.profile_id.as_ref().map(ProfileId::as_str),
        ),
    ];
    for (column, wanted) in filters {
        if let Some(wanted) = wanted {
            parameters.push(wanted.into());
            conditions.push(format!("{column} = ${}", parameters.len()));
        }
    }
    if let Some(after) = after {
        parameters.extend(values![after.created_at, after.id.as_str()]);
        let last = parameters.len();
        conditions.push(format!(
            "(submitted_at, id) {than} (${}, ${last})",
            last - 1
        ));
    }
    let conditions = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM enrollments{conditions} \
         ORDER BY submitted_at {direction}, id {direction} LIMIT $1"
    );
    (sql, parameters)
}

fn enrollment(row: &Row) -> Stored<Enrollment> {
    let submitted = serde_json::from_str(text(row, 5)?);
    Ok(Enrollment {
        id: parsed(row, 0, EnrollmentId::parse)?,
        organization_id: parsed(row, 1, OrganizationId::parse)?,
        profile_id: parsed(row, 2, ProfileId::parse)?,
        program: parsed(row, 3, ProgramName::parse)?,
        status: parsed(row, 4, EnrollmentStatus::parse)?,
        submitted: submitted.map_err(|_| damaged("an enrollment's answers"))?,
        submitted_at: timestamp(row, 6)?,
        decided_at: optional_timestamp(row, 7)?,
        note: column(row, 8)?,
    })
}
