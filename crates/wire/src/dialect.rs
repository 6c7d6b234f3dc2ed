//! A dialect: one dated shape of the profile API (contract `README.md`, *Dialects*).
//!
//! A dialect is lists: which fields of a body it takes (`sent.rs`), which members an answer shows
//! (`shown.rs`), which filters its list has (`filters.rs`), each in the contract's order. Its
//! file can be read beside the contract, and what differs between two of them is what differs between
//! their files. Reading, writing and documenting are written once, here and in `openapi.rs`, over
//! the lists. Nothing below this crate knows that there are dialects, and no row remembers which one
//! wrote it.
//!
//! To add one, write `dialects/<date>.rs` after its newest neighbour, list it in
//! [`crate::dialects::ALL`], and let the snapshots of `tests/it` show you every answer it gives.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::page::{Order, OrderBy, ProfileListing};
use rollcall_domain::profile::{ProfileDraft, ProfilePatch};
use rollcall_record::document::{DamagedDocument, PageSink, ProfileView};
use rollcall_record::field::{FieldError, Fields};

use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::filters::Filter;
use crate::object;
use crate::parts::{self, Write};
use crate::query::Query;
use crate::sent::Field;
use crate::shown::Answered;

/// Which answer a profile stands in. Only get promises the whole truth about programs (contract,
/// *Programs*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The answer to get: programs in full.
    Get,
    /// The answer to list, create or update: programs in summary.
    Other,
}

/// One dated shape of the profile API.
#[derive(Debug)]
pub struct Dialect {
    pub(crate) short_name: &'static str,
    pub(crate) beta: Option<&'static str>,
    /// What it is about, in a sentence.
    pub(crate) about: &'static str,
    /// The fields of a body.
    pub(crate) sent: &'static [Rule<Field>],
    /// A profile, as get answers it.
    pub(crate) shown: Answered,
    /// A profile in every other answer, where that is something else.
    pub(crate) listed: Option<Answered>,
    /// The filters of the list.
    pub(crate) filters: &'static [Rule<Filter>],
    /// Whether the enrollment URL endpoint exists.
    pub(crate) enrollment_url: bool,
}

/// What a dialect makes of a thing that it or another one knows.
#[derive(Debug)]
pub(crate) enum Rule<T: 'static> {
    /// It is taken.
    Takes(&'static T),
    /// It is refused, with words that say what to do instead.
    Refuses(&'static T, &'static str),
}

impl<T> Rule<T> {
    /// What is taken, if it is.
    pub(crate) fn taken(&self) -> Option<&'static T> {
        match self {
            Self::Takes(thing) => Some(thing),
            Self::Refuses(..) => None,
        }
    }
}

