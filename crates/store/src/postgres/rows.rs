//! Columns to values, in one place for all tables.

use std::error::Error;

use rollcall_domain::clock::Timestamp;
use rollcall_record::document::ProfileDocument;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::{StoreError, Stored};

/// A column of the expected type.
pub(super) fn column<'r, T: FromSql<'r>>(row: &'r Row, number: usize) -> Stored<T> {
    row.try_get(number).map_err(|_| damaged("a column"))
}

/// A column that holds a whole number.
pub(super) fn number(row: &Row, at: usize) -> Stored<i64> {
    column(row, at)
}

/// A column that holds a text.
pub(super) fn text(row: &Row, at: usize) -> Stored<&str> {
    column::<Text<'_>>(row, at).map(|text| text.0)
}

/// A text that was checked with the processor's wide registers: a page has kilobytes of it.
pub(super) struct Text<'r>(pub(super) &'r str);

impl<'r> FromSql<'r> for Text<'r> {
    fn from_sql(_: &Type, sent: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(simdutf8::basic::from_utf8(sent)?))
    }

    fn accepts(sql_type: &Type) -> bool {
        <&str as FromSql>::accepts(sql_type)
    }
}

/// A column that holds microseconds.
pub(super) fn timestamp(row: &Row, at: usize) -> Stored<Timestamp> {
    Timestamp::from_micros(column(row, at)?).ok_or_else(|| damaged("a timestamp"))
}

/// A column that holds microseconds or null.
pub(super) fn optional_timestamp(row: &Row, at: usize) -> Stored<Option<Timestamp>> {
    let micros: Option<i64> = column(row, at)?;
    micros
        .map(|micros| Timestamp::from_micros(micros).ok_or_else(|| damaged("a timestamp")))
        .transpose()
}

/// A text column that `parse` accepts.
pub(super) fn parsed<T, E>(
    row: &Row,
    at: usize,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Stored<T> {
    parse(text(row, at)?).map_err(|_| damaged("a text"))
}

/// A text column that `parse` accepts, or null.
pub(super) fn optional<T, E>(
    row: &Row,
    at: usize,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Stored<Option<T>> {
    let value: Option<&str> = column(row, at)?;
    value
        .map(|text| parse(text).map_err(|_| damaged("a text")))
        .transpose()
}

/// A column that holds a profile's document.
pub(super) fn document(row: &Row, at: usize) -> Stored<ProfileDocument> {
    Ok(ProfileDocument::from_stored(text(row, at)?))
}

/// A number that fits the narrow columns it is kept in.
pub(super) fn small(code: i64) -> i16 {
    i16::try_from(code).unwrap_or(i16::MAX)
}

/// A stored value that does not fit its column's meaning.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Failed(format!("a stored row is damaged: {what} does not fit"))
}
