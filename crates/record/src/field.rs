//! Reading typed fields out of a JSON object, with errors that name the place.
//!
//! A reader takes the fields it knows in the order of the contract's tables, so that of several
//! mistakes the first in that order is reported, and then refuses whatever is left.

use rollcall_domain::clock::Timestamp;
use thiserror::Error;

use crate::json::{Json, Object, quotable};
use crate::time;

/// A field that does not fit: where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}: {message}")]
pub struct FieldError {
    /// The dotted path of the field.
    pub path: String,
    /// What was expected.
    pub message: String,
}

impl FieldError {
    /// An error at `path`.
    pub fn new(path: impl Into<String>, message: impl std::fmt::Display) -> Self {
        let message = format!("{message}");
        Self {
            path: path.into(),
            message,
        }
    }
}

/// The result of reading a field.
pub type Read<T> = Result<T, FieldError>;

/// An object being read, knowing where it stands.
#[derive(Debug)]
pub struct Fields {
    prefix: String,
    object: Object,
}

/// A field's value, knowing where it stands.
#[derive(Debug)]
pub struct Field {
    /// The dotted path.
    pub path: String,
    /// The value.
    pub value: Json,
}

impl Fields {
    /// The members of the outermost object.
    pub fn root(object: Object) -> Self {
        Self {
            prefix: String::new(),
            object,
        }
    }

    /// The dotted path of the member `key` of this object.
    pub fn path(&self, key: &str) -> String {
        let key = quotable(key);
        if self.prefix.is_empty() {
            key
        } else {
            format!("{}.{key}", self.prefix)
        }
    }

    /// Takes the member `key`, if it was sent; null counts as sent.
    pub fn take(&mut self, key: &str) -> Option<Field> {
        let value = self.object.take(key)?;
        Some(Field {
            path: self.path(key),
            value,
        })
    }

    /// Takes the member `key`, with null counting as not sent.
    pub fn take_non_null(&mut self, key: &str) -> Option<Field> {
        self.take(key).filter(|field| field.value != Json::Null)
    }

    /// Whether the member `key` was sent and not yet taken.
    pub fn contains(&self, key: &str) -> bool {
        self.object.contains(key)
    }

    /// Takes all members that are left, in the order sent.
    pub fn take_all(&mut self) -> Vec<(String, Field)> {
        let object = std::mem::take(&mut self.object);
        object
            .into_iter()
            .map(|(key, value)| {
                let path = self.path(&key);
                (key, Field { path, value })
            })
            .collect()
    }

    /// Refuses whatever has not been taken.
    pub fn finish(self) -> Read<()> {
        match self.object.first_key() {
            None => Ok(()),
            Some(key) => Err(FieldError::new(
                self.path(key),
                "Extra inputs are not permitted",
            )),
        }
    }
}

impl Field {
    /// An error at this field.
    pub fn error(&self, message: impl std::fmt::Display) -> FieldError {
        FieldError::new(self.path.clone(), message)
    }

    /// Whether the value is null.
    pub fn is_null(&self) -> bool {
        self.value == Json::Null
    }

    /// A string.
    pub fn string(self) -> Read<(String, String)> {
        match self.value {
            Json::String(text) => Ok((self.path, text)),
            Json::Null => Err(FieldError::new(self.path, "must not be null")),
            Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                Err(FieldError::new(self.path, "must be a string"))
            }
        }
    }

    /// A string that `parse` accepts.
    pub fn parsed<T, E: std::fmt::Display>(
        self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Read<T> {
        let (path, text) = self.string()?;
        parse(&text).map_err(|error| FieldError::new(path, error))
    }

    /// A timestamp.
    pub fn timestamp(self) -> Read<Timestamp> {
        self.parsed(time::parse)
    }

    /// `true` or `false`.
    pub fn boolean(self) -> Read<bool> {
        match self.value {
            Json::Bool(value) => Ok(value),
            Json::Null => Err(FieldError::new(self.path, "must not be null")),
            Json::Number(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => {
                Err(FieldError::new(self.path, "must be true or false"))
            }
        }
    }

    /// A whole number from `range`.
    pub fn integer(self, range: std::ops::RangeInclusive<u64>) -> Read<u64> {
        let (low, high) = (range.start(), range.end());
        let expected = format!("must be an integer from {low} to {high}");
        match &self.value {
            Json::Number(number) => match number.as_u64() {
                Some(number) if range.contains(&number) => Ok(number),
                _ => Err(self.error(expected)),
            },
            Json::Null => Err(self.error("must not be null")),
            Json::Bool(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => {
                Err(self.error(expected))
            }
        }
    }

    /// An object.
    pub fn object(self) -> Read<Fields> {
        match self.value {
            Json::Object(object) => Ok(Fields {
                prefix: self.path,
                object,
            }),
            Json::Null => Err(FieldError::new(self.path, "must not be null")),
            Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                Err(FieldError::new(self.path, "must be an object"))
            }
        }
    }

    /// An array, its elements with their places (`enabled_events.1`).
    pub fn array(self) -> Read<Vec<Field>> {
        match self.value {
            Json::Array(elements) => Ok(elements
                .into_iter()
                .enumerate()
                .map(|(number, value)| Field {
                    path: format!("{}.{number}", self.path),
                    value,
                })
                .collect()),
            Json::Null => Err(FieldError::new(self.path, "must not be null")),
            Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
                Err(FieldError::new(self.path, "must be an array"))
            }
        }
    }
}
