//! Care of the database: does it answer, is every record sound, can it be emptied.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use rollcall_domain::clock::{Clock as _, SystemClock, Timestamp};
use rollcall_domain::id::OrganizationId;
use rollcall_domain::profile::Profile;
use rollcall_domain::tenant::OperatorProof;
use rollcall_record::document::ProfileDocument;
use tokio_postgres::Row;

use super::profile_rows::{actions, open_actions};
use super::rows::{column, number, parsed, text};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::{Value, values};
use super::{PostgresStore, removal, tables};
use crate::Stored;
use crate::check::{Check, CheckReport, WriteFigures};
use crate::columns::Narrow;
use crate::leases::Leases as _;

/// How many profiles are looked at in one go.
const PIECE: usize = 1_000;

/// The lease that is claimed to see whether anything can be written.
const PROBE: &str = "write probe";

#[async_trait]
impl Check for PostgresStore {
    async fn ping(&self) -> Stored<()> {
        self.read("SELECT 1 FROM organizations LIMIT 1", &[])
            .await
            .map(|_| ())
    }

    async fn writable(&self) -> Stored<()> {
        let probe = async {
            // One row for all nodes, and a claim that is always granted.
            let lease = self.claim_lease(PROBE, PROBE, Duration::ZERO, SystemClock.now());
            lease.await.map(drop)
        };
        self.writer.writability.known_or(probe).await
    }

    async fn check(
        &self,
        _proof: OperatorProof,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Stored<CheckReport> {
        let mut tx = self.snapshot().await?;
        let mut report = CheckReport::default();
        check_profiles(&mut tx, &mut report, progress).await?;
        let removals = tx.query(removal::LIST, &[]).await?;
        let removals = removals
            .iter()
            .map(|row| parsed(row, 0, OrganizationId::parse));
        if !report.unfinished(&removals.collect::<Stored<Vec<_>>>()?) {
            check_references(&mut tx, &mut report).await?;
        }
        Self::finish(tx).await;
        Ok(report)
    }

    async fn reset(&self, _proof: OperatorProof) -> Stored<()> {
        self.run("reset", &(), |tx, ()| {
            Box::pin(async move {
                tables::empty(tx);
                Ok(())
            })
        })
        .await
    }

    fn write_figures(&self) -> WriteFigures {
        self.writer.figures(self.creates.waiting())
    }

    async fn close(&self) {
        self.primary.close();
        if let Some(replica) = &self.replica {
            replica.close();
        }
    }
}

/// Every profile reads back as itself, and its row repeats its document rightly.
async fn check_profiles(
    tx: &mut Tx,
    report: &mut CheckReport,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), Trouble> {
    let mut after = (String::new(), String::new());
    let mut open = HashMap::new();
    loop {
        let rows = tx
            .query(
                "SELECT p.organization, p.id, p.created_at, p.document, p.folded_name, \
                 p.reference_id, p.email_hash, p.country, p.access_type::bigint, \
                 p.outlook::bigint, o.id, i.organization \
                 FROM profiles p LEFT JOIN organizations o ON o.id = p.organization \
                 LEFT JOIN profile_ids i ON i.id = p.id \
                 WHERE (p.organization, p.id) > ($1, $2) AND o.removal IS NULL \
                 ORDER BY p.organization, p.id LIMIT $3",
                &values![after.0.as_str(), after.1.as_str(), PIECE],
            )
            .await?;
        let Some(last) = rows.last() else {
            return check_open_actions(tx, report, open).await;
        };
        let last = (column(last, 0)?, column(last, 1)?);
        let searched = Searched::between(tx, &after, &last).await?;
        for row in &rows {
            if let Some(problem) = profile_problem(row, &searched)? {
                report.problem(format!("profile {}: {problem}", text(row, 1)?));
            }
            if let Ok(profile) = ProfileDocument::from_stored(text(row, 3)?).decode() {
                *open.entry(column(row, 0)?).or_default() += open_actions(&profile);
            }
            report.profiles += 1;
        }
        progress(report.profiles);
        after = last;
    }
}

/// What an overview shows of open actions is how many there are.
async fn check_open_actions(
    tx: &mut Tx,
    report: &mut CheckReport,
    mut open: HashMap<String, i64>,
) -> Result<(), Trouble> {
    let sql = "SELECT organization, open_actions FROM organization_figures";
    for row in tx.query(sql, &[]).await? {
        *open.entry(column(&row, 0)?).or_default() -= number(&row, 1)?;
    }
    let wrong = open.values().filter(|difference| **difference != 0).count();
    if wrong > 0 {
        report.problem(format!(
            "{wrong} organizations whose count of open actions is wrong"
        ));
    }
    Ok(())
}

/// What leads to the profiles of one piece.
struct Searched {
    programs: HashSet<(String, String, String, i64)>,
    actions: HashMap<String, (String, Option<i64>)>,
}

impl Searched {
    async fn between(
        tx: &mut Tx,
        after: &(String, String),
        last: &(String, String),
    ) -> Result<Self, Trouble> {
        let bounds: [Value; 4] = values![
            after.0.as_str(),
            after.1.as_str(),
            last.0.as_str(),
            last.1.as_str(),
        ];
        let programs = tx
            .query(
                "SELECT profile_id, program, status, created_at FROM profile_programs \
                 WHERE (organization, profile_id) > ($1, $2) \
                 AND (organization, profile_id) <= ($3, $4)",
                &bounds,
            )
            .await?;
        let actions = tx
            .query(
                "SELECT id, profile_id, expires_at FROM enforcement_actions \
                 WHERE (organization, profile_id) > ($1, $2) \
                 AND (organization, profile_id) <= ($3, $4)",
                &bounds,
            )
            .await?;
        let program = |row: &Row| -> Stored<_> {
            Ok((
                column(row, 0)?,
                column(row, 1)?,
                column(row, 2)?,
                number(row, 3)?,
            ))
        };
        let action =
            |row: &Row| -> Stored<_> { Ok((column(row, 0)?, (column(row, 1)?, column(row, 2)?))) };
        Ok(Self {
            programs: programs.iter().map(program).collect::<Stored<_>>()?,
            actions: actions.iter().map(action).collect::<Stored<_>>()?,
        })
    }

