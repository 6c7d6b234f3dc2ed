//! Figures of the registry. Every one is kept in the transaction of the change that moves it, so that
//! an overview of a million profiles reads some hundred short rows.

use async_trait::async_trait;
use rollcall_domain::delivery::DeliveryStatus;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::tenant::OperatorProof;
use rusqlite::{Connection, Row, params};

use super::rows::{damaged, parsed, query};
use super::{SqliteStore, failed};
use crate::Stored;
use crate::overview::{
    MOST_WAITING, NEWEST_DELIVERIES, OrganizationFigures, Overview, RegistryFigures, WebhookFigures,
};

#[async_trait]
impl Overview for SqliteStore {
    async fn registry_figures(
        &self,
        _proof: OperatorProof,
        most: u32,
        since_day: i64,
    ) -> Stored<RegistryFigures> {
        self.read(|connection| {
            let mut figures = totals(connection)?;
            (figures.organizations, figures.profiles) = largest(connection, most)?;
            figures.created = created(connection, since_day)?;
            figures.webhooks = webhooks(connection)?;
            Ok(figures)
        })
    }
}

fn totals(connection: &Connection) -> Stored<RegistryFigures> {
    let sql = "SELECT (SELECT count(*) FROM organizations), \
         (SELECT coalesce(sum(open_actions), 0) FROM organization_figures), \
         (SELECT coalesce(sum(waiting_enrollments), 0) FROM organization_figures)";
    let read = |row: &Row<'_>| -> rusqlite::Result<[i64; 3]> {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?])
    };
    let [organizations, open_actions, waiting] = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([], read))
        .map_err(failed)?;
    Ok(RegistryFigures {
        organization_count: figure(organizations)?,
        organizations: Vec::new(),
        profiles: 0,
        open_actions: figure(open_actions)?,
        waiting_enrollments: figure(waiting)?,
        created: Vec::new(),
        webhooks: WebhookFigures::default(),
    })
}

/// The largest organizations, and how many profiles there are in all: the days are read once for both.
fn largest(connection: &Connection, most: u32) -> Stored<(Vec<OrganizationFigures>, u64)> {
    let mut statement = connection
        .prepare_cached(
            "SELECT o.id, o.name, c.profiles, coalesce(f.open_actions, 0), \
             coalesce(f.waiting_enrollments, 0), coalesce(c.total, 0) FROM organizations o \
             LEFT JOIN (SELECT organization, sum(profiles) AS profiles, \
               sum(sum(profiles)) OVER () AS total FROM profile_counts GROUP BY organization) c ON c.organization = o.number \
             LEFT JOIN organization_figures f ON f.organization = o.number \
             ORDER BY coalesce(c.profiles, 0) DESC, o.id LIMIT ?1",
        )
        .map_err(failed)?;
    let mut rows = statement.query([most]).map_err(failed)?;
    let (mut organizations, mut total) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(failed)? {
        let profiles: Option<i64> = row.get(2).map_err(failed)?;
        // Only the largest ones surely have any, and with it the sum of all.
        total = total.max(figure(row.get(5).map_err(failed)?)?);
        organizations.push(OrganizationFigures {
            organization_id: parsed(row, 0, OrganizationId::parse)?,
            name: row.get(1).map_err(failed)?,
            profiles: figure(profiles.unwrap_or(0))?,
            open_actions: figure(row.get(3).map_err(failed)?)?,
            waiting_enrollments: figure(row.get(4).map_err(failed)?)?,
        });
    }
    Ok((organizations, total))
}

fn created(connection: &Connection, since_day: i64) -> Stored<Vec<(i64, u64)>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT day, sum(profiles) FROM profile_counts WHERE day >= ?1 \
             GROUP BY day HAVING sum(profiles) <> 0 ORDER BY day",
        )
        .map_err(failed)?;
    let mut rows = statement.query([since_day]).map_err(failed)?;
    let mut created = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let count: i64 = row.get(1).map_err(failed)?;
        created.push((row.get(0).map_err(failed)?, figure(count)?));
    }
    Ok(created)
}

fn webhooks(connection: &Connection) -> Stored<WebhookFigures> {
    let sql = "SELECT coalesce(sum(state = 'enabled' AND failing_since IS NULL), 0), \
         coalesce(sum(state = 'enabled' AND failing_since IS NOT NULL), 0), \
         coalesce(sum(state = 'disabled'), 0), \
         (SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries WHERE due_at IS NOT NULL LIMIT ?1)) \
         FROM webhook_endpoints";
    let read = |row: &Row<'_>| -> rusqlite::Result<[i64; 4]> {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
    };
    let [healthy, failing, disabled, waiting] = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([MOST_WAITING], read))
        .map_err(failed)?;
    let sql = "SELECT status, count(*) FROM \
         (SELECT status FROM webhook_deliveries ORDER BY id DESC LIMIT ?1) GROUP BY status";
    let newest = query(connection, sql, [NEWEST_DELIVERIES], |row| {
        let count: i64 = row.get(1).map_err(failed)?;
        Ok((parsed(row, 0, DeliveryStatus::parse)?, figure(count)?))
    })?;
    Ok(WebhookFigures {
        healthy: figure(healthy)?,
        failing: figure(failing)?,
        disabled: figure(disabled)?,
        waiting: figure(waiting)?,
        newest,
    })
}

fn figure(number: i64) -> Stored<u64> {
    u64::try_from(number).map_err(|_| damaged("a figure"))
}

/// Counts `change` open actions more.
pub(super) fn count_open_actions(
    connection: &Connection,
    organization: i64,
    change: i64,
) -> Stored<()> {
    count(connection, organization, change, 0)
}

/// Counts `change` waiting enrollments more.
pub(super) fn count_waiting(connection: &Connection, organization: i64, change: i64) -> Stored<()> {
    count(connection, organization, 0, change)
}

fn count(connection: &Connection, organization: i64, actions: i64, waiting: i64) -> Stored<()> {
    if actions == 0 && waiting == 0 {
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO organization_figures (organization, open_actions, waiting_enrollments) \
             VALUES (?1, ?2, ?3) ON CONFLICT (organization) DO UPDATE SET \
             open_actions = open_actions + excluded.open_actions, \
             waiting_enrollments = waiting_enrollments + excluded.waiting_enrollments",
        )
        .and_then(|mut statement| statement.execute(params![organization, actions, waiting]))
        .map(|_| ())
        .map_err(failed)
}
