//! Parameters of a statement, each with the type it is sent as.
//!
//! Types are stated, never asked of the server: that is what makes a statement one round trip without
//! a name on the server, which a pooler in transaction mode could not find again.

use rollcall_domain::clock::Timestamp;
use tokio_postgres::types::{ToSql, Type};

use crate::{StoreError, Stored};

/// One parameter. It has no `Debug`, because it may be personal data.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    OptionalText(Option<String>),
    Integer(i64),
    OptionalInteger(Option<i64>),
    Small(i16),
    Boolean(bool),
    Bytes(Vec<u8>),
    OptionalByteStrings(Vec<Option<Vec<u8>>>),
    Texts(Vec<String>),
    OptionalTexts(Vec<Option<String>>),
    Integers(Vec<i64>),
    OptionalIntegers(Vec<Option<i64>>),
    Smalls(Vec<i16>),
}

impl Value {
    /// The parameter as the client library takes it.
    pub(super) fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(value) => (value, Type::TEXT),
            Self::OptionalText(value) => (value, Type::TEXT),
            Self::Integer(value) => (value, Type::INT8),
            Self::OptionalInteger(value) => (value, Type::INT8),
            Self::Small(value) => (value, Type::INT2),
            Self::Boolean(value) => (value, Type::BOOL),
            Self::Bytes(value) => (value, Type::BYTEA),
            Self::OptionalByteStrings(value) => (value, Type::BYTEA_ARRAY),
            Self::Texts(value) => (value, Type::TEXT_ARRAY),
            Self::OptionalTexts(value) => (value, Type::TEXT_ARRAY),
            Self::Integers(value) => (value, Type::INT8_ARRAY),
            Self::OptionalIntegers(value) => (value, Type::INT8_ARRAY),
            Self::Smalls(value) => (value, Type::INT2_ARRAY),
        }
    }
}

impl Value {
    /// Rows, each column as one parameter. In the same place all have a value of the same kind, of those that
    /// there are lists of.
    pub(super) fn columns(rows: Vec<Vec<Self>>) -> Stored<Vec<Self>> {
        let first = rows.first().map_or(&[][..], Vec::as_slice);
        let mut columns: Vec<_> = first.iter().map(Self::list).collect::<Stored<_>>()?;
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value)?;
            }
        }
        Ok(columns)
    }

    /// An empty list of such values.
    fn list(&self) -> Stored<Self> {
        Ok(match self {
            Self::Text(_) | Self::OptionalText(_) => Self::OptionalTexts(Vec::new()),
            Self::Integer(_) | Self::OptionalInteger(_) => Self::OptionalIntegers(Vec::new()),
            Self::Small(_) => Self::Smalls(Vec::new()),
            _ => return Err(unlisted()),
        })
    }

    fn push(&mut self, value: Self) -> Stored<()> {
        match (self, value) {
            (Self::OptionalTexts(all), Self::Text(one)) => all.push(Some(one)),
            (Self::OptionalTexts(all), Self::OptionalText(one)) => all.push(one),
            (Self::OptionalIntegers(all), Self::Integer(one)) => all.push(Some(one)),
            (Self::OptionalIntegers(all), Self::OptionalInteger(one)) => all.push(one),
            (Self::Smalls(all), Self::Small(one)) => all.push(one),
            _ => return Err(unlisted()),
        }
        Ok(())
    }
}

fn unlisted() -> StoreError {
    StoreError::Failed("rows of a statement differ in the kinds of their values".into())
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::OptionalText(value.map(str::to_owned))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::OptionalText(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<i16> for Value {
    fn from(value: i16) -> Self {
        Self::Small(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::OptionalInteger(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Integer(value.as_micros())
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(value: Option<Timestamp>) -> Self {
        Self::OptionalInteger(value.map(Timestamp::as_micros))
    }
}

/// The parameters of a statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        [$($crate::postgres::value::Value::from($value)),*]
    };
}
pub(super) use values;
