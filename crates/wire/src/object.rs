//! How answers are written: compact JSON, members in the order of the calls.
//!
//! Types of the domain carry no serialisation of their own, so that a field reaches the wire only
//! where a writer names it.

use rollcall_domain::clock::Timestamp;
use rollcall_record::json::write_string;
use rollcall_record::time;

/// Writes one JSON object, member by member, and closes it with [`ObjectWriter::close`].
///
/// Names are given by us and need no escaping; texts are escaped.
#[derive(Debug)]
#[must_use = "an object that is not closed is not JSON"]
pub struct ObjectWriter<'a> {
    out: &'a mut String,
    before: char,
}

impl<'a> ObjectWriter<'a> {
    /// Begins an object at the end of `out`.
    pub fn new(out: &'a mut String) -> Self {
        Self { out, before: '{' }
    }

    /// Writes the member `name`, its value written by `write`.
    pub fn with(mut self, name: &str, write: impl FnOnce(&mut String)) -> Self {
        self.out.push(self.before);
        self.before = ',';
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
        write(self.out);
        self
    }

    /// Writes a string.
    pub fn text(self, name: &str, value: &str) -> Self {
        self.with(name, |out| write_string(out, value))
    }

    /// Writes a string or null.
    pub fn optional_text(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self.raw(name, "null"),
        }
    }

    /// Writes a timestamp.
    pub fn time(self, name: &str, value: Timestamp) -> Self {
        self.with(name, |out| {
            out.push('"');
            time::write(out, value);
            out.push('"');
        })
    }

    /// Writes a timestamp or null.
    pub fn optional_time(self, name: &str, value: Option<Timestamp>) -> Self {
        match value {
            Some(value) => self.time(name, value),
            None => self.raw(name, "null"),
        }
    }

    /// Writes a whole number.
    pub fn number(self, name: &str, value: impl Into<u64>) -> Self {
        self.raw(name, &value.into().to_string())
    }

    /// Writes a whole number or null.
    pub fn optional_number(self, name: &str, value: Option<impl Into<u64>>) -> Self {
        match value {
            Some(value) => self.number(name, value),
            None => self.raw(name, "null"),
        }
    }

    /// Writes `true` or `false`.
    pub fn boolean(self, name: &str, value: bool) -> Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// Writes a value that is JSON already.
    pub fn raw(self, name: &str, json: &str) -> Self {
        self.with(name, |out| out.push_str(json))
    }

    /// Writes the members of `object`, which is JSON already and not empty.
    pub fn members(mut self, object: &str) -> Self {
        self.out.push(self.before);
        self.before = ',';
        self.out.push_str(&object[1..object.len() - 1]);
        self
    }

    /// Writes an object, its members written by `members`.
    pub fn object(
        self,
        name: &str,
        members: impl FnOnce(ObjectWriter<'_>) -> ObjectWriter<'_>,
    ) -> Self {
        self.with(name, |out| members(ObjectWriter::new(out)).close())
    }

    /// Writes an array, each item by `write`.
    pub fn array<T>(
        self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut String, T),
    ) -> Self {
        self.with(name, |out| write_array(out, items, write))
    }

    /// Writes an array of strings.
    pub fn texts<'b>(self, name: &str, items: impl IntoIterator<Item = &'b str>) -> Self {
        self.array(name, items, write_string)
    }

    /// Ends the object.
    pub fn close(self) {
        if self.before == '{' {
            self.out.push('{');
        }
        self.out.push('}');
    }
}

/// Writes an array at the end of `out`, each item by `write`.
pub fn write_array<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (number, item) in items.into_iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

/// The object that `members` writes, as a text of its own.
pub fn object(members: impl FnOnce(ObjectWriter<'_>) -> ObjectWriter<'_>) -> String {
    let mut out = String::with_capacity(256);
    members(ObjectWriter::new(&mut out)).close();
    out
}

/// The list envelope of the operator API and of profiles: `{"data":[…],"next_page":…}`.
pub fn page<T>(
    items: impl IntoIterator<Item = T>,
    write: impl FnMut(&mut String, T),
    next_page: Option<&str>,
) -> String {
    object(|envelope| {
        envelope
            .array("data", items, write)
            .optional_text("next_page", next_page)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_compact_and_keep_the_order_of_the_calls() {
        let written = object(|writer| {
            writer
                .text("b", "x\"y")
                .optional_text("a", None)
                .number("n", 3_u32)
                .time("t", Timestamp::EPOCH)
                .object("o", |inner| inner)
                .texts("l", ["é", "2"])
        });
        assert_eq!(
            written,
            r#"{"b":"x\"y","a":null,"n":3,"t":"1970-01-01T00:00:00Z","o":{},"l":["é","2"]}"#
        );
    }

    #[test]
    fn an_empty_page_is_an_empty_array() {
        let none: [&str; 0] = [];
        assert_eq!(
            page(none, write_string, None),
            r#"{"data":[],"next_page":null}"#
        );
    }
}