    fn problem(&self, profile: &Profile) -> Option<String> {
        let id = profile.id.as_str();
        for (program, status) in profile.programs.statuses() {
            let key = (
                id.to_owned(),
                program.to_owned(),
                status.as_str().to_owned(),
                profile.created_at.as_micros(),
            );
            if !self.programs.contains(&key) {
                return Some(format!("its program {program} cannot be searched"));
            }
        }
        for (action, expires_at) in actions(profile) {
            let expected = (id.to_owned(), expires_at.map(Timestamp::as_micros));
            if self.actions.get(action) != Some(&expected) {
                return Some(format!(
                    "its enforcement action {action} cannot be found by id"
                ));
            }
        }
        None
    }
}

fn profile_problem(row: &Row, searched: &Searched) -> Stored<Option<String>> {
    let document = ProfileDocument::from_stored(text(row, 3)?);
    if let Err(error) = document.view() {
        return Ok(Some(error.to_string()));
    }
    let profile = match document.decode() {
        Err(error) => return Ok(Some(error.to_string())),
        Ok(profile) => profile,
    };
    if ProfileDocument::encode(&profile) != document {
        return Ok(Some("its document is not in canonical form".into()));
    }
    if profile.id.as_str() != text(row, 1)? || profile.created_at.as_micros() != number(row, 2)? {
        return Ok(Some("its key differs from its document".into()));
    }
    let columns = Narrow {
        folded_name: column(row, 4)?,
        reference_id: column(row, 5)?,
        email_hash: column(row, 6)?,
        country: column(row, 7)?,
        access_type: number(row, 8)?,
        outlook: number(row, 9)?,
    };
    if columns != Narrow::of(&profile) {
        return Ok(Some("its columns differ from its document".into()));
    }
    if column::<Option<&str>>(row, 10)?.is_none() {
        return Ok(Some("its organization does not exist".into()));
    }
    if column::<Option<&str>>(row, 11)? != Some(text(row, 0)?) {
        return Ok(Some("its id is not kept as its organization's".into()));
    }
    Ok(searched.problem(&profile))
}

/// Nothing points at what is not there, and what is counted is there.
async fn check_references(tx: &mut Tx, report: &mut CheckReport) -> Result<(), Trouble> {
    let questions = [
        (
            "ids of profiles that do not exist",
            "SELECT count(*) FROM profile_ids i LEFT JOIN profiles p \
             ON p.organization = i.organization AND p.id = i.id WHERE p.id IS NULL",
        ),
        (
            "programs of profiles that do not exist",
            "SELECT count(*) FROM profile_programs g LEFT JOIN profiles p \
             ON p.organization = g.organization AND p.id = g.profile_id WHERE p.id IS NULL",
        ),
        (
            "enforcement actions of profiles that do not exist",
            "SELECT count(*) FROM enforcement_actions a LEFT JOIN profiles p \
             ON p.organization = a.organization AND p.id = a.profile_id WHERE p.id IS NULL",
        ),
        (
            "days whose count of profiles is wrong",
            "SELECT count(*) FROM (SELECT organization, day FROM \
               (SELECT organization, day, -profiles AS profiles FROM profile_counts \
                UNION ALL \
                SELECT organization, (created_at - ((created_at % 86400000000) + 86400000000) \
                  % 86400000000) / 86400000000, count(*) FROM profiles GROUP BY 1, 2) AS counted \
               GROUP BY organization, day HAVING sum(profiles) <> 0) AS differing",
        ),
        (
            "organizations whose sum of folded days is wrong",
            "SELECT count(*) FROM (SELECT organization FROM \
               (SELECT organization, -folded_profiles AS profiles FROM organization_figures \
                UNION ALL SELECT organization, profiles FROM profile_counts WHERE slot < 0) \
               AS counted GROUP BY organization HAVING sum(profiles) <> 0) AS differing",
        ),
        (
            "enrollments of profiles that do not exist",
            "SELECT count(*) FROM enrollments e LEFT JOIN profiles p \
             ON p.organization = e.organization AND p.id = e.profile_id WHERE p.id IS NULL",
        ),
        (
            "organizations whose count of waiting enrollments is wrong",
            "SELECT count(*) FROM (SELECT organization FROM \
               (SELECT organization, -waiting_enrollments AS waiting FROM organization_figures \
                UNION ALL \
                SELECT organization, count(*) FROM enrollments WHERE status = 'pending' GROUP BY 1) \
               AS counted GROUP BY organization HAVING sum(waiting) <> 0) AS differing",
        ),
        (
            "deliveries of events that do not exist",
            "SELECT count(*) FROM webhook_deliveries d LEFT JOIN events v \
             ON v.organization = d.organization AND v.id = d.event_id WHERE v.id IS NULL",
        ),
        (
            "deliveries that are pending and never due, or due and not pending",
            "SELECT count(*) FROM webhook_deliveries \
             WHERE (status = 'pending') <> (due_at IS NOT NULL) \
             OR (status = 'pending') <> (finished_at IS NULL)",
        ),
        (
            "webhook endpoints of organizations that do not exist",
            "SELECT count(*) FROM webhook_endpoints e LEFT JOIN organizations o \
             ON o.id = e.organization WHERE o.id IS NULL",
        ),
        (
            "organizations with more webhook endpoints than they may have",
            "SELECT count(*) FROM (SELECT 1 FROM webhook_endpoints GROUP BY organization \
             HAVING count(*) > 32) AS crowded",
        ),
        (
            "keys of organizations that do not exist",
            "SELECT count(*) FROM api_keys k LEFT JOIN organizations o \
             ON o.id = k.organization WHERE o.id IS NULL AND k.organization <> ''",
        ),
        (
            "workspaces of organizations that do not exist",
            "SELECT count(*) FROM workspaces w LEFT JOIN organizations o \
             ON o.id = w.organization WHERE o.id IS NULL",
        ),
    ];
    for (what, sql) in questions {
        let rows = tx.query(sql, &[]).await?;
        let count = rows.first().map_or(Ok(0), |row| number(row, 0))?;
        if count > 0 {
            report.problem(format!("{count} {what}"));
        }
    }
    Ok(())
}
