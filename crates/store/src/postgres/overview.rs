//! Figures of the registry. Every one is kept in the transaction of the change that moves it, so that
//! an overview of a million profiles reads some hundred short rows.

use async_trait::async_trait;
use rollcall_domain::delivery::DeliveryStatus;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::tenant::OperatorProof;
use tokio_postgres::Row;

use super::PostgresStore;
use super::rows::{column, damaged, number, parsed};
use super::transaction::Tx;
use super::value::values;
use crate::Stored;
use crate::overview::{
    MOST_WAITING, NEWEST_DELIVERIES, OrganizationFigures, Overview, RegistryFigures, WebhookFigures,
};

#[async_trait]
impl Overview for PostgresStore {
    async fn registry_figures(
        &self,
        _proof: OperatorProof,
        most: u32,
        since_day: i64,
    ) -> Stored<RegistryFigures> {
        let totals = self.read(TOTALS, &[]).await?;
        let total = |at: usize| -> Stored<u64> {
            let row = totals.first().ok_or_else(|| damaged("a figure"))?;
            figure(row, at)
        };
        let largest = self.read(LARGEST, &values![i64::from(most)]).await?;
        let created = self.read(CREATED, &values![since_day]).await?;
        let endpoints = self
            .read(ENDPOINTS, &values![i64::from(MOST_WAITING)])
            .await?;
        let newest = self
            .read(NEWEST, &values![i64::from(NEWEST_DELIVERIES)])
            .await?;
        let day = |row: &Row| -> Stored<(i64, u64)> { Ok((number(row, 0)?, figure(row, 1)?)) };
        Ok(RegistryFigures {
            organization_count: total(0)?,
            organizations: largest.iter().map(organization).collect::<Stored<_>>()?,
            // The days are read once for the largest organizations and for the sum of all.
            profiles: largest.first().map_or(Ok(0), |row| figure(row, 5))?,
            open_actions: total(1)?,
            waiting_enrollments: total(2)?,
            created: created.iter().map(day).collect::<Stored<_>>()?,
            webhooks: webhooks(&endpoints, &newest)?,
        })
    }
}

const TOTALS: &str = "SELECT (SELECT count(*) FROM organizations), \
    (SELECT coalesce(sum(open_actions), 0)::bigint FROM organization_figures), \
    (SELECT coalesce(sum(waiting_enrollments), 0)::bigint FROM organization_figures)";

const LARGEST: &str = "SELECT o.id, o.name, coalesce(c.profiles, 0)::bigint, \
    coalesce(f.open_actions, 0), coalesce(f.waiting_enrollments, 0), \
    coalesce(c.total, 0)::bigint FROM organizations o \
    LEFT JOIN (SELECT organization, sum(profiles) AS profiles, \
      sum(sum(profiles)) OVER () AS total FROM profile_counts GROUP BY organization) c ON c.organization = o.id \
    LEFT JOIN organization_figures f ON f.organization = o.id \
    ORDER BY coalesce(c.profiles, 0) DESC, o.id LIMIT $1";

const CREATED: &str = "SELECT day, sum(profiles)::bigint FROM profile_counts WHERE day >= $1 \
    GROUP BY day HAVING sum(profiles) <> 0 ORDER BY day";

const ENDPOINTS: &str = "SELECT \
    count(*) FILTER (WHERE state = 'enabled' AND failing_since IS NULL), \
    count(*) FILTER (WHERE state = 'enabled' AND failing_since IS NOT NULL), \
    count(*) FILTER (WHERE state = 'disabled'), \
    (SELECT count(*) FROM \
      (SELECT 1 FROM webhook_deliveries WHERE due_at IS NOT NULL LIMIT $1) waiting) \
    FROM webhook_endpoints";

const NEWEST: &str = "SELECT status, count(*) FROM \
    (SELECT status FROM webhook_deliveries ORDER BY id DESC LIMIT $1) newest GROUP BY status";

fn webhooks(endpoints: &[Row], newest: &[Row]) -> Stored<WebhookFigures> {
    let row = endpoints.first().ok_or_else(|| damaged("a figure"))?;
    let became = |row: &Row| Ok((parsed(row, 0, DeliveryStatus::parse)?, figure(row, 1)?));
    Ok(WebhookFigures {
        healthy: figure(row, 0)?,
        failing: figure(row, 1)?,
        disabled: figure(row, 2)?,
        waiting: figure(row, 3)?,
        newest: newest.iter().map(became).collect::<Stored<_>>()?,
    })
}

fn organization(row: &Row) -> Stored<OrganizationFigures> {
    Ok(OrganizationFigures {
        organization_id: parsed(row, 0, OrganizationId::parse)?,
        name: column(row, 1)?,
        profiles: figure(row, 2)?,
        open_actions: figure(row, 3)?,
        waiting_enrollments: figure(row, 4)?,
    })
}

fn figure(row: &Row, at: usize) -> Stored<u64> {
    u64::try_from(number(row, at)?).map_err(|_| damaged("a figure"))
}

/// Counts open actions and waiting enrollments more. It stands late in a transaction, because others
/// may wait for the row.
pub(super) fn count(tx: &mut Tx, organization: &str, open_actions: i64, waiting: i64) {
    if open_actions == 0 && waiting == 0 {
        return;
    }
    tx.write(
        "INSERT INTO organization_figures (organization, open_actions, waiting_enrollments) \
         VALUES ($1, $2, $3) ON CONFLICT (organization) DO UPDATE SET \
         open_actions = organization_figures.open_actions + excluded.open_actions, \
         waiting_enrollments = \
           organization_figures.waiting_enrollments + excluded.waiting_enrollments",
        values![organization, open_actions, waiting],
    );
}
