//! `2026-03-24`: `relationship`, `external_id`, `trust_grants`.
//!
//! What the newer dialects know besides is not visible here and stays as it is.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::page::ProfileListing;
use rollcall_domain::profile::{
    ExternalUserDetails, ProfileDraft, ProfilePatch, RelationshipPatch,
};
use rollcall_record::document::{DamagedDocument, ProfileView};
use rollcall_record::field::{Fields, Read};

use crate::cursor::Cursors;
use crate::dialect::{Answer, Dialect, Shapes};
use crate::error::ApiError;
use crate::openapi::schema;
use crate::parts::{self, FilterRule, Write};

/// The dialect.
#[derive(Debug)]
pub(super) struct V2026_03_24;

const HERE: &str = "under user-profiles-2026-03-24";

impl Dialect for V2026_03_24 {
    fn short_name(&self) -> &'static str {
        "2026-03-24"
    }

    fn beta(&self) -> Option<&'static str> {
        Some("user-profiles-2026-03-24")
    }

    fn parse_create(&self, body: &[u8], _now: Timestamp) -> Result<ProfileDraft, ApiError> {
        let mut fields = parts::body_fields(body)?;
        refuse_access_type(&fields)?;
        let draft = ProfileDraft {
            relationship: parts::relationship(&mut fields, Write::Create)?,
            name: parts::name(&mut fields)?,
            metadata: parts::metadata(&mut fields)?,
            details: details(&mut fields)?,
        };
        refuse_newer_details(&fields)?;
        fields.finish()?;
        Ok(draft)
    }

    fn parse_update(&self, body: &[u8], _now: Timestamp) -> Result<ProfilePatch, ApiError> {
        let mut fields = parts::body_fields(body)?;
        refuse_access_type(&fields)?;
        let relationship = parts::relationship(&mut fields, Write::Update)?;
        let patch = ProfilePatch {
            relationship: relationship.map(RelationshipPatch::Relationship),
            name: parts::name(&mut fields)?,
            metadata: parts::metadata_patch(&mut fields)?,
            details: details(&mut fields)?,
        };
        refuse_newer_details(&fields)?;
        fields.finish()?;
        Ok(patch)
    }

    fn parse_list(
        &self,
        query: Option<&str>,
        cursors: &Cursors,
        organization: &OrganizationId,
    ) -> Result<ProfileListing, ApiError> {
        parts::listing(query, cursors, organization, FilterRule::Refused)
    }

    fn allows_enrollment_url(&self) -> Result<(), ApiError> {
        Ok(())
    }

    fn shapes(&self) -> Shapes {
        let sent = |write| {
            let members = [
                schema::relationship(write),
                schema::name(),
                schema::metadata(write),
                schema::external_id(),
            ];
            schema::body(members, &[])
        };
        Shapes {
            about: "The first dialect: `relationship`, `external_id` and `trust_grants`.",
            create: sent(Write::Create),
            update: sent(Write::Update),
            profile: schema::answer([
                schema::profile_id(),
                schema::shown_time("created_at"),
                schema::shown_metadata(),
                schema::shown_relationship(),
                schema::trust_grants(),
                schema::profile_type(),
                schema::shown_time("updated_at"),
                schema::shown_text("external_id"),
                schema::shown_text("name"),
            ]),
            profile_elsewhere: None,
            status_filter: false,
        }
    }

    fn write_profile(
        &self,
        out: &mut Vec<u8>,
        view: &ProfileView<'_>,
        _answer: Answer,
        _now: Timestamp,
    ) -> Result<(), DamagedDocument> {
        parts::copy(out, ["{\"id\":", view.id]);
        parts::copy(out, [",\"created_at\":", view.created_at]);
        parts::copy(out, [",\"metadata\":", view.metadata]);
        parts::copy(out, [",\"relationship\":", view.relationship]);
        parts::copy(out, [",\"trust_grants\":"]);
        parts::copy_trust_grants(out, view);
        parts::copy(out, [",\"type\":\"user_profile\""]);
        parts::copy(out, [",\"updated_at\":", view.updated_at]);
        parts::copy(out, [",\"external_id\":", view.reference_id]);
        parts::copy(out, [",\"name\":", view.name, "}"]);
        Ok(())
    }
}

fn details(fields: &mut Fields) -> Read<ExternalUserDetails> {
    Ok(ExternalUserDetails {
        reference_id: parts::external_id(fields)?,
        ..ExternalUserDetails::default()
    })
}

fn refuse_access_type(fields: &Fields) -> Read<()> {
    parts::refuse(fields, "access_type", HERE, "send relationship")
}

fn refuse_newer_details(fields: &Fields) -> Read<()> {
    let advice = "use user-profiles-2026-08-18 to send it";
    parts::refuse(fields, "external_user_onboarded_at", HERE, advice)?;
    let advice = "send external_id, or use user-profiles-2026-09-04 to send it";
    parts::refuse(fields, "external_user_details", HERE, advice)
}
