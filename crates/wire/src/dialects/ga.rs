//! `ga`, what a request without a dialect beta gets: `programs` replaces `trust_grants`;
//! `enforcement_actions`, `enforcement_status` and the status filter of the list are new.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::page::ProfileListing;
use rollcall_domain::profile::{ProfileDraft, ProfilePatch, RelationshipPatch};
use rollcall_record::document::{DamagedDocument, ProfileView};
use rollcall_record::field::{Fields, Read};

use crate::cursor::Cursors;
use crate::dialect::{Answer, Dialect, Shapes};
use crate::error::ApiError;
use crate::openapi::schema;
use crate::parts::{self, FilterRule, Write};

/// The dialect.
#[derive(Debug)]
pub(super) struct GeneralAvailability;

const HERE: &str = "without a legacy beta header";

impl Dialect for GeneralAvailability {
    fn short_name(&self) -> &'static str {
        "ga"
    }

    fn beta(&self) -> Option<&'static str> {
        None
    }

    fn parse_create(&self, body: &[u8], now: Timestamp) -> Result<ProfileDraft, ApiError> {
        let mut fields = parts::body_fields(body)?;
        let access_type = parts::access_type(&mut fields, Write::Create)?;
        refuse_relationship(&fields)?;
        let name = parts::name(&mut fields)?;
        let metadata = parts::metadata(&mut fields)?;
        refuse_older_details(&fields)?;
        let draft = ProfileDraft {
            relationship: access_type.map(parts::stored_relationship),
            name,
            metadata,
            details: parts::external_user_details(&mut fields, Write::Create, now)?,
        };
        fields.finish()?;
        Ok(draft)
    }

    fn parse_update(&self, body: &[u8], now: Timestamp) -> Result<ProfilePatch, ApiError> {
        let mut fields = parts::body_fields(body)?;
        let access_type = parts::access_type(&mut fields, Write::Update)?;
        refuse_relationship(&fields)?;
        let name = parts::name(&mut fields)?;
        let metadata = parts::metadata_patch(&mut fields)?;
        refuse_older_details(&fields)?;
        let patch = ProfilePatch {
            relationship: access_type.map(RelationshipPatch::AccessType),
            name,
            metadata,
            details: parts::external_user_details(&mut fields, Write::Update, now)?,
        };
        fields.finish()?;
        Ok(patch)
    }

    fn parse_list(
        &self,
        query: Option<&str>,
        cursors: &Cursors,
        organization: &OrganizationId,
    ) -> Result<ProfileListing, ApiError> {
        parts::listing(query, cursors, organization, FilterRule::Accepted)
    }

    fn allows_enrollment_url(&self) -> Result<(), ApiError> {
        Err(ApiError::at(
            "enrollment_url",
            "requires the anthropic-beta header (user-profiles-2026-09-04, \
             user-profiles-2026-08-18 or user-profiles-2026-03-24); without it use action_urls",
        ))
    }

    fn shapes(&self) -> Shapes {
        let sent = |write| {
            let members = [
                schema::access_type(write),
                schema::name(),
                schema::metadata(write),
                schema::details(write),
            ];
            schema::body(members, &[])
        };
        let shown = |programs| {
            schema::answer([
                schema::profile_id(),
                schema::shown_access_type(),
                schema::shown_time("created_at"),
                schema::enforcement_actions(),
                ("enforcement_status", schema::enforcement_status().into()),
                schema::shown_details(),
                schema::shown_metadata(),
                schema::shown_text("name"),
                programs,
                schema::profile_type(),
                schema::shown_time("updated_at"),
            ])
        };
        Shapes {
            about: "The newest dialect: `programs` replaces `trust_grants`; enforcement is visible.",
            create: sent(Write::Create),
            update: sent(Write::Update),
            profile: shown(schema::full_programs()),
            profile_elsewhere: Some(shown(schema::programs_in_summary())),
            status_filter: true,
        }
    }

    fn write_profile(
        &self,
        out: &mut Vec<u8>,
        view: &ProfileView<'_>,
        answer: Answer,
        now: Timestamp,
    ) -> Result<(), DamagedDocument> {
        parts::copy(out, ["{\"id\":", view.id]);
        parts::copy(out, [",\"access_type\":", parts::access_type_text(view)]);
        parts::copy(out, [",\"created_at\":", view.created_at]);
        parts::copy(out, [",\"enforcement_actions\":"]);
        parts::write_enforcement(out, view, now)?;
        parts::copy(out, [",\"external_user_details\":"]);
        parts::copy_details(out, view);
        parts::copy(out, [",\"metadata\":", view.metadata]);
        parts::copy(out, [",\"name\":", view.name]);
        parts::copy(out, [",\"programs\":"]);
        copy_programs(out, view, answer);
        parts::copy(out, [",\"type\":\"user_profile\""]);
        parts::copy(out, [",\"updated_at\":", view.updated_at, "}"]);
        Ok(())
    }
}

/// Writes `programs`. Only get shows tiers, requirements and `efs` (contract, *What each response
/// reports*).
fn copy_programs(out: &mut Vec<u8>, view: &ProfileView<'_>, answer: Answer) {
    match (answer, view.cyber_status()) {
        (Answer::Get, _) => return parts::copy_full_programs(out, view),
        (Answer::Other, None) => parts::copy(out, ["{\"cyber\":null,\"efs\":null"]),
        (Answer::Other, Some(status)) => {
            parts::copy(
                out,
                ["{\"cyber\":{\"requirements\":null,\"status\":", status],
            );
            parts::copy(out, [",\"tiers\":{}},\"efs\":null"]);
        }
    }
    parts::copy_own_programs(out, view);
}

fn refuse_relationship(fields: &Fields) -> Read<()> {
    parts::refuse(fields, "relationship", HERE, "send access_type")
}

fn refuse_older_details(fields: &Fields) -> Read<()> {
    let advice = "send external_user_details.reference_id";
    parts::refuse(fields, "external_id", HERE, advice)?;
    let advice = "send external_user_details.onboarded_at";
    parts::refuse(fields, "external_user_onboarded_at", HERE, advice)
}
