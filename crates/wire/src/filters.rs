//! Filters of the profile list: each told once, how it is read, how it is documented, and which bytes
//! of its own it has in a cursor.
//!
//! A cursor holds a filter's mark, how many bytes follow, and the bytes, for every filter that is set.
//! One that is added later therefore changes no cursor in which it is not set.

use rollcall_domain::enforcement::EnforcementStatus;
use rollcall_domain::page::{ProfileListing, StatusFilter};

use crate::error::ApiError;
use crate::openapi::schema::{self, Shape};
use crate::query::Query;

/// A filter that may be given several times.
#[derive(Debug)]
pub(crate) struct Filter {
    /// What it is called, and what errors call it.
    pub(crate) name: &'static str,
    /// How SDKs write it: the same with brackets.
    pub(crate) parameter: &'static str,
    /// What it does, in words.
    pub(crate) about: &'static str,
    /// All that may be sent for it.
    pub(crate) shape: fn() -> Shape,
    /// What stands before its bytes in a cursor; no other filter ever had the same.
    mark: u8,
    read: fn(&[String], &mut ProfileListing) -> Result<(), ApiError>,
    /// Appends what a cursor keeps of it, at most 255 bytes: nothing, if it is not set.
    write: fn(&ProfileListing, &mut Vec<u8>),
}

/// Every filter of any dialect.
const ALL: [&Filter; 1] = [&ENFORCEMENT_STATUS];

/// `enforcement_status[]`
pub(crate) const ENFORCEMENT_STATUS: Filter = Filter {
    name: "enforcement_status",
    parameter: "enforcement_status[]",
    about: "Only profiles with any of these; may repeat. A page may then hold fewer than `limit`, or \
            none, and still have a `next_page`.",
    shape: schema::enforcement_statuses,
    mark: 1,
    read: |sent, listing| {
        listing.status_filter = statuses(sent)?;
        Ok(())
    },
    write: |listing, bytes| bytes.extend(listing.status_filter.map(status_bits)),
};

impl Filter {
    /// Takes every value that was sent for it, with brackets and without.
    fn take(&self, query: &mut Query) -> Vec<String> {
        let mut sent = query.take_all(self.parameter);
        sent.extend(query.take_all(self.name));
        sent
    }

    /// Takes it from `query` into `listing`.
    pub(crate) fn read(
        &self,
        query: &mut Query,
        listing: &mut ProfileListing,
    ) -> Result<(), ApiError> {
        (self.read)(&self.take(query), listing)
    }

    /// Refuses it if it was sent. `instead` says when, and what to do.
    pub(crate) fn refuse(&self, query: &mut Query, instead: &str) -> Result<(), ApiError> {
        if self.take(query).is_empty() {
            Ok(())
        } else {
            Err(ApiError::at(self.name, format!("not accepted {instead}")))
        }
    }
}

/// Takes `enforcement_status[]` of another list than that of profiles.
pub(crate) fn take_statuses(query: &mut Query) -> Result<Option<StatusFilter>, ApiError> {
    statuses(&ENFORCEMENT_STATUS.take(query))
}

fn statuses(sent: &[String]) -> Result<Option<StatusFilter>, ApiError> {
    let statuses: Result<Vec<_>, _> = sent
        .iter()
        .map(|value| EnforcementStatus::parse(value))
        .collect();
    let statuses = statuses.map_err(|error| ApiError::at(ENFORCEMENT_STATUS.name, error))?;
    Ok(StatusFilter::any_of(statuses))
}

/// One bit for each status, in the contract's order.
fn status_bits(filter: StatusFilter) -> u8 {
    EnforcementStatus::ALL
        .iter()
        .enumerate()
        .filter(|(_, status)| filter.matches(**status))
        .fold(0, |bits, (place, _)| bits | 1 << place)
}

/// The filters that are set in `listing`, as a cursor holds them.
pub(crate) fn bytes_of(listing: &ProfileListing) -> Vec<u8> {
    let mut bytes = Vec::new();
    for filter in ALL {
        let mut part = Vec::new();
        (filter.write)(listing, &mut part);
        if !part.is_empty() {
            // No filter writes more than a byte can count.
            bytes.extend([filter.mark, u8::try_from(part.len()).unwrap_or(u8::MAX)]);
            bytes.extend(part);
        }
    }
    bytes
}

/// What [`bytes_of`] gives for a cursor that was made before filters had bytes of their own: it has
/// one for the statuses.
pub(crate) fn bytes_of_statuses(bits: u8) -> Vec<u8> {
    match bits {
        0 => Vec::new(),
        bits => vec![ENFORCEMENT_STATUS.mark, 1, bits],
    }
}

/// The first filter that is not the same in both.
pub(crate) fn differing(one: &[u8], other: &[u8]) -> Option<&'static str> {
    let differing = ALL
        .iter()
        .find(|filter| part(one, filter.mark) != part(other, filter.mark));
    differing.map(|filter| filter.name)
}

fn part(mut bytes: &[u8], mark: u8) -> Option<&[u8]> {
    while let Some(([found, length], rest)) = bytes.split_first_chunk() {
        let (part, rest) = rest.split_at_checked(usize::from(*length))?;
        if *found == mark {
            return Some(part);
        }
        bytes = rest;
    }
    None
}
