//! The rows of keys, and the console sessions that end with one.

use rollcall_domain::id::{ApiKeyId, OrganizationId, WorkspaceId};
use rollcall_domain::role::Role;
use rollcall_domain::tenant::{ApiKey, KeyKind, KeyOwner, KeyStatus};
use rusqlite::{Connection, Row, ToSql};

use super::commit::INSTALLATION;
use super::failed;
use super::rows::{damaged, execute, optional, optional_timestamp, parsed, query, timestamp};
use crate::Stored;

pub(super) const KEY: &str = "k.id, k.kind, k.workspace_id, k.name, k.created_at, k.expires_at, \
    k.last_used_at, k.status, k.literal, k.role, k.secret_hash";

pub(super) fn find_key(connection: &Connection, id: &ApiKeyId) -> Stored<Option<(i64, ApiKey)>> {
    let sql = format!(
        "SELECT {KEY}, o.id, k.organization FROM api_keys k \
         LEFT JOIN organizations o ON o.number = k.organization WHERE k.id = ?1"
    );
    let parameters: [&dyn ToSql; 1] = [&id.as_str()];
    let found = query(connection, &sql, parameters, |row| {
        let organization_id = optional(row, 11, OrganizationId::parse)?;
        Ok((
            row.get(12).map_err(failed)?,
            key(row, organization_id.as_ref())?,
        ))
    })?;
    Ok(found.into_iter().next())
}

/// The operator's own keys.
pub(super) fn operator_keys(connection: &Connection) -> Stored<Vec<ApiKey>> {
    let sql = format!("SELECT {KEY} FROM api_keys k WHERE k.organization = ?1");
    query(connection, &sql, [INSTALLATION], |row| key(row, None))
}

pub(super) fn key(row: &Row<'_>, organization_id: Option<&OrganizationId>) -> Stored<ApiKey> {
    let kind = parsed(row, 1, KeyKind::parse)?;
    let workspace_id = optional(row, 2, WorkspaceId::parse)?;
    let role = optional(row, 9, Role::parse)?;
    let owner = KeyOwner::of_kind(kind, organization_id.cloned(), workspace_id, role);
    Ok(ApiKey {
        id: parsed(row, 0, ApiKeyId::parse)?,
        owner: owner.ok_or_else(|| damaged("a key's owner"))?,
        name: row.get(3).map_err(failed)?,
        created_at: timestamp(row, 4)?,
        expires_at: optional_timestamp(row, 5)?,
        last_used_at: optional_timestamp(row, 6)?,
        status: parsed(row, 7, KeyStatus::parse)?,
        literal: row.get(8).map_err(failed)?,
    })
}

/// Ends the sessions that were begun with this key.
pub(super) fn end_sessions(connection: &Connection, key: &ApiKeyId) -> Stored<()> {
    let sql = "DELETE FROM console_sessions WHERE key_id = ?1";
    execute(connection, sql, [key.as_str()]).map(|_| ())
}
