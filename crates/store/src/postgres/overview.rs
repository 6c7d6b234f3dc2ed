//! Figures of the registry. Every one is kept in the transaction of the change that moves it, so that
//! an overview of a million profiles reads few and short rows.
//!
//! Profiles are counted by day, and each day in several slots, so that creations do not wait for each
//! other's commits. Once a day is over, its slots are folded: their rows give way to one in slot
//! [`FOLDED`], and the organization's figures hold the sum of all such rows. So an organization has as
//! many profiles as its figures say and the rows of other slots, which are few. A binary that knows no
//! folding goes on counting in slots and adds up the same rows to the same sums.

use async_trait::async_trait;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::delivery::DeliveryStatus;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::tenant::OperatorProof;
use tokio_postgres::Row;

use super::PostgresStore;
use super::rows::{column, damaged, number, parsed, text};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::{Value, values};
use crate::Stored;
use crate::columns::day;
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
            // The counts are read once for the largest organizations and for the sum of all.
            profiles: largest.first().map_or(Ok(0), |row| figure(row, 5))?,
            open_actions: total(1)?,
            waiting_enrollments: total(2)?,
            created: created.iter().map(day).collect::<Stored<_>>()?,
            webhooks: webhooks(&endpoints, &newest)?,
        })
    }

    async fn size(&self, _proof: OperatorProof) -> Stored<u64> {
        let sql = "SELECT pg_database_size(current_database())";
        let rows = self.read(sql, &[]).await?;
        rows.first().map_or(Ok(0), |row| figure(row, 0))
    }

    async fn fold_counts(&self, now: Timestamp, limit: usize) -> Stored<u64> {
        self.run("fold_counts", &(day(now), limit), |tx, piece| {
            Box::pin(fold(tx, *piece))
        })
        .await
    }
}

const TOTALS: &str = "SELECT (SELECT count(*) FROM organizations), \
    (SELECT coalesce(sum(open_actions), 0)::bigint FROM organization_figures), \
    (SELECT coalesce(sum(waiting_enrollments), 0)::bigint FROM organization_figures)";

const LARGEST: &str = "SELECT o.id, o.name, \
    (coalesce(f.folded_profiles, 0) + coalesce(c.profiles, 0))::bigint AS profiles, \
    coalesce(f.open_actions, 0), coalesce(f.waiting_enrollments, 0), \
    (sum(coalesce(f.folded_profiles, 0) + coalesce(c.profiles, 0)) OVER ())::bigint \
    FROM organizations o \
    LEFT JOIN (SELECT organization, sum(profiles) AS profiles FROM profile_counts \
      WHERE slot >= 0 GROUP BY organization) c ON c.organization = o.id \
    LEFT JOIN organization_figures f ON f.organization = o.id \
    ORDER BY profiles DESC, o.id LIMIT $1";

const CREATED: &str = "SELECT day, sum(profiles)::bigint FROM \
    (SELECT day, profiles FROM profile_counts WHERE slot < 0 AND day >= $1 \
     UNION ALL SELECT day, profiles FROM profile_counts WHERE slot >= 0 AND day >= $1) AS counted \
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

/// What an organization has more, or less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) open_actions: i64,
    pub(super) waiting: i64,
    /// Profiles that are counted in slot [`FOLDED`] of their day.
    pub(super) folded: i64,
}

/// Counts a change. It stands late in a transaction, because others may wait for the row.
pub(super) fn count(tx: &mut Tx, organization: &str, change: Change) {
    if change == Change::default() {
        return;
    }
    tx.write(
        "INSERT INTO organization_figures \
         (organization, open_actions, waiting_enrollments, folded_profiles) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (organization) DO UPDATE SET \
         open_actions = organization_figures.open_actions + excluded.open_actions, \
         waiting_enrollments = \
           organization_figures.waiting_enrollments + excluded.waiting_enrollments, \
         folded_profiles = organization_figures.folded_profiles + excluded.folded_profiles",
        values![
            organization,
            change.open_actions,
            change.waiting,
            change.folded
        ],
    );
}

/// The slot of a day that is over.
pub(super) const FOLDED: i16 = -1;

/// Folds up to `limit` rows of one organization.
async fn fold(tx: &mut Tx, (before_day, limit): (i64, usize)) -> Result<u64, Trouble> {
    // Its lock keeps the end of the organization from beginning meanwhile: what is folded would stay behind.
    let next = tx
        .query(
            "SELECT o.id FROM profile_counts c JOIN organizations o ON o.id = c.organization \
             WHERE c.slot >= 0 AND c.day < $1 AND o.removal IS NULL \
             ORDER BY c.day, c.organization LIMIT 1 FOR NO KEY UPDATE OF o",
            &values![before_day],
        )
        .await?;
    let Some(organization) = next.first().map(|row| text(row, 0)).transpose()? else {
        return Ok(0);
    };
    // First the figures, then the counts: every transaction locks them in this order.
    tx.write_now(
        "INSERT INTO organization_figures (organization, open_actions, waiting_enrollments) \
         VALUES ($1, 0, 0) ON CONFLICT (organization) DO UPDATE SET \
         folded_profiles = organization_figures.folded_profiles",
        &values![organization],
    )
    .await?;
    let taken = tx
        .write_now(TAKE, &values![organization, before_day, limit])
        .await?;
    let (mut days, mut counts, mut sum, mut rows) = (Vec::new(), Vec::new(), 0, 0);
    for row in &taken {
        days.push(number(row, 0)?);
        counts.push(number(row, 1)?);
        sum += number(row, 1)?;
        rows += figure(row, 2)?;
    }
    let (days, counts) = (Value::Integers(days), Value::Integers(counts));
    tx.write(
        "INSERT INTO profile_counts (organization, day, slot, profiles) \
         SELECT $1, day, $2, profiles FROM unnest($3::bigint[], $4::bigint[]) AS taken (day, profiles) \
         ON CONFLICT (organization, day, slot) \
         DO UPDATE SET profiles = profile_counts.profiles + excluded.profiles",
        [organization.into(), FOLDED.into(), days, counts],
    );
    tx.write(
        "UPDATE organization_figures SET folded_profiles = folded_profiles + $2 \
         WHERE organization = $1",
        values![organization, sum],
    );
    Ok(rows)
}

/// Takes rows away in the order of their keys, in which imports lock them too, and says what they held.
const TAKE: &str = "WITH taken AS (DELETE FROM profile_counts \
    WHERE (organization, day, slot) IN (SELECT organization, day, slot FROM profile_counts \
      WHERE organization = $1 AND day < $2 AND slot >= 0 ORDER BY day, slot LIMIT $3 FOR UPDATE) \
    RETURNING day, profiles) \
    SELECT day, sum(profiles)::bigint, count(*) FROM taken GROUP BY day ORDER BY day";
