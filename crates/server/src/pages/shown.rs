//! Values as pages show them.

use std::fmt;

use askama::filters::HtmlSafe;
use rollcall_domain::clock::Timestamp;
use rollcall_record::time;

/// An instant, shown short and with its exact value for machines and for whoever points at it.
///
/// It writes its own element, so that no page can show a time otherwise. Nothing in it was typed by
/// anybody: both texts are made here, of figures.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    shown: String,
    exact: String,
}

impl Moment {
    /// To the minute: `2026-03-15 10:00`.
    pub(crate) fn minute(timestamp: Timestamp) -> Self {
        Self::cut(timestamp, 16)
    }

    /// To the second: `2026-03-15 10:00:07`.
    pub(crate) fn second(timestamp: Timestamp) -> Self {
        Self::cut(timestamp, 19)
    }

    /// As long ago: `3 minutes ago`.
    pub(crate) fn ago(then: Timestamp, now: Timestamp) -> Self {
        Self {
            shown: ago(then, now),
            exact: machine(then),
        }
    }

    /// As far ahead: `in 3 minutes`.
    pub(crate) fn ahead(then: Timestamp, now: Timestamp) -> Self {
        Self {
            shown: ahead(then, now),
            exact: machine(then),
        }
    }

    fn cut(timestamp: Timestamp, end: usize) -> Self {
        let exact = machine(timestamp);
        let shown = exact.get(..end).unwrap_or(&exact).replace('T', " ");
        Self { shown, exact }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, exact } = self;
        write!(
            formatter,
            r#"<time datetime="{exact}" title="{exact}">{shown}</time>"#
        )
    }
}

impl HtmlSafe for Moment {}

/// A time to the minute, in UTC: `2026-03-15 10:00 UTC`.
pub(crate) fn minute(timestamp: Timestamp) -> String {
    let text = time::to_text(timestamp);
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
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
fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.since(then).as_secs() {
        0..60 => "just now".to_owned(),
        seconds => format!("{} ago", span(seconds)),
    }
}

/// How far ahead `then` is, roughly.
fn ahead(then: Timestamp, now: Timestamp) -> String {
    match then.since(now).as_secs() {
        0 => "now".to_owned(),
        seconds => format!("in {}", span(seconds)),
    }
}

fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        let then = time::parse("2026-03-15T10:00:07.5Z").unwrap();
        assert_eq!(minute(then), "2026-03-15 10:00 UTC");
        assert_eq!(
            Moment::second(then).to_string(),
            "<time datetime=\"2026-03-15T10:00:07.500000Z\" title=\"2026-03-15T10:00:07.500000Z\">\
             2026-03-15 10:00:07</time>"
        );
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!((number(0), number(999)), ("0".into(), "999".into()));
        assert_eq!(words("intended_use"), "Intended use");
        let later = time::parse("2026-03-15T12:00:09Z").unwrap();
        assert_eq!(ago(then, later), "2 hours ago");
    }
}
