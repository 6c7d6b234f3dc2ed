//! A dialect: one dated shape of the profile API (contract `README.md`, *Dialects*).
//!
//! Every dialect maps straight to and from the domain's superset, so that its file can be read beside
//! the contract; what differs between two of them is what differs between their files. Nothing below
//! this crate knows that there are dialects, and no row remembers which one wrote it.
//!
//! To add one, write `dialects/<date>.rs` after its newest neighbour, list it in
//! [`crate::dialects::ALL`], and let the snapshots of `tests/it` show you every answer it gives.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::{OrganizationId, ProfileId};
use rollcall_domain::page::ProfileListing;
use rollcall_domain::profile::{ProfileDraft, ProfilePatch};
use rollcall_record::document::{DamagedDocument, PageSink, ProfileView};
use utoipa::openapi::schema::Object;

use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::object;

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
pub trait Dialect: Sync + std::fmt::Debug {
    /// What the contract calls it: its date, or `ga`.
    fn short_name(&self) -> &'static str;

    /// The name in `anthropic-beta` that chooses it; none for what a request without one gets.
    fn beta(&self) -> Option<&'static str>;

    /// Reads the body of a create.
    fn parse_create(&self, body: &[u8], now: Timestamp) -> Result<ProfileDraft, ApiError>;

    /// Reads the body of an update.
    fn parse_update(&self, body: &[u8], now: Timestamp) -> Result<ProfilePatch, ApiError>;

    /// Reads the query of a list, opening its cursor.
    fn parse_list(
        &self,
        query: Option<&str>,
        cursors: &Cursors,
        organization: &OrganizationId,
    ) -> Result<ProfileListing, ApiError>;

    /// Whether the enrollment URL endpoint exists; if not, the advice.
    fn allows_enrollment_url(&self) -> Result<(), ApiError>;

    /// What its bodies and answers look like, for its OpenAPI document: the same members, under the same
    /// limits, as the functions above read and the one below writes.
    #[doc(hidden)]
    fn shapes(&self) -> Shapes;

    /// Writes a profile as this dialect shows it at `now`.
    ///
    /// Runs for every profile of every page: it copies parts of the document and allocates nothing,
    /// but where enforcement actions are unresolved. After an error `out` holds half a profile.
    fn write_profile(
        &self,
        out: &mut Vec<u8>,
        view: &ProfileView<'_>,
        answer: Answer,
        now: Timestamp,
    ) -> Result<(), DamagedDocument>;
}

/// What a dialect's bodies and answers look like, and what else its document depends on.
#[derive(Debug)]
pub struct Shapes {
    /// What it is about, in a sentence.
    pub(crate) about: &'static str,
    /// The body of a create.
    pub(crate) create: Object,
    /// The body of an update.
    pub(crate) update: Object,
    /// A profile, as get answers it.
    pub(crate) profile: Object,
    /// A profile in every other answer, where that is something else.
    pub(crate) profile_elsewhere: Option<Object>,
    /// Whether the list takes the status filter.
    pub(crate) status_filter: bool,
}

/// Writes the answer to a list while a store hands the profiles over.
#[derive(Debug)]
pub struct PageWriter<'a> {
    dialect: &'a dyn Dialect,
    now: Timestamp,
    out: Vec<u8>,
    empty: bool,
    damaged: Vec<(ProfileId, DamagedDocument)>,
}

impl<'a> PageWriter<'a> {
    /// Begins an answer in `out`, whose capacity the caller chooses by the size of the page.
    pub fn new(dialect: &'a dyn Dialect, now: Timestamp, mut out: Vec<u8>) -> Self {
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
