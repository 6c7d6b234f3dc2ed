//! Profiles as the operator sees them: search, the whole record, programs, import.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::data_controls::Validator;
use rollcall_domain::enrollment::Enrollment;
use rollcall_domain::id::{Ids, OrganizationId, ProfileId};
use rollcall_domain::profile::{AccessType, Profile, ProfileRecord};
use rollcall_domain::program::{ProgramName, ProgramStanding, ProgramStatus};
use rollcall_domain::search::{ProfileSearch, SearchPage, SearchPosition};
use rollcall_domain::text::{Country, Name, OpaqueHash, ReferenceId};
use rollcall_record::document::{DamagedDocument, ProfileDocument};
use rollcall_record::field::Fields;
use rollcall_record::{line, time};

use super::enforcement::{ShownAction, write_action};
use super::enrollments::write_enrollment;
use super::lists::ListRequest;
use crate::cursor::Cursors;
use crate::data_controls::write_data_controls;
use crate::dialect::Dialect;
use crate::dialects;
use crate::error::ApiError;
use crate::filters;
use crate::object::{self, ObjectWriter};
use crate::parts::body_fields;
use crate::query::Query;
use crate::shown;

/// A request for one page of a search's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchRequest {
    /// What is searched for.
    pub search: ProfileSearch,
    /// Which page.
    pub list: ListRequest<SearchPosition>,
}

impl SearchRequest {
    /// What storage is asked for.
    pub fn page(&self) -> SearchPage {
        SearchPage {
            search: self.search.clone(),
            limit: self.list.limit,
            after: self.list.after.clone(),
        }
    }
}

/// Reads the query of a search. `external_id` may also be called `reference_id`; `program` may stand
/// without `program_status`, not the other way round; `created_after` and `created_before` exclude
/// the instants they name.
pub fn parse_search(query: Option<&str>, cursors: &Cursors) -> Result<SearchRequest, ApiError> {
    let mut query = Query::parse(query)?;
    let list = ListRequest::take(&mut query, cursors, "user_profiles")?;
    let search = ProfileSearch {
        organization_id: query.take_parsed("organization_id", OrganizationId::parse)?,
        reference_id: reference_id(&mut query)?,
        email_hash: query.take_parsed("email_hash", OpaqueHash::parse)?,
        name_prefix: query.take_parsed("name_prefix", |text| {
            Name::parse(text).map(|name| name.folded())
        })?,
        country: query.take_parsed("country", Country::parse)?,
        access_type: query.take_parsed("access_type", AccessType::parse)?,
        enforcement_status: filters::take_statuses(&mut query)?,
        program: program(&mut query)?,
        created_after: query.take_parsed("created_after", time::parse)?,
        created_before: query.take_parsed("created_before", time::parse)?,
    };
    query.finish()?;
    Ok(SearchRequest { search, list })
}

fn reference_id(query: &mut Query) -> Result<Option<ReferenceId>, ApiError> {
    let external_id = query.take_parsed("external_id", ReferenceId::parse)?;
    let reference_id = query.take_parsed("reference_id", ReferenceId::parse)?;
    match (external_id, reference_id) {
        (Some(_), Some(_)) => Err(ApiError::at(
            "reference_id",
            "is another name of external_id",
        )),
        (external_id, reference_id) => Ok(external_id.or(reference_id)),
    }
}

fn program(query: &mut Query) -> Result<Option<(ProgramName, Option<ProgramStatus>)>, ApiError> {
    let name = query.take_parsed("program", ProgramName::parse)?;
    let status = query.take_parsed("program_status", ProgramStatus::parse)?;
    match (name, status) {
        (Some(name), status) => Ok(Some((name, status))),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(ApiError::at("program", "is required beside program_status")),
    }
}

/// Reads the query of a get: `as` names the dialect to answer in; none means the whole record.
pub fn parse_get(query: Option<&str>) -> Result<Option<&'static Dialect>, ApiError> {
    let mut query = Query::parse(query)?;
    let dialect = query.take_parsed("as", |text| {
        dialects::by_short_name(text).ok_or_else(|| {
            let oldest_first: Vec<_> = dialects::names().rev().collect();
            format!("must be one of: {}", oldest_first.join(", "))
        })
    })?;
    query.take_beta()?;
    query.finish()?;
    Ok(dialect)
}

