//! Timestamps on the wire and on disk: RFC 3339, strictly (contract, *General wire rules* and *Null,
//! empty and missing*).

use jiff::SignedDuration;
use jiff::civil::DateTime;
use rollcall_domain::clock::Timestamp;
use thiserror::Error;

/// The text is not a timestamp that is accepted; written to stand after `field: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be an RFC 3339 date-time with an offset, such as 2026-03-15T10:00:00Z")]
pub struct InvalidTimestamp;

/// Reads a date, a time and an offset: `T` or `t`, `Z`, `z` or `±hh:mm`, seconds 00–59, any number
/// of fractional digits (finer than a microsecond is cut off), years 0001–9999 in UTC.
pub fn parse(text: &str) -> Result<Timestamp, InvalidTimestamp> {
    parse_bytes(text.as_bytes()).ok_or(InvalidTimestamp)
}

fn parse_bytes(bytes: &[u8]) -> Option<Timestamp> {
    let (head, rest) = bytes.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators
        .iter()
        .any(|&(at, separator)| head[at] != separator)
        || !head[10].eq_ignore_ascii_case(&b'T')
    {
        return None;
    }
    let year = i16::try_from(digits(&head[0..4])?).ok()?;
    let [month, day, hour, minute, second] = [
        &head[5..7],
        &head[8..10],
        &head[11..13],
        &head[14..16],
        &head[17..19],
    ]
    .map(|part| digits(part).and_then(|number| i8::try_from(number).ok()));
    let (fraction, offset) = split_fraction(rest)?;
    let nanosecond = i32::try_from(micros(fraction) * 1_000).ok()?;
    // Civil arithmetic, because jiff's own timestamps end a day before the wire's year 9999 does.
    let civil = DateTime::new(year, month?, day?, hour?, minute?, second?, nanosecond).ok()?;
    let since_epoch = i64::try_from(civil.duration_since(EPOCH).as_micros()).ok()?;
    Timestamp::from_micros(since_epoch.checked_sub(offset_seconds(offset)? * 1_000_000)?)
}

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u32::from(byte - b'0'))
    })
}

/// The digits after a decimal point, if there is one, and what follows.
fn split_fraction(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(after_point) = rest.strip_prefix(b".") else {
        return Some((&[], rest));
    };
    let length = after_point
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    (length > 0).then(|| after_point.split_at(length))
}

/// The first six digits as microseconds.
fn micros(fraction: &[u8]) -> u32 {
    (0..6).fold(0, |micros, place| {
        micros * 10 + fraction.get(place).map_or(0, |byte| u32::from(byte - b'0'))
    })
}

fn offset_seconds(offset: &[u8]) -> Option<i64> {
    match *offset {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = i64::from(digits(&[h1, h2])?);
            let minutes = i64::from(digits(&[m1, m2])?);
            let seconds = (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)?;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// The wire form: UTC, `Z`; no fraction for whole seconds, else exactly six digits.
pub fn to_text(timestamp: Timestamp) -> String {
    let mut text = String::with_capacity(27);
    write(&mut text, timestamp);
    text
}

/// Appends the wire form of `timestamp`.
pub fn write(out: &mut String, timestamp: Timestamp) {
    let text = digits_of(timestamp);
    let whole = timestamp.as_micros().rem_euclid(1_000_000) == 0;
    push(out, if whole { &text[..WHOLE] } else { &text });
}

/// The same with six digits for whole seconds too, as logs have it.
pub fn write_to_the_microsecond(out: &mut String, timestamp: Timestamp) {
    push(out, &digits_of(timestamp));
}

fn push(out: &mut String, text: &[u8]) {
    // All of it is ASCII.
    out.push_str(std::str::from_utf8(text).unwrap_or_default());
    out.push('Z');
}

/// Characters up to the second.
const WHOLE: usize = 19;

/// `2026-03-15T10:00:00.000000`. Digit by digit, because every answer and every log line has some of these, and
/// formatting takes ten times as long.
fn digits_of(timestamp: Timestamp) -> [u8; 26] {
    let micros = timestamp.as_micros();
    // Every Timestamp is within the years that civil arithmetic covers.
    let civil = EPOCH.saturating_add(SignedDuration::from_micros(micros));
    let mut text = *b"0000-00-00T00:00:00.000000";
    let mut put = |end: usize, width: usize, mut number: u64| {
        for digit in text[end - width..end].iter_mut().rev() {
            *digit += u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
    };
    put(4, 4, u64::from(civil.year().unsigned_abs()));
    put(7, 2, u64::from(civil.month().unsigned_abs()));
    put(10, 2, u64::from(civil.day().unsigned_abs()));
    put(13, 2, u64::from(civil.hour().unsigned_abs()));
    put(16, 2, u64::from(civil.minute().unsigned_abs()));
    put(19, 2, u64::from(civil.second().unsigned_abs()));
    put(26, 6, micros.rem_euclid(1_000_000).unsigned_abs());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepted_forms_are_read_to_the_microsecond() {
        for (text, expected) in [
            ("2026-03-15T10:00:00Z", "2026-03-15T10:00:00Z"),
            ("2026-03-15t10:00:00z", "2026-03-15T10:00:00Z"),
            ("2025-01-20T12:45:00+01:00", "2025-01-20T11:45:00Z"),
            (
                "2026-03-15T10:00:00.25+00:00",
                "2026-03-15T10:00:00.250000Z",
            ),
            (
                "2026-03-15T10:00:00.1234569-00:00",
                "2026-03-15T10:00:00.123456Z",
            ),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("0000-12-31T23:30:00-01:00", "0001-01-01T00:30:00Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z"),
        ] {
            assert_eq!(parse(text).map(to_text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "2026-03-15",
            "2026-03-15T10:00:00",
            "2026-03-15 10:00:00Z",
            "2026-03-15T10:00:60Z",
            "2026-02-30T10:00:00Z",
            "2026-03-15T24:00:00Z",
            "2026-03-15T10:00:00.Z",
            "2026-03-15T10:00:00+0100",
            "2026-03-15T10:00:00+24:00",
            "2026-03-15T10:00:00ZZ",
            "9999-12-31T23:59:59-00:01",
            "0001-01-01T00:00:00+00:01",
            "+2026-03-15T10:00:00Z",
            "2026-03-15T10:00:00Ż",
            "",
        ] {
            assert_eq!(parse(text), Err(InvalidTimestamp), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            micros in Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros()
        ) {
            let timestamp = Timestamp::from_micros(micros).unwrap();
            prop_assert_eq!(parse(&to_text(timestamp)), Ok(timestamp));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
