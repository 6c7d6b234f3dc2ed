//! Values to and from columns, in one place for all tables.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::OrganizationId;
use rusqlite::types::{FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Organizations, failed};
pub(super) use crate::columns::{Narrow, access_type_code, day};
use crate::{StoreError, Stored};

/// A column that holds microseconds.
pub(super) fn timestamp(row: &Row<'_>, column: usize) -> Stored<Timestamp> {
    let micros = row.get(column).map_err(failed)?;
    Timestamp::from_micros(micros).ok_or_else(|| damaged("a timestamp"))
}

/// A column that holds microseconds or null.
pub(super) fn optional_timestamp(row: &Row<'_>, column: usize) -> Stored<Option<Timestamp>> {
    let micros: Option<i64> = row.get(column).map_err(failed)?;
    micros
        .map(|micros| Timestamp::from_micros(micros).ok_or_else(|| damaged("a timestamp")))
        .transpose()
}

/// A text column that `parse` accepts.
pub(super) fn parsed<T, E>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Stored<T> {
    let text = row
        .get_ref(column)
        .map_err(failed)?
        .as_str()
        .map_err(|_| damaged("a text"))?;
    parse(text).map_err(|_| damaged("a text"))
}

/// A text column that `parse` accepts, or null.
pub(super) fn optional<T, E>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Stored<Option<T>> {
    let value = row.get_ref(column).map_err(failed)?;
    match value.as_str_or_null().map_err(|_| damaged("a text"))? {
        None => Ok(None),
        Some(text) => parse(text).map(Some).map_err(|_| damaged("a text")),
    }
}

/// The text of a document. Checking that it is UTF-8 with the processor's wide registers takes a third of the time.
pub(super) fn document(value: ValueRef<'_>) -> FromSqlResult<&str> {
    let checked = match value {
        ValueRef::Text(bytes) => simdutf8::basic::from_utf8(bytes).ok(),
        _ => None,
    };
    checked.map_or_else(|| value.as_str(), Ok)
}

/// A stored value that does not fit its column's meaning.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Failed(format!("a stored row is damaged: {what} does not fit"))
}

/// Runs a statement; answers with how many rows it changed.
pub(super) fn execute(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Stored<usize> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(parameters))
        .map_err(failed)
}

/// What `read` makes of each row that a query answers with.
pub(super) fn query<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Stored<T>,
) -> Stored<Vec<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(parameters).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// The number behind an organization id, or `None` when there is no such organization.
pub(super) fn organization_number(
    connection: &Connection,
    known: &Organizations,
    id: &OrganizationId,
) -> Stored<Option<i64>> {
    if let Some(number) = known.known(id) {
        return Ok(Some(number));
    }
    let number = connection
        .prepare_cached("SELECT number FROM organizations WHERE id = ?1 AND removal IS NULL")
        .and_then(|mut statement| {
            statement
                .query_row([id.as_str()], |row| row.get(0))
                .optional()
        })
        .map_err(failed)?;
    if let Some(number) = number {
        known.remember(id, number);
    }
    Ok(number)
}

/// The id behind an organization's number.
pub(super) fn organization_id(connection: &Connection, number: i64) -> Stored<OrganizationId> {
    let mut statement = connection
        .prepare_cached("SELECT id FROM organizations WHERE number = ?1")
        .map_err(failed)?;
    let mut rows = statement.query([number]).map_err(failed)?;
    match rows.next().map_err(failed)? {
        Some(row) => parsed(row, 0, OrganizationId::parse),
        None => Err(damaged("an organization's number")),
    }
}