/// Reads the query of an export: one organization, or all of them.
pub fn parse_export(query: Option<&str>) -> Result<Option<OrganizationId>, ApiError> {
    let mut query = Query::parse(query)?;
    let organization_id = query.take_parsed("organization_id", OrganizationId::parse)?;
    query.take_beta()?;
    query.finish()?;
    Ok(organization_id)
}

/// What the query of an import asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportRequest {
    /// Nothing is to be written.
    pub dry_run: bool,
    /// Records are matched by their reference id.
    pub match_reference: bool,
}

/// Reads the query of an import.
pub fn parse_import(query: Option<&str>) -> Result<ImportRequest, ApiError> {
    let mut query = Query::parse(query)?;
    let dry_run = query.take_parsed("dry_run", |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false"),
    })?;
    let match_reference = query.take_parsed("match", |text| match text {
        "reference_id" => Ok(()),
        _ => Err("must be reference_id"),
    })?;
    query.take_beta()?;
    query.finish()?;
    Ok(ImportRequest {
        dry_run: dry_run.unwrap_or_default(),
        match_reference: match_reference.is_some(),
    })
}

/// Reads a whole record that is to be stored under `id`. It may leave out `type`, unlike a line of an
/// import, and not its organization.
pub fn parse_record(
    body: &[u8],
    id: ProfileId,
    ids: &Ids,
    now: Timestamp,
) -> Result<(OrganizationId, ProfileRecord), ApiError> {
    let mut fields = body_fields(body)?;
    fields
        .take("type")
        .map(|field| {
            field.parsed(|text| match text {
                "user_profile" => Ok(()),
                _ => Err("must be user_profile"),
            })
        })
        .transpose()?;
    let organization_id = fields
        .required("organization_id")?
        .parsed(OrganizationId::parse)?;
    let record = line::read_profile(fields, Some(id), ids, now)?;
    Ok((organization_id, record))
}

/// Reads the program's name in a path.
pub fn parse_program_name(segment: &str) -> Result<ProgramName, ApiError> {
    ProgramName::parse(segment).map_err(|error| ApiError::at("name", error))
}

/// Reads `{status, tiers?, requirements?, features?}`, of which each program has its own part.
pub fn parse_program(fields: Fields, name: &ProgramName) -> Result<ProgramStanding, ApiError> {
    Ok(line::read_standing(name, fields)?)
}

/// What a record has beside itself where one profile was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Rest<'a> {
    /// Who validates its keys and buckets.
    pub validator: Validator,
    /// Its enrollments.
    pub enrollments: &'a [Enrollment],
}

/// Appends the whole record of a profile: every field of every dialect, all enforcement actions open
/// and past, and where one profile was asked for the rest.
pub fn write_record(
    out: &mut String,
    organization_id: &OrganizationId,
    profile: &Profile,
    rest: Option<Rest<'_>>,
    now: Timestamp,
) -> Result<(), DamagedDocument> {
    let document = ProfileDocument::encode(profile);
    let view = document.view()?;
    let mut shared = Vec::with_capacity(1_024);
    (shown::RECORDED.write)(&mut shared, &view, now)?;
    let record = ObjectWriter::new(out)
        .text("type", "user_profile")
        .text("organization_id", organization_id.as_str())
        // Parts of a document are text, and so is what is written around them.
        .members(&String::from_utf8_lossy(&shared))
        .text(
            "enforcement_status",
            profile.enforcement.status_at(now).as_str(),
        )
        .array(
            "enforcement_actions",
            ShownAction::all(&profile.enforcement, now),
            |out, shown| write_action(out, &profile.id, shown),
        );
    match rest {
        None => record.close(),
        Some(rest) => record
            .with("google_data_controls", |out| {
                write_data_controls(out, profile, now, rest.validator);
            })
            .array("enrollments", rest.enrollments, write_enrollment)
            .close(),
    }
    Ok(())
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Records that were new.
    pub imported: u64,
    /// Records that replaced one with the same id.
    pub replaced: u64,
    /// Lines that were not stored.
    pub failed: u64,
    /// Why, for the first of them: the line's number, counted from 1, and the reason.
    pub errors: Vec<(u64, String)>,
}

/// The answer to an import.
pub fn write_import_report(report: &ImportReport) -> String {
    object::object(|answer| {
        answer
            .number("imported", report.imported)
            .number("replaced", report.replaced)
            .number("failed", report.failed)
            .array("errors", &report.errors, |out, (line, message)| {
                ObjectWriter::new(out)
                    .number("line", *line)
                    .text("message", message)
                    .close();
            })
    })
}
