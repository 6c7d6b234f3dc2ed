//! Care of the file: does it answer, is every record sound, can it be emptied and copied.

use async_trait::async_trait;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::tenant::OperatorProof;
use rollcall_record::document::ProfileDocument;
use rusqlite::Connection;

use super::rows::Narrow;
use super::{SqliteStore, checkpoint, failed, removal};
use crate::check::{Check, CheckReport, WriteFigures};
use crate::tables::TABLES;
use crate::{StoreError, Stored};

#[async_trait]
impl Check for SqliteStore {
    async fn ping(&self) -> Stored<()> {
        self.read(|connection| {
            let sql = "SELECT count(*) FROM (SELECT 1 FROM organizations LIMIT 1)";
            connection
                .prepare_cached(sql)
                .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)))
                .map(|_| ())
                .map_err(failed)
        })
    }

    async fn writable(&self) -> Stored<()> {
        self.writer.writable().await
    }

    async fn check(
        &self,
        _proof: OperatorProof,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Stored<CheckReport> {
        self.read(|connection| {
            let mut report = CheckReport::default();
            check_file(connection, &mut report)?;
            check_profiles(connection, &mut report, progress)?;
            if !report.unfinished(&removal::list(connection)?) {
                check_references(connection, &mut report)?;
            }
            Ok(report)
        })
    }

    async fn reset(&self, _proof: OperatorProof) -> Stored<()> {
        let known = std::sync::Arc::clone(&self.organizations);
        self.writer
            .write(move |connection| {
                let names = TABLES.iter().map(|table| table.name);
                for table in names.chain(["organizations"]) {
                    connection
                        .execute_batch(&format!("DELETE FROM {table}"))
                        .map_err(failed)?;
                }
                connection.uncount();
                known.forget_all();
                Ok(())
            })
            .await
    }

    fn write_figures(&self) -> WriteFigures {
        self.writer.figures()
    }

    async fn empty_log(&self) -> Stored<bool> {
        let Some(log) = self.log.clone() else {
            return Ok(true);
        };
        let readers = std::sync::Arc::clone(&self.readers);
        let emptied = tokio::task::spawn_blocking(move || checkpoint::empty(&log.lock(), &readers));
        emptied
            .await
            .map_err(|error| StoreError::Failed(error.to_string()))?
    }

    async fn close(&self) {
        self.writer.close().await;
        // What is left of it is folded back and emptied the next time.
        if let Err(error) = self.empty_log().await {
            tracing::warn!(%error, "the write-ahead log could not be emptied");
        }
    }
}

/// What the database engine itself says of its pages and indexes.
fn check_file(connection: &Connection, report: &mut CheckReport) -> Stored<()> {
    let mut statement = connection
        .prepare("PRAGMA integrity_check(100)")
        .map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let text: String = row.get(0).map_err(failed)?;
        if text != "ok" {
            report.problem(format!("database file: {text}"));
        }
    }
    Ok(())
}

/// Every profile reads back as itself, and its row repeats its document rightly.
fn check_profiles(
    connection: &Connection,
    report: &mut CheckReport,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Stored<()> {
    let mut statement = connection
        .prepare(
            "SELECT p.id, p.created_at, p.document, p.folded_name, p.reference_id, p.email_hash, \
             p.country, p.access_type, p.outlook, o.id \
             FROM profiles p LEFT JOIN organizations o ON o.number = p.organization \
             WHERE o.removal IS NULL",
        )
        .map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let id: String = row.get(0).map_err(failed)?;
        if let Some(problem) = profile_problem(connection, row, &id)? {
            report.problem(format!("profile {id}: {problem}"));
        }
        report.profiles += 1;
        if report.profiles.is_multiple_of(1_000) {
            progress(report.profiles);
        }
    }
    progress(report.profiles);
    Ok(())
}

fn profile_problem(
    connection: &Connection,
    row: &rusqlite::Row<'_>,
    id: &str,
) -> Stored<Option<String>> {
    let document: String = row.get(2).map_err(failed)?;
    let document = ProfileDocument::from_stored(document);
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
    let created_at: i64 = row.get(1).map_err(failed)?;
    if profile.id.as_str() != id || profile.created_at.as_micros() != created_at {
        return Ok(Some("its key differs from its document".into()));
    }
    let texts: [Option<String>; 4] = [
        row.get(3).map_err(failed)?,
        row.get(4).map_err(failed)?,
        row.get(5).map_err(failed)?,
        row.get(6).map_err(failed)?,
    ];
    let [folded_name, reference_id, email_hash, country] = texts;
    let columns = Narrow {
        folded_name,
        reference_id: reference_id.as_deref(),
        email_hash: email_hash.as_deref(),
        country: country.as_deref(),
        access_type: row.get(7).map_err(failed)?,
        outlook: row.get(8).map_err(failed)?,
    };
    if columns != Narrow::of(&profile) {
        return Ok(Some("its columns differ from its document".into()));
    }
    let owner: Option<String> = row.get(9).map_err(failed)?;
    if owner.is_none() {
        return Ok(Some("its organization does not exist".into()));
    }
    for (program, status) in profile.programs.statuses() {
        let found = exists(
            connection,
            "SELECT 1 FROM profile_programs WHERE program = ?1 AND status = ?2 \
             AND created_at = ?3 AND profile_id = ?4",
            rusqlite::params![program, status.as_str(), created_at, id],
        )?;
        if !found {
            return Ok(Some(format!("its program {program} cannot be searched")));
        }
    }
    let past = profile
        .enforcement
        .past()
        .iter()
        .map(|past| (past.action.id(), None));
    let unresolved = profile.enforcement.unresolved().iter();
    let unresolved =
        unresolved.map(|action| (action.id(), action.expires_at().map(Timestamp::as_micros)));
    for (action, expires_at) in unresolved.chain(past) {
        let found = exists(
            connection,
            "SELECT 1 FROM enforcement_actions WHERE id = ?1 AND profile_id = ?2 \
             AND expires_at IS ?3",
            rusqlite::params![action.as_str(), id, expires_at],
        )?;
        if !found {
            return Ok(Some(format!(
                "its enforcement action {action} cannot be found by id"
            )));
        }
    }
    Ok(None)
}

