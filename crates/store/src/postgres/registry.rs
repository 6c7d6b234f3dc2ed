//! All profiles of all organizations, as the operator reaches them.

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{EnforcementActionId, OrganizationId, ProfileId};
use rollcall_domain::profile::ProfileRecord;
use rollcall_domain::search::{SearchPage, SearchPosition};
use rollcall_domain::tenant::OperatorProof;
use tokio_postgres::Row;

use super::commit::Keep;
use super::rows::{document, number, parsed, timestamp};
use super::value::{Value, values};
use super::{PostgresStore, puts, search};
use crate::Stored;
use crate::registry::{DueExpiry, ExportPosition, FoundPage, OwnedProfile, Put, PutMode, Registry};

#[async_trait]
impl Registry for PostgresStore {
    async fn locate_profile(
        &self,
        _proof: OperatorProof,
        id: &ProfileId,
    ) -> Stored<Option<OwnedProfile>> {
        let rows = self
            .read(
                "SELECT p.organization, p.document, p.created_at, p.id FROM profile_ids i \
                 JOIN profiles p ON p.organization = i.organization AND p.id = i.id \
                 WHERE i.id = $1",
                &values![id.as_str()],
            )
            .await?;
        rows.first().map(owned).transpose()
    }

    async fn locate_action(
        &self,
        _proof: OperatorProof,
        id: &EnforcementActionId,
    ) -> Stored<Option<(OrganizationId, ProfileId)>> {
        let rows = self
            .read(
                "SELECT organization, profile_id FROM enforcement_actions WHERE id = $1",
                &values![id.as_str()],
            )
            .await?;
        rows.first().map(owner).transpose()
    }

    async fn put_profiles(
        &self,
        _proof: OperatorProof,
        act: &Act,
        records: Vec<(OrganizationId, ProfileRecord)>,
        mode: PutMode,
    ) -> Stored<Vec<Put>> {
        let names = puts::names(&records, mode);
        let _place = self
            .puts
            .place(names, self.settings.statement_timeout)
            .await?;
        let batch = puts::Records {
            keep: Keep::new(&self.ids, act),
            sent: &records,
            mode,
        };
        self.run("put_profiles", &batch, |tx, batch| Box::pin(batch.run(tx)))
            .await
    }

    async fn search_profiles(
        &self,
        _proof: OperatorProof,
        page: &SearchPage,
        now: Timestamp,
    ) -> Stored<FoundPage<SearchPosition>> {
        search::search(self, page, now).await
    }

    async fn export_profiles(
        &self,
        _proof: OperatorProof,
        organization_id: Option<&OrganizationId>,
        after: Option<&ExportPosition>,
        limit: usize,
    ) -> Stored<FoundPage<ExportPosition>> {
        let (sql, parameters) = export(organization_id, after, limit);
        let rows = self.read(&sql, &parameters).await?;
        let profiles: Vec<OwnedProfile> = rows.iter().map(owned).collect::<Stored<_>>()?;
        let next = match rows.last().filter(|_| rows.len() == limit) {
            None => None,
            Some(row) => Some(ExportPosition {
                organization_id: parsed(row, 0, OrganizationId::parse)?,
                created_at: timestamp(row, 2)?,
                id: parsed(row, 3, ProfileId::parse)?,
            }),
        };
        Ok(FoundPage { profiles, next })
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
        let sql = format!(
            "SELECT expires_at, id, profile_id, organization FROM enforcement_actions \
             WHERE expires_at IS NOT NULL AND expires_at <= $1 \
             AND (expires_at, id) > ($2, $3) AND organization <> ALL ({ENDING}) \
             ORDER BY expires_at, id LIMIT $4"
        );
        let rows = self.read(&sql, &values![now, time, id, limit]).await?;
        let due = |row: &Row| -> Stored<DueExpiry> {
            Ok(DueExpiry {
                expires_at: timestamp(row, 0)?,
                action_id: parsed(row, 1, EnforcementActionId::parse)?,
                profile_id: parsed(row, 2, ProfileId::parse)?,
                organization_id: parsed(row, 3, OrganizationId::parse)?,
            })
        };
        rows.iter().map(due).collect()
    }

    async fn next_expiry(
        &self,
        _proof: OperatorProof,
        now: Timestamp,
    ) -> Stored<Option<Timestamp>> {
        let rows = self
            .read(
                "SELECT expires_at FROM enforcement_actions \
                 WHERE expires_at IS NOT NULL AND expires_at > $1 ORDER BY expires_at LIMIT 1",
                &values![now],
            )
            .await?;
        rows.first().map(|row| timestamp(row, 0)).transpose()
    }

    async fn count_profiles(&self, _proof: OperatorProof) -> Stored<Vec<(OrganizationId, u64)>> {
        let rows = self
            .read(
                "SELECT o.id, (coalesce(f.folded_profiles, 0) + coalesce(c.profiles, 0))::bigint \
                 FROM organizations o \
                 LEFT JOIN (SELECT organization, sum(profiles) AS profiles FROM profile_counts \
                   WHERE slot >= 0 GROUP BY organization) c ON c.organization = o.id \
                 LEFT JOIN organization_figures f ON f.organization = o.id \
                 ORDER BY o.created_at, o.id",
                &[],
            )
            .await?;
        let count = |row: &Row| -> Stored<(OrganizationId, u64)> {
            let count = u64::try_from(number(row, 1)?).unwrap_or_default();
            Ok((parsed(row, 0, OrganizationId::parse)?, count))
        };
        rows.iter().map(count).collect()
    }
}

fn owner(row: &Row) -> Stored<(OrganizationId, ProfileId)> {
    Ok((
        parsed(row, 0, OrganizationId::parse)?,
        parsed(row, 1, ProfileId::parse)?,
    ))
}

fn owned(row: &Row) -> Stored<OwnedProfile> {
    Ok(OwnedProfile {
        organization_id: parsed(row, 0, OrganizationId::parse)?,
        document: document(row, 1)?,
        id: parsed(row, 3, ProfileId::parse)?,
    })
}

/// The organizations whose end has begun, of which something may be left: nothing can be done in them any more.
const ENDING: &str = "ARRAY (SELECT o.id FROM organizations o WHERE o.removal IS NOT NULL)";

/// Organizations in the order of their ids, each one's profiles oldest first: one index as it is.
fn export(
    organization_id: Option<&OrganizationId>,
    after: Option<&ExportPosition>,
    limit: usize,
) -> (String, Vec<Value>) {
    let mut parameters = values![limit].to_vec();
    let mut conditions = Vec::new();
    if let Some(id) = organization_id {
        parameters.push(id.as_str().into());
        conditions.push("organization = $2".to_owned());
    } else {
        conditions.push(format!("organization <> ALL ({ENDING})"));
    }
    if let Some(after) = after {
        let first = parameters.len() + 1;
        let (columns, from) = if organization_id.is_some() {
            ("(created_at, id)", String::new())
        } else {
            parameters.push(after.organization_id.as_str().into());
            ("(organization, created_at, id)", format!("${first}, "))
        };
        parameters.extend(values![after.created_at, after.id.as_str()]);
        let last = parameters.len();
        conditions.push(format!("{columns} > ({from}${}, ${last})", last - 1));
    }
    let conditions = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    };
    let sql = format!(
        "SELECT organization, document, created_at, id FROM profiles{conditions} \
         ORDER BY organization, created_at, id LIMIT $1"
    );
    (sql, parameters)
}
