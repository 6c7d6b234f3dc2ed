//! Organizations and workspaces, and the way to [`keys`](super::keys).

use async_trait::async_trait;
use rollcall_domain::audit::Act;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::decision::Refusal;
use rollcall_domain::id::{ApiKeyId, OrganizationId, WorkspaceId};
use rollcall_domain::page::{Limit, ListPosition};
use rollcall_domain::tenant::{
    ApiKey, KeyStatus, OperatorProof, Organization, OrganizationPatch, OrganizationScope,
    SecretHash, Workspace,
};
use tokio_postgres::Row;

use super::commit::{INSTALLATION, Keep, With, stays_open};
use super::keys::{KEY, insert_key, key, remove_key, set_key_status};
use super::organization_rows::{ORGANIZATION, organization};
use super::rows::{column, damaged, parsed, timestamp};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::{Value, values};
use super::{PostgresStore, removal};
use crate::Stored;
use crate::columns::{lookup, policy_text};
use crate::tenants::{Credential, Left, Listed, NotStored, Tenants};

#[async_trait]
impl Tenants for PostgresStore {
    async fn insert_organization(
        &self,
        _proof: OperatorProof,
        act: &Act,
        organization: &Organization,
    ) -> Stored<Result<(), NotStored>> {
        let insertion = With {
            keep: Keep::new(&self.ids, act),
            what: organization,
        };
        self.run("insert_organization", &insertion, |tx, insertion| {
            Box::pin(insert_organization(tx, insertion))
        })
        .await
    }

    async fn find_organization(
        &self,
        _proof: OperatorProof,
        id: &OrganizationId,
    ) -> Stored<Option<Organization>> {
        let sql = format!(
            "SELECT {ORGANIZATION} FROM organizations o WHERE o.id = $1 AND o.removal IS NULL"
        );
        let rows = self.read(&sql, &values![id.as_str()]).await?;
        rows.first().map(|row| organization(row, 0)).transpose()
    }

