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

/// Takes the member `name`, which must be there.
pub(crate) fn required(fields: &mut Fields, name: &str) -> Read<Field> {
    fields
        .take(name)
        .ok_or_else(|| FieldError::new(fields.path(name), "is required"))
}

impl Fields {
    /// The members of the outermost object.
    pub fn root(object: Object) -> Self {
        Self {
            prefix: String::new(),
            object,
        }
    }

    /// The dotted path of the member `key` of this object, which can be told also where the key cannot.
    pub fn path(&self, key: &str) -> String {
        let key = if key.is_empty() {
            "(empty name)".to_owned()
        } else {
            quotable(key)
        };
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

    /// `None` for null, else what `read` makes of it.
    pub fn optional<T>(self, read: impl FnOnce(Self) -> Read<T>) -> Read<Option<T>> {
        if self.is_null() {
            Ok(None)
        } else {
            read(self).map(Some)
        }
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
            Json::Number(number) => match whole(number) {
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

/// The value of a number without a fraction, however it is written: JSON has one kind of number, and
/// JSON Schema counts 5.0 among the integers, so that some clients write it.
fn whole(number: &serde_json::Number) -> Option<u64> {
    /// Up to here, every whole number has a floating-point number of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    number.as_u64().or_else(|| {
        let value = number.as_f64()?;
        let plain = value.fract() == 0.0 && (0.0..=EXACT).contains(&value);
        plain
            .then(|| format!("{:.0}", value.abs()).parse().ok())
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn integer(text: &str) -> Result<u64, String> {
        let path = "limit".to_owned();
        let value = json::parse(text.as_bytes()).unwrap();
        let read = Field { path, value }.integer(0..=100);
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_fraction_of_nothing() {
        for (text, value) in [("5", 5), ("5.0", 5), ("1e2", 100), ("0.0", 0), ("-0.0", 0)] {
            assert_eq!(integer(text), Ok(value), "{text}");
        }
        for text in ["5.5", "-1", "-1.0", "101", "1e3", "1e300", "\"5\"", "true"] {
            let expected = "limit: must be an integer from 0 to 100".to_owned();
            assert_eq!(integer(text), Err(expected), "{text}");
        }
    }
}
