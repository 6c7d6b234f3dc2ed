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
            figures.organizations = largest(connection, most)?;
            figures.created = created(connection, since_day)?;
            figures.webhooks = webhooks(connection)?;
            Ok(figures)
        })
    }

    async fn size(&self, _proof: OperatorProof) -> Stored<u64> {
        self.read(|connection| {
            let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
            let size = connection
                .prepare_cached(sql)
                .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
            figure(size.map_err(failed)?)
        })
    }
}

fn totals(connection: &Connection) -> Stored<RegistryFigures> {
    let sql = "SELECT (SELECT count(*) FROM organizations), coalesce(sum(profiles), 0), \
         coalesce(sum(open_actions), 0), coalesce(sum(waiting_enrollments), 0) \
         FROM organization_figures";
    let read = |row: &Row<'_>| -> rusqlite::Result<[i64; 4]> {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
    };
    let [organizations, profiles, open_actions, waiting] = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([], read))
        .map_err(failed)?;
    Ok(RegistryFigures {
        organization_count: figure(organizations)?,
        organizations: Vec::new(),
        profiles: figure(profiles)?,
        open_actions: figure(open_actions)?,
        waiting_enrollments: figure(waiting)?,
        created: Vec::new(),
        webhooks: WebhookFigures::default(),
    })
}

fn largest(connection: &Connection, most: u32) -> Stored<Vec<OrganizationFigures>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT o.id, o.name, coalesce(f.profiles, 0), coalesce(f.open_actions, 0), \
             coalesce(f.waiting_enrollments, 0) FROM organizations o \
             LEFT JOIN organization_figures f ON f.organization = o.number \
             ORDER BY coalesce(f.profiles, 0) DESC, o.id LIMIT ?1",
        )
        .map_err(failed)?;
    let mut rows = statement.query([most]).map_err(failed)?;
    let mut organizations = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        organizations.push(OrganizationFigures {
            organization_id: parsed(row, 0, OrganizationId::parse)?,
            name: row.get(1).map_err(failed)?,
            profiles: figure(row.get(2).map_err(failed)?)?,
            open_actions: figure(row.get(3).map_err(failed)?)?,
            waiting_enrollments: figure(row.get(4).map_err(failed)?)?,
        });
    }
    Ok(organizations)
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

pub(super) fn figure(number: i64) -> Stored<u64> {
    u64::try_from(number).map_err(|_| damaged("a figure"))
}

/// Counts `change` profiles more.
pub(super) fn count_profiles(
    connection: &Connection,
    organization: i64,
    change: i64,
) -> Stored<()> {
    count(connection, organization, [change, 0, 0])
}

/// Counts `change` open actions more.
pub(super) fn count_open_actions(
    connection: &Connection,
    organization: i64,
    change: i64,
) -> Stored<()> {
    count(connection, organization, [0, change, 0])
}

/// Counts `change` waiting enrollments more.
pub(super) fn count_waiting(connection: &Connection, organization: i64, change: i64) -> Stored<()> {
    count(connection, organization, [0, 0, change])
}

/// Changes the figures of profiles, open actions and waiting enrollments.
fn count(connection: &Connection, organization: i64, changes: [i64; 3]) -> Stored<()> {
    if changes == [0; 3] {
        return Ok(());
    }
    let [profiles, actions, waiting] = changes;
    connection
        .prepare_cached(
            "INSERT INTO organization_figures \
             (organization, profiles, open_actions, waiting_enrollments) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (organization) DO UPDATE SET profiles = profiles + excluded.profiles, \
             open_actions = open_actions + excluded.open_actions, \
             waiting_enrollments = waiting_enrollments + excluded.waiting_enrollments",
        )
        .and_then(|mut statement| {
            statement.execute(params![organization, profiles, actions, waiting])
        })
        .map(|_| ())
        .map_err(failed)
}