    async fn list_organizations(
        &self,
        _proof: OperatorProof,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<Organization>> {
        let sql = format!(
            "SELECT {ORGANIZATION} FROM organizations o WHERE (o.created_at, o.id) > ($1, $2) \
             AND o.removal IS NULL ORDER BY o.created_at, o.id LIMIT $3"
        );
        let (created_at, id) = position(after);
        let rows = self
            .read(&sql, &values![created_at, id, limit.get() + 1])
            .await?;
        listed(
            &rows,
            limit,
            |row| organization(row, 0),
            |found| (found.created_at, found.id.as_str()),
        )
    }

    async fn change_organization(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &OrganizationId,
        patch: &OrganizationPatch,
    ) -> Stored<Option<Organization>> {
        let change = With {
            keep: Keep::new(&self.ids, act),
            what: (id, patch),
        };
        self.run("change_organization", &change, |tx, change| {
            Box::pin(change_organization(tx, change))
        })
        .await
    }

    async fn begin_removal(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &OrganizationId,
    ) -> Stored<Option<Result<(), Refusal>>> {
        self.run("begin_removal", &(id, act), |tx, (id, act)| {
            Box::pin(removal::begin(tx, id, act))
        })
        .await
    }

    async fn go_on_removing(
        &self,
        _proof: OperatorProof,
        id: &OrganizationId,
        now: Timestamp,
        limit: usize,
    ) -> Stored<Left> {
        let piece = removal::Piece {
            ids: &self.ids,
            id,
            now,
            limit,
        };
        self.run("go_on_removing", &piece, |tx, piece| {
            Box::pin(piece.remove(tx))
        })
        .await
    }

    async fn list_removals(&self, _proof: OperatorProof) -> Stored<Vec<OrganizationId>> {
        let rows = self.read(removal::LIST, &[]).await?;
        let id = |row: &Row| parsed(row, 0, OrganizationId::parse);
        rows.iter().map(id).collect()
    }

    async fn insert_workspace(
        &self,
        _proof: OperatorProof,
        act: &Act,
        workspace: &Workspace,
    ) -> Stored<Result<(), NotStored>> {
        let insertion = With {
            keep: Keep::new(&self.ids, act),
            what: workspace,
        };
        self.run("insert_workspace", &insertion, |tx, insertion| {
            Box::pin(insert_workspace(tx, insertion))
        })
        .await
    }

    async fn list_workspaces(
        &self,
        scope: &OrganizationScope,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<Workspace>> {
        let (created_at, id) = position(after);
        let organization_id = scope.organization_id();
        let rows = self
            .read(
                "SELECT id, name, created_at FROM workspaces WHERE organization = $1 \
                 AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $4",
                &values![organization_id.as_str(), created_at, id, limit.get() + 1],
            )
            .await?;
        let workspace = |row: &Row| {
            Ok(Workspace {
                id: parsed(row, 0, WorkspaceId::parse)?,
                organization_id: organization_id.clone(),
                name: column(row, 1)?,
                created_at: timestamp(row, 2)?,
            })
        };
        listed(&rows, limit, workspace, |found| {
            (found.created_at, found.id.as_str())
        })
    }

    async fn has_workspace(&self, scope: &OrganizationScope, id: &WorkspaceId) -> Stored<bool> {
        let organization = scope.organization_id().as_str();
        let rows = self
            .read(
                "SELECT 1 FROM workspaces WHERE id = $1 AND organization = $2",
                &values![id.as_str(), organization],
            )
            .await?;
        Ok(!rows.is_empty())
    }

    async fn find_workspace(
        &self,
        _proof: OperatorProof,
        id: &WorkspaceId,
    ) -> Stored<Option<Workspace>> {
        let sql = "SELECT id, name, created_at, organization FROM workspaces WHERE id = $1";
        let rows = self.read(sql, &values![id.as_str()]).await?;
        let found = |row: &Row| -> Stored<_> {
            Ok(Workspace {
                id: parsed(row, 0, WorkspaceId::parse)?,
                organization_id: parsed(row, 3, OrganizationId::parse)?,
                name: column(row, 1)?,
                created_at: timestamp(row, 2)?,
            })
        };
        rows.first().map(found).transpose()
    }

    async fn insert_key(
        &self,
        _proof: OperatorProof,
        act: &Act,
        key: &ApiKey,
        secret: &SecretHash,
    ) -> Stored<Result<(), NotStored>> {
        let insertion = With {
            keep: Keep::new(&self.ids, act),
            what: (key, secret),
        };
        self.run("insert_key", &insertion, |tx, insertion| {
            Box::pin(insert_key(tx, insertion))
        })
        .await
    }

    async fn find_credential(&self, secret: &SecretHash) -> Stored<Option<Credential>> {
        let sql = format!(
            "SELECT {KEY}, k.secret_hash, {ORGANIZATION} FROM api_keys k \
             LEFT JOIN organizations o ON o.id = k.organization WHERE k.lookup = $1"
        );
        let rows = self.read(&sql, &values![lookup(secret)]).await?;
        for row in &rows {
            let stored: &[u8] = column(row, 11)?;
            let secret_hash: [u8; 32] = stored.try_into().map_err(|_| damaged("a hash"))?;
            // Two keys whose hashes share eight bytes do not occur; were it so, the right one is found.
            let same: bool = subtle::ConstantTimeEq::ct_eq(&secret_hash[..], &secret.0[..]).into();
            if !same {
                continue;
            }
            let organization = match column::<Option<&str>>(row, 12)? {
                None => None,
                Some(_) => Some(organization(row, 12)?),
            };
            return Ok(Some(Credential {
                key: key(row)?,
                organization,
                secret_hash: SecretHash(secret_hash),
            }));
        }
        Ok(None)
    }

    async fn find_key(&self, _proof: OperatorProof, id: &ApiKeyId) -> Stored<Option<ApiKey>> {
        let sql = format!("SELECT {KEY} FROM api_keys k WHERE k.id = $1");
        let rows = self.read(&sql, &values![id.as_str()]).await?;
        rows.first().map(key).transpose()
    }

    async fn list_keys(
        &self,
        _proof: OperatorProof,
        organization_id: Option<&OrganizationId>,
        after: Option<&ListPosition>,
        limit: Limit,
    ) -> Stored<Listed<ApiKey>> {
        let sql = format!(
            "SELECT {KEY} FROM api_keys k WHERE k.organization = $1 \
             AND (k.created_at, k.id) > ($2, $3) ORDER BY k.created_at, k.id LIMIT $4"
        );
        let (created_at, id) = position(after);
        let organization = organization_id.map_or(INSTALLATION, OrganizationId::as_str);
        let parameters = values![organization, created_at, id, limit.get() + 1];
        let rows = self.read(&sql, &parameters).await?;
        listed(&rows, limit, key, |found| {
            (found.created_at, found.id.as_str())
        })
    }

    async fn count_literal_keys(&self, _proof: OperatorProof) -> Stored<u64> {
        let sql = "SELECT count(*) FROM api_keys WHERE literal";
        let rows = self.read(sql, &[]).await?;
        let counted: i64 = rows.first().map_or(Ok(0), |row| column(row, 0))?;
        Ok(u64::try_from(counted).unwrap_or_default())
    }

    async fn set_key_status(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &ApiKeyId,
        status: KeyStatus,
    ) -> Stored<Result<Option<ApiKey>, Refusal>> {
        let change = With {
            keep: Keep::new(&self.ids, act),
            what: (id, status),
        };
        self.run("set_key_status", &change, |tx, change| {
            Box::pin(set_key_status(tx, change))
        })
        .await
    }

    async fn remove_key(
        &self,
        _proof: OperatorProof,
        act: &Act,
        id: &ApiKeyId,
    ) -> Stored<Result<bool, Refusal>> {
        let removal = With {
            keep: Keep::new(&self.ids, act),
            what: id,
        };
        self.run("remove_key", &removal, |tx, removal| {
            Box::pin(remove_key(tx, removal))
        })
        .await
    }

    async fn touch_keys(&self, mut used: Vec<(ApiKeyId, Timestamp)>) -> Stored<()> {
        // In one order on every node, so that they do not lock each other out.
        used.sort();
        self.run("touch_keys", &used, |tx, used| {
            Box::pin(async move {
                for (id, at) in used {
                    tx.write(
                        "UPDATE api_keys SET last_used_at = greatest(coalesce(last_used_at, $2), $2) \
                         WHERE id = $1",
                        values![id.as_str(), *at],
                    );
                }
                Ok(())
            })
        })
        .await
    }
}

async fn insert_organization(
    tx: &mut Tx,
    insertion: &With<'_, &Organization>,
) -> Result<Result<(), NotStored>, Trouble> {
    insertion.keep.unless_applied(tx).await?;
    let new = insertion.what;
    let inserted = tx
        .write_now(
            "INSERT INTO organizations (id, name, created_at, rate_limit_rpm, status, \
             enrollment_links, data_controls, gateway_policy) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT DO NOTHING RETURNING id",
            &values![
                new.id.as_str(),
                new.name.as_str(),
                new.created_at,
                new.rate_limit_rpm.map(i64::from),
                new.status.as_str(),
                new.switches.enrollment_links.as_str(),
                new.switches.data_controls.as_str(),
                policy_text(&new.gateway_policy),
            ],
        )
        .await?;
    if inserted.is_empty() {
        return Ok(Err(NotStored::Taken));
    }
    insertion.keep.audit(tx, new.id.as_str(), &[new.creation()]);
    Ok(Ok(()))
}

async fn change_organization(
    tx: &mut Tx,
    change: &With<'_, (&OrganizationId, &OrganizationPatch)>,
) -> Result<Option<Organization>, Trouble> {
    let (id, patch) = change.what;
    let sql = format!(
        "SELECT {ORGANIZATION} FROM organizations o WHERE o.id = $1 AND o.removal IS NULL \
         FOR NO KEY UPDATE"
    );
    let rows = tx.query(&sql, &values![id.as_str()]).await?;
    change.keep.unless_applied(tx).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let decided = organization(row, 0)?.update(patch);
    let after = decided.value;
    if !decided.changed {
        return Ok(Some(after));
    }
    tx.write(
        "UPDATE organizations SET name = $2, rate_limit_rpm = $3, status = $4, \
         enrollment_links = $5, data_controls = $6, gateway_policy = $7 WHERE id = $1",
        values![
            id.as_str(),
            after.name.as_str(),
            after.rate_limit_rpm.map(i64::from),
            after.status.as_str(),
            after.switches.enrollment_links.as_str(),
            after.switches.data_controls.as_str(),
            policy_text(&after.gateway_policy),
        ],
    );
    change.keep.audit(tx, id.as_str(), &decided.audit);
    Ok(Some(after))
}

async fn insert_workspace(
    tx: &mut Tx,
    insertion: &With<'_, &Workspace>,
) -> Result<Result<(), NotStored>, Trouble> {
    insertion.keep.unless_applied(tx).await?;
    let new = insertion.what;
    let organization = new.organization_id.as_str();
    if !stays_open(tx, organization).await? {
        return Ok(Err(NotStored::UnknownOrganization));
    }
    let id = new.id.as_str();
    let inserted = tx
        .write_now(
            "INSERT INTO workspaces (id, organization, name, created_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING id",
            &values![id, organization, new.name.as_str(), new.created_at],
        )
        .await?;
    if inserted.is_empty() {
        return Ok(Err(NotStored::Taken));
    }
    insertion.keep.audit(tx, organization, &[new.creation()]);
    Ok(Ok(()))
}

fn position(after: Option<&ListPosition>) -> (Value, &str) {
    match after {
        None => (i64::MIN.into(), ""),
        Some(after) => (after.created_at.into(), after.id.as_str()),
    }
}

/// Reads a page.
fn listed<T>(
    rows: &[Row],
    limit: Limit,
    read: impl Fn(&Row) -> Stored<T>,
    key: impl Fn(&T) -> (Timestamp, &str),
) -> Stored<Listed<T>> {
    let found = rows.iter().map(read).collect::<Stored<_>>()?;
    Ok(Listed::of(found, limit, key))
}
