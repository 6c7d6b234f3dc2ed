//! `2026-08-18`: `access_type` replaces `relationship`; `external_user_onboarded_at` is new.

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
pub(super) struct V2026_08_18;

const HERE: &str = "under user-profiles-2026-08-18";

impl Dialect for V2026_08_18 {
    fn short_name(&self) -> &'static str {
        "2026-08-18"
    }

    fn beta(&self) -> Option<&'static str> {
        Some("user-profiles-2026-08-18")
    }

    fn parse_create(&self, body: &[u8], now: Timestamp) -> Result<ProfileDraft, ApiError> {
        let mut fields = parts::body_fields(body)?;
        let access_type = parts::access_type(&mut fields, Write::Create)?;
        refuse_relationship(&fields)?;
        let draft = ProfileDraft {
            relationship: access_type.map(parts::stored_relationship),
            name: parts::name(&mut fields)?,
            metadata: parts::metadata(&mut fields)?,
            details: details(&mut fields, Write::Create, now)?,
        };
        refuse_newer_details(&fields)?;
        fields.finish()?;
        Ok(draft)
    }

    fn parse_update(&self, body: &[u8], now: Timestamp) -> Result<ProfilePatch, ApiError> {
        let mut fields = parts::body_fields(body)?;
        let access_type = parts::access_type(&mut fields, Write::Update)?;
        refuse_relationship(&fields)?;
        let patch = ProfilePatch {
            relationship: access_type.map(RelationshipPatch::AccessType),
            name: parts::name(&mut fields)?,
            metadata: parts::metadata_patch(&mut fields)?,
            details: details(&mut fields, Write::Update, now)?,
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
                schema::access_type(write),
                schema::name(),
                schema::metadata(write),
                schema::external_id(),
                ("external_user_onboarded_at", schema::onboarded_at()),
            ];
            schema::body(members, &[])
        };
        Shapes {
            about: "`access_type` replaces `relationship`; `external_user_onboarded_at` is new.",
            create: sent(Write::Create),
            update: sent(Write::Update),
            profile: schema::answer([
                schema::profile_id(),
                schema::shown_time("created_at"),
                schema::shown_metadata(),
                schema::shown_text("name"),
                schema::trust_grants(),
                schema::profile_type(),
                schema::shown_time("updated_at"),
                schema::shown_access_type(),
                schema::shown_text("external_id"),
                schema::shown_optional_time("external_user_onboarded_at"),
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
        parts::copy(out, [",\"name\":", view.name]);
        parts::copy(out, [",\"trust_grants\":"]);
        parts::copy_trust_grants(out, view);
        parts::copy(out, [",\"type\":\"user_profile\""]);
        parts::copy(out, [",\"updated_at\":", view.updated_at]);
        parts::copy(out, [",\"access_type\":", parts::access_type_text(view)]);
        parts::copy(out, [",\"external_id\":", view.reference_id]);
        parts::copy(
            out,
            [",\"external_user_onboarded_at\":", view.onboarded_at, "}"],
        );
        Ok(())
    }
}

fn details(fields: &mut Fields, write: Write, now: Timestamp) -> Read<ExternalUserDetails> {
    Ok(ExternalUserDetails {
        reference_id: parts::external_id(fields)?,
        onboarded_at: parts::onboarded_at(fields, "external_user_onboarded_at", write, now)?,
        ..ExternalUserDetails::default()
    })
}

fn refuse_relationship(fields: &Fields) -> Read<()> {
    parts::refuse(fields, "relationship", HERE, "send access_type")
}

fn refuse_newer_details(fields: &Fields) -> Read<()> {
    let advice = "send external_id and external_user_onboarded_at";
    parts::refuse(fields, "external_user_details", HERE, advice)
}