fn exists(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Stored<bool> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.exists(parameters))
        .map_err(failed)
}

/// Nothing points at what is not there, and what is counted is there.
fn check_references(connection: &Connection, report: &mut CheckReport) -> Stored<()> {
    let questions = [
        (
            "programs of profiles that do not exist",
            "SELECT count(*) FROM profile_programs g LEFT JOIN profiles p \
             ON p.organization = g.organization AND p.created_at = g.created_at \
             AND p.id = g.profile_id WHERE p.id IS NULL",
        ),
        (
            "enforcement actions of profiles that do not exist",
            "SELECT count(*) FROM enforcement_actions a LEFT JOIN profiles p ON p.id = a.profile_id \
             WHERE p.id IS NULL",
        ),
        (
            "days whose count of profiles is wrong",
            "SELECT count(*) FROM (SELECT organization, day, sum(profiles) AS counted FROM \
               (SELECT organization, day, -profiles AS profiles FROM profile_counts \
                UNION ALL \
                SELECT organization, (created_at - ((created_at % 86400000000) + 86400000000) \
                  % 86400000000) / 86400000000, count(*) FROM profiles GROUP BY 1, 2) \
               GROUP BY organization, day) WHERE counted <> 0",
        ),
        (
            "organizations whose count of profiles is wrong",
            "SELECT count(*) FROM (SELECT organization, sum(profiles) AS counted FROM \
               (SELECT organization, -profiles AS profiles FROM organization_figures \
                UNION ALL \
                SELECT organization, profiles FROM profile_counts) \
               GROUP BY organization) WHERE counted <> 0",
        ),
        (
            "enrollments of profiles that do not exist",
            "SELECT count(*) FROM enrollments e LEFT JOIN profiles p ON p.id = e.profile_id \
             AND p.organization = e.organization WHERE p.id IS NULL",
        ),
        (
            "organizations whose count of open actions is wrong",
            "SELECT count(*) FROM (SELECT organization, sum(actions) AS counted FROM \
               (SELECT organization, -open_actions AS actions FROM organization_figures \
                UNION ALL \
                SELECT organization, sum(CASE WHEN json_valid(document) \
                  THEN json_array_length(document, '$[12]') ELSE 0 END) \
                FROM profiles WHERE outlook <> 0 GROUP BY 1) \
               GROUP BY organization) WHERE counted <> 0",
        ),
        (
            "organizations whose count of waiting enrollments is wrong",
            "SELECT count(*) FROM (SELECT organization, sum(waiting) AS counted FROM \
               (SELECT organization, -waiting_enrollments AS waiting FROM organization_figures \
                UNION ALL \
                SELECT organization, count(*) FROM enrollments WHERE status = 'pending' GROUP BY 1) \
               GROUP BY organization) WHERE counted <> 0",
        ),
        (
            "deliveries of events that do not exist",
            "SELECT count(*) FROM webhook_deliveries d LEFT JOIN events v ON v.id = d.event_id \
             WHERE v.id IS NULL",
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
             ON o.number = e.organization WHERE o.number IS NULL",
        ),
        (
            "organizations with more webhook endpoints than they may have",
            "SELECT count(*) FROM (SELECT 1 FROM webhook_endpoints GROUP BY organization \
             HAVING count(*) > 32)",
        ),
        (
            "keys of organizations that do not exist",
            "SELECT count(*) FROM api_keys k LEFT JOIN organizations o \
             ON o.number = k.organization WHERE o.number IS NULL AND k.organization <> 0",
        ),
        (
            "workspaces of organizations that do not exist",
            "SELECT count(*) FROM workspaces w LEFT JOIN organizations o \
             ON o.number = w.organization WHERE o.number IS NULL",
        ),
    ];
    for (what, sql) in questions {
        let count: i64 = connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(failed)?;
        if count > 0 {
            report.problem(format!("{count} {what}"));
        }
    }
    Ok(())
}