impl Dialect {
    /// What the contract calls it: its date, or `ga`.
    pub fn short_name(&self) -> &'static str {
        self.short_name
    }

    /// The name in `anthropic-beta` that chooses it; none for what a request without one gets.
    pub fn beta(&self) -> Option<&'static str> {
        self.beta
    }

    /// Whether the enrollment URL endpoint exists.
    pub fn has_enrollment_url(&self) -> bool {
        self.enrollment_url
    }

    /// Whether a body may have the field `name`.
    pub fn takes(&self, name: &str) -> bool {
        let mut taken = self.sent.iter().filter_map(Rule::taken);
        taken.any(|field| field.name == name)
    }

    /// Reads the body of a create.
    pub fn parse_create(&self, body: &[u8], now: Timestamp) -> Result<ProfileDraft, ApiError> {
        let fields = parts::body_fields(body)?;
        Ok(self.parse(fields, Write::Create, now)?.into_draft())
    }

    /// Reads the body of an update.
    pub fn parse_update(&self, body: &[u8], now: Timestamp) -> Result<ProfilePatch, ApiError> {
        self.parse_update_fields(parts::body_fields(body)?, now)
    }

    /// Reads the fields of an update, whatever they came in.
    pub fn parse_update_fields(
        &self,
        fields: Fields,
        now: Timestamp,
    ) -> Result<ProfilePatch, ApiError> {
        self.parse(fields, Write::Update, now)
    }

    fn parse(
        &self,
        mut fields: Fields,
        write: Write,
        now: Timestamp,
    ) -> Result<ProfilePatch, ApiError> {
        let mut said = ProfilePatch::default();
        for rule in self.sent {
            match rule {
                Rule::Takes(field) => {
                    if let Some(value) = fields.take(field.name) {
                        (field.read)(value, write, now, &mut said)?;
                    }
                }
                Rule::Refuses(field, advice) if fields.contains(field.name) => {
                    let here = match self.beta {
                        Some(beta) => format!("under {beta}"),
                        None => "without a legacy beta header".to_owned(),
                    };
                    let message = format!("not accepted {here}; {advice}");
                    return Err(FieldError::new(fields.path(field.name), message).into());
                }
                Rule::Refuses(..) => {}
            }
        }
        fields.finish()?;
        Ok(said)
    }

    /// Reads the query of a list, in the order of the contract's table, opening its cursor.
    pub fn parse_list(
        &self,
        query: Option<&str>,
        cursors: &Cursors,
        organization: &OrganizationId,
    ) -> Result<ProfileListing, ApiError> {
        let mut query = Query::parse(query)?;
        query.unbracket(&["limit", "order", "order_by", "page", "beta"]);
        let limit = query.take_limit()?;
        let order = query.take_parsed("order", Order::parse)?;
        let order = order.unwrap_or(Order::Descending);
        let order_by = query.take_parsed("order_by", OrderBy::parse)?;
        let order_by = order_by.unwrap_or(OrderBy::CreatedAt);
        let page = query.take("page")?;
        let opened = page
            .map(|page| cursors.open(organization, &page))
            .transpose()?;
        let mut listing = ProfileListing::beginning(limit, order, order_by);
        for rule in self.filters {
            match rule {
                Rule::Takes(filter) => filter.read(&mut query, &mut listing)?,
                Rule::Refuses(filter, instead) => filter.refuse(&mut query, instead)?,
            }
        }
        query.take_beta()?;
        query.finish()?;
        match opened {
            None => Ok(listing),
            Some(opened) => opened.resume(listing),
        }
    }

    /// Writes a profile as this dialect shows it at `now`.
    ///
    /// Runs for every profile of every page: it copies parts of the document and allocates nothing,
    /// but where enforcement actions are unresolved. After an error `out` holds half a profile.
    pub fn write_profile(
        &self,
        out: &mut Vec<u8>,
        view: &ProfileView<'_>,
        answer: Answer,
        now: Timestamp,
    ) -> Result<(), DamagedDocument> {
        let answered = match (answer, &self.listed) {
            (Answer::Other, Some(listed)) => listed,
            (Answer::Other, None) | (Answer::Get, _) => &self.shown,
        };
        (answered.write)(out, view, now)
    }
}

/// Writes the answer to a list while a store hands the profiles over.
#[derive(Debug)]
pub struct PageWriter<'a> {
    dialect: &'a Dialect,
    now: Timestamp,
    out: Vec<u8>,
    empty: bool,
    damaged: Vec<(ProfileId, DamagedDocument)>,
}

impl<'a> PageWriter<'a> {
    /// Begins an answer in `out`, whose capacity the caller chooses by the size of the page.
    pub fn new(dialect: &'a Dialect, now: Timestamp, mut out: Vec<u8>) -> Self {
        out.extend_from_slice(b"{\"data\":[");
        Self {
            dialect,
            now,
            out,
            empty: true,
            damaged: Vec::new(),
        }
    }

    /// The profiles that belong on the page and are not on it.
    pub fn damaged(&self) -> &[(ProfileId, DamagedDocument)] {
        &self.damaged
    }

    /// Ends the answer. `next_page` is a cursor of [`Cursors::seal`], which needs no escaping.
    pub fn finish(self, next_page: Option<&str>) -> Vec<u8> {
        let mut out = self.out;
        match next_page {
            None => out.extend_from_slice(b"],\"next_page\":null}"),
            Some(cursor) => {
                out.extend_from_slice(b"],\"next_page\":\"");
                out.extend_from_slice(cursor.as_bytes());
                out.extend_from_slice(b"\"}");
            }
        }
        out
    }
}

impl PageSink for PageWriter<'_> {
    fn profile(&mut self, view: &ProfileView<'_>) -> Result<(), DamagedDocument> {
        let before = self.out.len();
        if !self.empty {
            self.out.push(b',');
        }
        let written = self
            .dialect
            .write_profile(&mut self.out, view, Answer::Other, self.now);
        match written {
            Ok(()) => self.empty = false,
            Err(_) => self.out.truncate(before),
        }
        written
    }

    fn damaged(&mut self, id: ProfileId, damage: DamagedDocument) {
        self.damaged.push((id, damage));
    }
}

/// The answer to a delete, the same in every dialect.
pub fn deleted_profile(id: &ProfileId) -> String {
    object::object(|answer| {
        answer
            .text("id", id.as_str())
            .text("type", "user_profile_deleted")
    })
}
