//! How stored texts are written, value by value, each appended to what is there.

use rollcall_domain::clock::Timestamp;

use crate::json::write_string;
use crate::time;

/// Writes `"name":` and the value that `write` writes, after `before`: the brace or comma.
pub(crate) fn member(out: &mut String, before: &str, name: &str, write: impl FnOnce(&mut String)) {
    out.push_str(before);
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    write(out);
}

/// Writes a timestamp.
pub(crate) fn write_time(out: &mut String, timestamp: Timestamp) {
    out.push('"');
    time::write(out, timestamp);
    out.push('"');
}

/// Writes a timestamp or null.
pub(crate) fn write_optional_time(out: &mut String, timestamp: Option<Timestamp>) {
    match timestamp {
        Some(timestamp) => write_time(out, timestamp),
        None => out.push_str("null"),
    }
}

/// Writes a string or null.
pub(crate) fn write_text(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => write_string(out, text),
        None => out.push_str("null"),
    }
}

/// Writes an array, each item by `write`.
pub(crate) fn write_array<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}
