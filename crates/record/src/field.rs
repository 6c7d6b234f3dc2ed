//! Reading typed fields out of a JSON object, with errors that name the place.
//!
//! A reader takes the fields it knows in the order of the contract's tables, so that of several
//! mistakes the first in that order is reported, and then refuses whatever is left.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

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

/// Where a value stands. Its text, the dotted path, is made only where something is wrong with the value.
#[derive(Clone, Debug)]
pub struct FieldPath {
    /// Where the object or array stands that holds it; none for a member of the outermost.
    within: Option<Arc<FieldPath>>,
    key: Cow<'static, str>,
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(within) = &self.within {
            write!(formatter, "{within}.")?;
        }
        formatter.write_str(&match self.key.as_ref() {
            "" => Cow::Borrowed("(empty name)"),
            key => quotable(key).into(),
        })
    }
}

impl From<&'static str> for FieldPath {
    fn from(key: &'static str) -> Self {
        Self {
            within: None,
            key: key.into(),
        }
    }
}

impl From<FieldPath> for String {
    fn from(path: FieldPath) -> Self {
        path.to_string()
    }
}

/// An object being read, knowing where it stands.
#[derive(Debug)]
pub struct Fields {
    /// None for the outermost.
    place: Option<Arc<FieldPath>>,
    object: Object,
}

/// A field's value, knowing where it stands.
#[derive(Debug)]
pub struct Field {
    /// Where it stands.
    pub path: FieldPath,
    /// The value.
    pub value: Json,
}

impl Fields {
    /// The members of the outermost object.
    pub fn root(object: Object) -> Self {
        Self {
            place: None,
            object,
        }
    }

    /// The path of the member `key` of this object, which can be told also where the key cannot.
    pub fn path(&self, key: impl Into<Cow<'static, str>>) -> FieldPath {
        FieldPath {
            within: self.place.clone(),
            key: key.into(),
        }
    }

    /// Takes the member `key`, if it was sent; null counts as sent.
    pub fn take(&mut self, key: &'static str) -> Option<Field> {
        let value = self.object.take(key)?;
        Some(Field {
            path: self.path(key),
            value,
        })
    }

    /// Takes the member `key`, which must be there.
    pub fn required(&mut self, key: &'static str) -> Read<Field> {
        self.take(key)
            .ok_or_else(|| FieldError::new(self.path(key), "is required"))
    }

    /// Takes the member `key`, with null counting as not sent.
    pub fn take_non_null(&mut self, key: &'static str) -> Option<Field> {
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
                let path = self.path(key.clone());
                (key, Field { path, value })
            })
            .collect()
    }

    /// An error in what the members are together, which says first which of them it is about (`action: must be null …`);
    /// one that does not is about the object.
    pub fn error(&self, error: impl fmt::Display) -> FieldError {
        let text = error.to_string();
        if let Some((key, message)) = text.split_once(": ") {
            return FieldError::new(self.path(key.to_owned()), message);
        }
        let place = self.place.as_deref().map(FieldPath::to_string);
        FieldError::new(place.unwrap_or_default(), text)
    }

    /// Refuses whatever has not been taken.
    pub fn finish(self) -> Read<()> {
        match self.object.first_key() {
            None => Ok(()),
            Some(key) => Err(FieldError::new(
                self.path(key.to_owned()),
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
    pub fn string(self) -> Read<(FieldPath, String)> {
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
                place: Some(Arc::new(self.path)),
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
            Json::Array(elements) => {
                let place = Arc::new(self.path);
                let path = |number: usize| FieldPath {
                    within: Some(Arc::clone(&place)),
                    key: number.to_string().into(),
                };
                let elements = elements.into_iter().enumerate();
                Ok(elements
                    .map(|(number, value)| Field {
                        path: path(number),
                        value,
                    })
                    .collect())
            }
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
        let path = "limit".into();
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
