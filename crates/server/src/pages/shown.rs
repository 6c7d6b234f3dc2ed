//! Values as pages show them.

use rollcall_domain::clock::Timestamp;
use rollcall_record::time;

/// A time to the minute, in UTC: `2026-03-15 10:00 UTC`.
pub(crate) fn minute(timestamp: Timestamp) -> String {
    let text = time::to_text(timestamp);
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        (_, _) => text,
    }
}

/// A time to the second, in UTC.
pub(crate) fn second(timestamp: Timestamp) -> String {
    let text = time::to_text(timestamp);
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(second)) => format!("{day} {second} UTC"),
        (_, _) => text,
    }
}

/// A time as machines read it, for `<time datetime>`.
pub(crate) fn machine(timestamp: Timestamp) -> String {
    time::to_text(timestamp)
}

/// A number with its thousands apart.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A name of fields and values as people write it: `intended_use` becomes `Intended use`.
pub(crate) fn words(name: &str) -> String {
    let spaced = name.replace(['_', '.'], " ");
    let mut characters = spaced.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => spaced,
    }
}

/// How long ago `then` was, roughly.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(then).as_secs();
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        let then = time::parse("2026-03-15T10:00:07.5Z").unwrap();
        assert_eq!(minute(then), "2026-03-15 10:00 UTC");
        assert_eq!(second(then), "2026-03-15 10:00:07 UTC");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!((number(0), number(999)), ("0".into(), "999".into()));
        assert_eq!(words("intended_use"), "Intended use");
        let later = time::parse("2026-03-15T12:00:09Z").unwrap();
        assert_eq!(ago(then, later), "2 hours ago");
    }
}
