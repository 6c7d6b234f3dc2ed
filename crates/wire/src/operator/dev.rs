//! Development controls: the clock and prepared failures (contract `operator.md`).

use std::time::Duration;

use rollcall_domain::billing::BillingState;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_record::field::{Field, FieldError, Fields, Read};
use thiserror::Error;

use super::lists::ListRequest;
use crate::cursor::Cursors;
use crate::error::{ApiError, ErrorKind};
use crate::members::{Member, begin, member};
use crate::object::{self, ObjectWriter};
use crate::openapi::schema::{
    Shape, boolean, described, integer, matching, nullable, organization_id,
};
use crate::query::Query;

/// What is to become of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// Move it later; it keeps running or standing as it was.
    Advance(Duration),
    /// Stop it there.
    StopAt(Timestamp),
    /// Let it follow the machine's clock.
    FollowSystem,
}

/// Reads `{advance}`, `{now}` or `{real:true}`: exactly one of them.
pub fn parse_clock(mut fields: Fields) -> Result<ClockChange, ApiError> {
    let advance = fields
        .take("advance")
        .map(|field| field.parsed(parse_duration).map(ClockChange::Advance));
    let stop = fields
        .take("now")
        .map(|field| field.timestamp().map(ClockChange::StopAt));
    let real = fields.take("real").map(follow_system);
    let changes = [advance, stop, real].into_iter().flatten();
    let changes = changes.collect::<Read<Vec<_>>>()?;
    fields.finish()?;
    match changes[..] {
        [change] => Ok(change),
        _ => Err(ApiError::invalid(
            "The request body must have exactly one of: advance, now, real",
        )),
    }
}

fn follow_system(field: Field) -> Read<ClockChange> {
    let path = field.path.clone();
    if field.boolean()? {
        Ok(ClockChange::FollowSystem)
    } else {
        Err(FieldError::new(path, "must be true"))
    }
}

/// The answer to a change of the clock: the time it shows now.
pub fn write_clock(now: Timestamp) -> String {
    object::object(|answer| answer.time("now", now))
}

/// Reads `{state}`.
pub fn parse_billing(mut fields: Fields) -> Result<BillingState, ApiError> {
    let state = fields.required("state")?.parsed(BillingState::parse)?;
    fields.finish()?;
    Ok(state)
}

/// Appends how the billing of a profile stands.
pub fn write_billing(out: &mut String, id: &ProfileId, state: BillingState) {
    ObjectWriter::new(out)
        .text("type", "user_profile_billing")
        .text("user_profile_id", id.as_str())
        .text("state", state.as_str())
        .close();
}

/// The text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be a duration such as 90s, 15m, 1h30m or 7d, of at most 100 years")]
pub struct InvalidDuration;

/// Reads whole numbers with units `ms`, `s`, `m`, `h` or `d`, one after the other, which add up.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    const CENTURY: Duration = Duration::from_hours(24 * 36_525);
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, tail) = split_where(rest, |byte| !byte.is_ascii_digit());
        let (unit, tail) = split_where(tail, |byte| byte.is_ascii_digit());
        rest = tail;
        let number: u32 = number.parse().map_err(|_| InvalidDuration)?;
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            "d" => Duration::from_hours(24),
            _ => return Err(InvalidDuration),
        };
        let part = unit.checked_mul(number).ok_or(InvalidDuration)?;
        total = total.saturating_add(part);
    }
    if text.is_empty() || total > CENTURY {
        Err(InvalidDuration)
    } else {
        Ok(total)
    }
}

fn split_where(text: &str, ends: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(ends).unwrap_or(text.len());
    // A byte at which digits begin or end is the first of a character or the boundary before one.
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A prepared failure, or a success that is slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Only requests with this method.
    pub method: Option<String>,
    /// Only requests with this path.
    pub path: Option<String>,
    /// Only requests of this organization.
    pub organization_id: Option<OrganizationId>,
    /// What they get.
    pub outcome: FaultOutcome,
    /// How many requests are still to fail so.
    pub times: u32,
    /// How long each of them waits first.
    pub delay: Duration,
}

