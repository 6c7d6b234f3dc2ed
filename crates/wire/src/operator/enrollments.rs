//! Enrollments: what end users submitted, and the operator's decision.

use rollcall_domain::enrollment::{Enrollment, EnrollmentStatus};
use rollcall_domain::program::{
    Cyber, Efs, EfsFeatures, ProgramName, ProgramStanding, ProgramStatus, Requirements, Tiers,
};
use rollcall_record::document::read_requirements;
use rollcall_record::field::{Field, FieldError, Fields, Read};
use rollcall_record::line::read_tiers;

use super::lists::{ListPosition, ListRequest};
use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::members::{Member, Value, begin, member};
use crate::openapi::schema::{
    Shape, among, described, id, nullable, organization_id, program_name, string, texts_by_name,
    time_out, word,
};
use crate::query::Query;

/// The longest note to an end user, in characters.
pub const NOTE_LIMIT: usize = 1_000;

/// A request for one page of enrollments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrollmentsRequest {
    /// Which page.
    pub list: ListRequest<ListPosition>,
    /// Only enrollments with this status.
    pub status: Option<EnrollmentStatus>,
}

/// Reads the query of the list.
pub fn parse_list(query: Option<&str>, cursors: &Cursors) -> Result<EnrollmentsRequest, ApiError> {
    let mut query = Query::parse(query)?;
    let list = ListRequest::take(&mut query, cursors, "enrollments")?;
    let status = query.take_parsed("status", EnrollmentStatus::parse)?;
    query.finish()?;
    Ok(EnrollmentsRequest { list, status })
}

/// What the operator approves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// The tiers to activate; only `cyber` has tiers.
    pub tiers: Option<Tiers>,
    /// What they require.
    pub requirements: Option<Requirements>,
    /// Words to the end user.
    pub note: Option<String>,
}

/// Reads `{tiers?, requirements?, note?}`; the body may be left out.
pub fn parse_approval(mut fields: Fields) -> Result<Approval, ApiError> {
    let tiers = fields.take_non_null("tiers").map(read_tiers).transpose()?;
    let requirements = fields.take_non_null("requirements");
    let requirements = requirements.map(read_requirements).transpose()?;
    let note = note(&mut fields)?;
    fields.finish()?;
    Ok(Approval {
        tiers,
        requirements,
        note,
    })
}

impl Approval {
    /// The standing in `program`, which the enrollment names, that this comes to: always active.
    pub fn standing(&self, program: &ProgramName) -> Result<ProgramStanding, ApiError> {
        let status = ProgramStatus::Active;
        let standing = match program {
            ProgramName::Cyber => {
                let tiers = self.tiers.unwrap_or_default();
                let cyber = Cyber::new(status, tiers, self.requirements);
                // The error names its own field.
                return cyber
                    .map(ProgramStanding::Cyber)
                    .map_err(|error| ApiError::invalid(error.to_string()));
            }
            ProgramName::Efs => ProgramStanding::Efs(Efs {
                status,
                features: EfsFeatures::default(),
            }),
            ProgramName::Own(name) => ProgramStanding::Own(name.clone(), status),
        };
        let message = "must be left out for a program other than cyber";
        match (self.tiers, self.requirements) {
            (None, None) => Ok(standing),
            (Some(_), _) => Err(ApiError::at("tiers", message)),
            (None, Some(_)) => Err(ApiError::at("requirements", message)),
        }
    }
}

/// Reads `{note?}`; the body may be left out.
pub fn parse_rejection(mut fields: Fields) -> Result<Option<String>, ApiError> {
    let note = note(&mut fields)?;
    fields.finish()?;
    Ok(note)
}

fn note(fields: &mut Fields) -> Read<Option<String>> {
    let Some((path, note)) = fields
        .take_non_null("note")
        .map(Field::string)
        .transpose()?
    else {
        return Ok(None);
    };
    if note.chars().nth(NOTE_LIMIT).is_some() {
        let message = format!("must be at most {NOTE_LIMIT} characters");
        return Err(FieldError::new(path, message));
    }
    Ok(Some(note).filter(|note| !note.is_empty()))
}

/// What is shown of an enrollment.
#[rustfmt::skip]
pub(crate) static ENROLLMENT: &[Member<Enrollment>] = &[
    member("type", || word("enrollment").into(), |_| "enrollment".into()),
    member("id", || id("enr_").into(), |it| it.id.as_str().into()),
    member("organization_id", || organization_id().into(), |it| it.organization_id.as_str().into()),
    member("user_profile_id", || id("uprof_").into(), |it| it.profile_id.as_str().into()),
    member("program", || program_name().into(), |it| it.program.as_str().into()),
    member("status", || among(EnrollmentStatus::ALL, |status| status.as_str()), |it| it.status.as_str().into()),
    member("submitted", || described(texts_by_name(), "The form's fields and what was answered."), |it| Value::texts_by_name(&it.submitted)),
    member("submitted_at", || time_out().into(), |it| it.submitted_at.into()),
    member("decided_at", || nullable(time_out()), |it| it.decided_at.into()),
    member("note", note_shape, |it| it.note.as_deref().into()),
];

/// A note, wherever it is read or shown.
pub(crate) fn note_shape() -> Shape {
    let note = string().max_length(Some(NOTE_LIMIT)).build();
    described(nullable(note), "Words to the end user.")
}

/// Appends an enrollment.
pub fn write_enrollment(out: &mut String, enrollment: &Enrollment) {
    begin(out, ENROLLMENT, enrollment).close();
}
