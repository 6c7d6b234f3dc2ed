//! Keys, and the console sessions that end with one.

use rollcall_domain::decision::Refusal;
use rollcall_domain::id::{ApiKeyId, OrganizationId, WorkspaceId};
use rollcall_domain::role::Role;
use rollcall_domain::tenant::{ApiKey, KeyKind, KeyOwner, KeyStatus, SecretHash};
use tokio_postgres::Row;

use super::commit::{INSTALLATION, With, stays_open};
use super::rows::{column, damaged, optional, optional_timestamp, parsed, text, timestamp};
use super::transaction::Tx;
use super::trouble::Trouble;
use super::value::values;
use crate::Stored;
use crate::columns::lookup;
use crate::tenants::NotStored;

pub(super) const KEY: &str = "k.id, k.organization, k.kind, k.workspace_id, k.name, k.created_at, \
    k.expires_at, k.last_used_at, k.status, k.literal, k.role";

pub(super) async fn insert_key(
    tx: &mut Tx,
    insertion: &With<'_, (&ApiKey, &SecretHash)>,
) -> Result<Result<(), NotStored>, Trouble> {
    insertion.keep.unless_applied(tx).await?;
    let (new, secret) = insertion.what;
    let owner = new.owner.organization_id();
    let organization = owner.map_or(INSTALLATION, OrganizationId::as_str);
    if owner.is_some() && !stays_open(tx, organization).await? {
        return Ok(Err(NotStored::UnknownOrganization));
    }
    let workspace = new.owner.workspace_id().map(WorkspaceId::as_str);
    if let Some(workspace) = workspace {
        let found = tx
            .query(
                "SELECT 1 FROM workspaces WHERE id = $1 AND organization = $2",
                &values![workspace, organization],
            )
            .await?;
        if found.is_empty() {
            return Ok(Err(NotStored::UnknownWorkspace));
        }
    }
    let inserted = tx
        .write_now(
            "INSERT INTO api_keys (id, organization, kind, workspace_id, name, created_at, \
             expires_at, last_used_at, status, literal, role, lookup, secret_hash) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
             ON CONFLICT DO NOTHING RETURNING id",
            &values![
                new.id.as_str(),
                organization,
                new.owner.kind().as_str(),
                workspace,
                new.name.as_str(),
                new.created_at,
                new.expires_at,
                new.last_used_at,
                new.status.as_str(),
                new.literal,
                new.owner.role().map(Role::as_str),
                lookup(secret),
                &secret.0[..],
            ],
        )
        .await?;
    if inserted.is_empty() {
        return Ok(Err(NotStored::Taken));
    }
    insertion.keep.audit(tx, organization, &[new.creation()]);
    Ok(Ok(()))
}

/// A key, whose row is ours until the transaction ends, and what stands for its organization.
pub(super) async fn lock_key(
    tx: &mut Tx,
    id: &ApiKeyId,
) -> Result<Option<(String, ApiKey)>, Trouble> {
    let sql = format!("SELECT {KEY} FROM api_keys k WHERE k.id = $1 FOR UPDATE");
    let rows = tx.query(&sql, &values![id.as_str()]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some((column(row, 1)?, key(row)?)))
}

/// A key that may end and, if it is the operator's, all of the operator's keys; their rows are ours until the
/// transaction ends. They are locked in the order in which `touch_keys` writes them.
async fn lock_with_operators(
    tx: &mut Tx,
    id: &ApiKeyId,
) -> Result<Option<(String, ApiKey, Vec<ApiKey>)>, Trouble> {
    let sql = format!(
        "SELECT {KEY} FROM api_keys k WHERE k.id = $1 OR k.organization = \
         (SELECT organization FROM api_keys WHERE id = $1 AND organization = $2) \
         ORDER BY k.id FOR UPDATE OF k"
    );
    let rows = tx.query(&sql, &values![id.as_str(), INSTALLATION]).await?;
    let keys = rows.iter().map(key).collect::<Stored<Vec<_>>>()?;
    let Some(place) = keys.iter().position(|key| key.id == *id) else {
        return Ok(None);
    };
    let organization = column(&rows[place], 1)?;
    Ok(Some((organization, keys[place].clone(), keys)))
}

pub(super) async fn set_key_status(
    tx: &mut Tx,
    change: &With<'_, (&ApiKeyId, KeyStatus)>,
) -> Result<Result<Option<ApiKey>, Refusal>, Trouble> {
    let (id, status) = change.what;
    let locked = lock_with_operators(tx, id).await?;
    change.keep.unless_applied(tx).await?;
    let Some((organization, before, operators)) = locked else {
        return Ok(Ok(None));
    };
    let decided = match before.with_status(status, &operators, change.keep.act().at) {
        Ok(decided) => decided,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if decided.changed {
        tx.write(
            "UPDATE api_keys SET status = $2 WHERE id = $1",
            values![id.as_str(), decided.value.status.as_str()],
        );
        if !decided.value.keeps_sessions() {
            end_sessions(tx, id);
        }
        change.keep.audit(tx, &organization, &decided.audit);
    }
    Ok(Ok(Some(decided.value)))
}

pub(super) async fn remove_key(
    tx: &mut Tx,
    removal: &With<'_, &ApiKeyId>,
) -> Result<Result<bool, Refusal>, Trouble> {
    let id = removal.what;
    let locked = lock_with_operators(tx, id).await?;
    removal.keep.unless_applied(tx).await?;
    let Some((organization, key, operators)) = locked else {
        return Ok(Ok(false));
    };
    let entry = match key.removal(&operators, removal.keep.act().at) {
        Ok(entry) => entry,
        Err(refusal) => return Ok(Err(refusal)),
    };
    tx.write("DELETE FROM api_keys WHERE id = $1", values![id.as_str()]);
    end_sessions(tx, id);
    removal.keep.audit(tx, &organization, &[entry]);
    Ok(Ok(true))
}

pub(super) fn key(row: &Row) -> Stored<ApiKey> {
    let kind = parsed(row, 2, KeyKind::parse)?;
    let workspace_id = optional(row, 3, WorkspaceId::parse)?;
    let organization_id = match text(row, 1)? {
        INSTALLATION => None,
        _ => Some(parsed(row, 1, OrganizationId::parse)?),
    };
    let role = optional(row, 10, Role::parse)?;
    let owner = KeyOwner::of_kind(kind, organization_id, workspace_id, role);
    Ok(ApiKey {
        id: parsed(row, 0, ApiKeyId::parse)?,
        owner: owner.ok_or_else(|| damaged("a key's owner"))?,
        name: column(row, 4)?,
        created_at: timestamp(row, 5)?,
        expires_at: optional_timestamp(row, 6)?,
        last_used_at: optional_timestamp(row, 7)?,
        status: parsed(row, 8, KeyStatus::parse)?,
        literal: column(row, 9)?,
    })
}

/// Ends the sessions that were begun with this key.
pub(super) fn end_sessions(tx: &mut Tx, key: &ApiKeyId) {
    tx.write(
        "DELETE FROM console_sessions WHERE key_id = $1",
        values![key.as_str()],
    );
}