/// What a request gets that runs into a prepared failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultOutcome {
    /// An error answer.
    Answer {
        /// 400 to 599.
        status: u16,
        /// The `error.type`.
        error_type: String,
        /// The `error.details.error_code`.
        error_code: Option<String>,
    },
    /// The end of the connection.
    DropConnection,
    /// Whatever it would have got without: only the wait is ordered.
    GoOn,
}

/// Reads `{method?, path?, organization_id?, status, error_type?, error_code?, times?, delay_ms?, drop_connection?}`. `status` may be
/// left out where the connection is dropped, and where there is a delay, after which the request goes
/// on; `error_type` defaults to that of the catalogue's row.
pub fn parse_fault(mut fields: Fields) -> Result<Fault, ApiError> {
    let method = fields.take_non_null("method").map(method).transpose()?;
    let path = fields.take_non_null("path").map(path).transpose()?;
    let organization_id = fields.take_non_null("organization_id");
    let organization_id = organization_id.map(|field| field.parsed(OrganizationId::parse));
    let organization_id = organization_id.transpose()?;
    let status = fields.take_non_null("status");
    let status = status.map(|field| field.integer(400..=599)).transpose()?;
    let error_type = fields.take_non_null("error_type");
    let error_type = error_type.map(|field| code(field, "must be an error type such as api_error"));
    let error_type = error_type.transpose()?;
    let error_code = fields.take_non_null("error_code");
    let error_code =
        error_code.map(|field| code(field, "must be a code such as external_key_not_found"));
    let error_code = error_code.transpose()?;
    let times = integer_or(&mut fields, "times", 1, 1..=1_000_000)?;
    let delay = integer_or(&mut fields, "delay_ms", 0, 0..=600_000)?;
    let drop_connection = fields.take_non_null("drop_connection");
    let drop_connection = drop_connection.map(Field::boolean).transpose()?;
    fields.finish()?;
    let outcome = match (drop_connection.unwrap_or(false), status, error_type) {
        (true, _, _) => FaultOutcome::DropConnection,
        (false, Some(status), error_type) => {
            let status = u16::try_from(status).unwrap_or(599);
            let error_type = error_type.unwrap_or_else(|| usual_type(status).to_owned());
            FaultOutcome::Answer {
                status,
                error_type,
                error_code,
            }
        }
        (false, None, Some(_)) => {
            return Err(ApiError::at("status", "is required beside error_type"));
        }
        (false, None, None) if error_code.is_some() => {
            return Err(ApiError::at("status", "is required beside error_code"));
        }
        (false, None, None) if delay > 0 => FaultOutcome::GoOn,
        (false, None, None) => {
            let message = "is required without delay_ms or drop_connection";
            return Err(ApiError::at("status", message));
        }
    };
    Ok(Fault {
        method,
        path,
        organization_id,
        outcome,
        times: u32::try_from(times).unwrap_or(u32::MAX),
        delay: Duration::from_millis(delay),
    })
}

fn method(field: Field) -> Read<String> {
    field.parsed(|text| {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            Ok(text.to_ascii_uppercase())
        } else {
            Err("must be a method such as POST")
        }
    })
}

fn path(field: Field) -> Read<String> {
    field.parsed(|text| match text {
        text if text.starts_with('/') => Ok(text.to_owned()),
        _ => Err("must begin with /"),
    })
}

/// An error's type or code.
fn code(field: Field, expected: &'static str) -> Read<String> {
    field.parsed(|text| {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if plain && (1..=64).contains(&text.len()) {
            Ok(text.to_owned())
        } else {
            Err(expected)
        }
    })
}

