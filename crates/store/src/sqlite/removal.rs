//! The end of a tenancy, piece by piece: each is one job of the writer, between which everybody else's are done.

use std::sync::Arc;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{Ids, OrganizationId};
use rollcall_domain::removal::Removal;
use rollcall_record::removal::{decode, encode};
use rusqlite::{Connection, params};

use super::commit::{INSTALLATION, keep_audit};
use super::failed;
use super::rows::{execute, parsed, query};
use crate::Stored;
use crate::tables::TABLES;
use crate::tenants::Left;

/// The end of an organization, if it has begun, and the organization's number.
pub(super) fn begun(
    connection: &Connection,
    id: &OrganizationId,
) -> Stored<Option<(i64, Removal)>> {
    let sql = "SELECT number, removal FROM organizations WHERE id = ?1 AND removal IS NOT NULL";
    let found = query(connection, sql, [id.as_str()], |row| {
        Ok((row.get(0).map_err(failed)?, parsed(row, 1, decode)?))
    });
    Ok(found?.pop())
}

pub(super) fn keep(
    connection: &Connection,
    id: &OrganizationId,
    removal: &Removal,
) -> Stored<usize> {
    let sql = "UPDATE organizations SET removal = ?2 WHERE id = ?1";
    execute(connection, sql, params![id.as_str(), encode(removal)])
}

pub(super) fn list(connection: &Connection) -> Stored<Vec<OrganizationId>> {
    let sql = "SELECT id FROM organizations WHERE removal IS NOT NULL ORDER BY id";
    query(connection, sql, [], |row| {
        parsed(row, 0, OrganizationId::parse)
    })
}

pub(super) fn go_on(
    connection: &Connection,
    ids: &Arc<Ids>,
    id: &OrganizationId,
    now: Timestamp,
    limit: usize,
) -> Stored<Left> {
    let Some((number, mut removal)) = begun(connection, id)? else {
        return Ok(Left::Nothing);
    };
    let mut room = limit;
    for table in TABLES.iter().filter(|table| table.of_organization) {
        let key = key(connection, table.name)?;
        let sql = format!(
            "DELETE FROM {0} WHERE ({key}) IN \
             (SELECT {key} FROM {0} WHERE organization = ?1 LIMIT ?2)",
            table.name
        );
        let most = i64::try_from(room).unwrap_or(i64::MAX);
        let removed = execute(connection, &sql, params![number, most])?;
        if let Some(what) = table.told_as {
            removal.count(what, u64::try_from(removed).unwrap_or_default());
        }
        room = room.saturating_sub(removed);
        if room == 0 {
            keep(connection, id, &removal)?;
            return Ok(Left::More);
        }
    }
    let sql = "DELETE FROM organizations WHERE number = ?1";
    execute(connection, sql, [number])?;
    let (act, entry) = (removal.act(now), removal.entry(id));
    keep_audit(connection, ids, INSTALLATION, &act, &[entry])?;
    Ok(Left::Nothing)
}

/// The columns that name a row.
fn key(connection: &Connection, table: &str) -> Stored<String> {
    if table == "profiles" {
        // One column, and an index of its own: the order of listings is the longer way.
        return Ok("id".to_owned());
    }
    let sql = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
    let columns = query(connection, sql, [table], |row| {
        row.get::<_, String>(0).map_err(failed)
    })?;
    Ok(columns.join(", "))
}