fn integer_or(
    fields: &mut Fields,
    name: &'static str,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Read<u64> {
    let field = fields.take_non_null(name);
    field.map_or(Ok(default), |field| field.integer(range))
}

/// The type of the catalogue's row with this status, else that of its class.
fn usual_type(status: u16) -> &'static str {
    let row = ErrorKind::ALL
        .into_iter()
        .find(|kind| kind.status() == status);
    let class = if status < 500 {
        ErrorKind::InvalidRequest
    } else {
        ErrorKind::Internal
    };
    row.unwrap_or(class).error_type()
}

impl FaultOutcome {
    /// The status of an error answer, and the error's type and code.
    fn answer(&self) -> Option<(u16, &str, Option<&str>)> {
        match self {
            Self::Answer {
                status,
                error_type,
                error_code,
            } => Some((*status, error_type, error_code.as_deref())),
            Self::DropConnection | Self::GoOn => None,
        }
    }
}

/// What is shown of a prepared failure, and sent for one.
#[rustfmt::skip]
pub(crate) static FAULT: &[Member<Fault>] = &[
    member("method", || nullable(matching("^[A-Za-z]+$")), |it| it.method.as_deref().into()),
    member("path", || nullable(matching("^/")), |it| it.path.as_deref().into()),
    member("organization_id", || described(nullable(organization_id()), "Only requests of this organization."), |it| it.organization_id.as_ref().map(OrganizationId::as_str).into()),
    member("status", || nullable(integer(400, Some(599))), |it| it.outcome.answer().map(|(status, ..)| u64::from(status)).into()),
    member("error_type", || nullable(matching("^[a-z_]{1,64}$")), |it| it.outcome.answer().map(|(_, error_type, _)| error_type).into()),
    member("error_code", || nullable(matching("^[a-z_]{1,64}$")), |it| it.outcome.answer().and_then(|(.., error_code)| error_code).into()),
    member("times", || nullable(integer(1, Some(1_000_000))), |it| u64::from(it.times).into()),
    member("delay_ms", delay_shape, |it| u64::try_from(it.delay.as_millis()).unwrap_or(u64::MAX).into()),
    member("drop_connection", || nullable(boolean()), |it| (it.outcome == FaultOutcome::DropConnection).into()),
];

fn delay_shape() -> Shape {
    let wait = "How long each of them waits first. Without `status` and `drop_connection` it then goes on and succeeds.";
    described(nullable(integer(0, Some(600_000))), wait)
}

/// Reads the query of what can be narrowed to one organization.
pub fn parse_narrowed(query: Option<&str>) -> Result<Option<OrganizationId>, ApiError> {
    let mut query = Query::parse(query)?;
    let organization_id = query.take_parsed("organization_id", OrganizationId::parse)?;
    query.take_beta()?;
    query.finish()?;
    Ok(organization_id)
}

/// Reads the query of a list that can be narrowed to one organization.
pub fn parse_narrowed_list(
    query: Option<&str>,
    cursors: &Cursors,
    list: &str,
) -> Result<(ListRequest<u64>, Option<OrganizationId>), ApiError> {
    let mut query = Query::parse(query)?;
    let request = ListRequest::take(&mut query, cursors, list)?;
    let organization_id = query.take_parsed("organization_id", OrganizationId::parse)?;
    query.finish()?;
    Ok((request, organization_id))
}

/// Appends a prepared failure.
pub fn write_fault(out: &mut String, fault: &Fault) {
    begin(out, FAULT, fault).close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h30m", 5_400), ("7d", 604_800)] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        assert_eq!(parse_duration("1s250ms"), Ok(Duration::from_millis(1_250)));
        for text in [
            "",
            "15",
            "m",
            "-1s",
            "1.5h",
            "1 s",
            "1w",
            "1µs",
            "5000000000s",
            "40000d",
            "15m ",
        ] {
            assert_eq!(parse_duration(text), Err(InvalidDuration), "{text}");
        }
    }
}
