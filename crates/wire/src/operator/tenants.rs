//! Organizations, workspaces and API keys.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::data_controls::DataControlsApproval;
use rollcall_domain::id::{OrganizationId, WorkspaceId};
use rollcall_domain::tenant::{
    ApiKey, EnrollmentLinks, KeyOwner, KeyStatus, Organization, OrganizationPatch,
    OrganizationStatus, OrganizationSwitches, Workspace,
};
use rollcall_domain::text_enum::NotOneOf;
use rollcall_record::field::{Field, FieldError, Fields, Read};

use super::{label, required_label};
use crate::error::ApiError;
use crate::object::ObjectWriter;
use crate::parts::required;

/// A new organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationDraft {
    /// 1 to 255 characters.
    pub name: String,
    /// Public requests a minute; no limit when absent.
    pub rate_limit_rpm: Option<u32>,
    /// `active` when left out.
    pub status: OrganizationStatus,
    /// Everything when left out.
    pub switches: OrganizationSwitches,
}

/// Reads `{name, rate_limit_rpm?, status?, enrollment_links?, data_controls?}`.
pub fn parse_organization(mut fields: Fields) -> Result<OrganizationDraft, ApiError> {
    let name = required_label(&mut fields, "name")?;
    let rate_limit_rpm = rate_limit(&mut fields)?.flatten();
    let status = chosen(&mut fields, "status", OrganizationStatus::parse)?;
    let links = chosen(&mut fields, "enrollment_links", EnrollmentLinks::parse)?;
    let controls = chosen(&mut fields, "data_controls", DataControlsApproval::parse)?;
    fields.finish()?;
    let usual = OrganizationSwitches::default();
    Ok(OrganizationDraft {
        name,
        rate_limit_rpm,
        status: status.unwrap_or(OrganizationStatus::Active),
        switches: OrganizationSwitches {
            enrollment_links: links.unwrap_or(usual.enrollment_links),
            data_controls: controls.unwrap_or(usual.data_controls),
        },
    })
}

/// Reads any of `{name, rate_limit_rpm, status, enrollment_links, data_controls}`; a limit of null lifts
/// the limit.
pub fn parse_organization_patch(mut fields: Fields) -> Result<OrganizationPatch, ApiError> {
    let patch = OrganizationPatch {
        name: fields.take("name").map(label).transpose()?,
        rate_limit_rpm: rate_limit(&mut fields)?,
        status: chosen(&mut fields, "status", OrganizationStatus::parse)?,
        enrollment_links: chosen(&mut fields, "enrollment_links", EnrollmentLinks::parse)?,
        data_controls: chosen(&mut fields, "data_controls", DataControlsApproval::parse)?,
    };
    fields.finish()?;
    Ok(patch)
}

#[expect(
    clippy::option_option,
    reason = "left out, null and a number are three answers"
)]
fn rate_limit(fields: &mut Fields) -> Read<Option<Option<u32>>> {
    let limit = |field: Field| {
        let limit = field.integer(1..=u64::from(u32::MAX))?;
        Ok(u32::try_from(limit).unwrap_or(u32::MAX))
    };
    let field = fields.take("rate_limit_rpm");
    field.map(|field| field.optional(limit)).transpose()
}

fn chosen<T>(
    fields: &mut Fields,
    name: &str,
    parse: fn(&str) -> Result<T, NotOneOf>,
) -> Read<Option<T>> {
    let field = fields.take(name);
    field.map(|field| field.parsed(parse)).transpose()
}

/// Reads `{name}` of a new workspace: 1 to 255 characters.
pub fn parse_workspace(mut fields: Fields) -> Result<String, ApiError> {
    let name = required_label(&mut fields, "name")?;
    fields.finish()?;
    Ok(name)
}

/// A new API key of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyDraft {
    /// 1 to 255 characters.
    pub name: String,
    /// What it may act on, within the organization it is made for.
    pub owner: KeyOwner,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// Reads `{name, kind, workspace_id?, expires_at?}`. Keys of the operator's kind are made on the
/// command line alone. Whether the workspace is the organization's is for storage to say.
pub fn parse_api_key(
    mut fields: Fields,
    organization_id: OrganizationId,
) -> Result<ApiKeyDraft, ApiError> {
    let name = required_label(&mut fields, "name")?;
    let is_admin = required(&mut fields, "kind")?.parsed(|text| match text {
        "api" => Ok(false),
        "admin" => Ok(true),
        _ => Err("must be one of: api, admin"),
    })?;
    let path = fields.path("workspace_id");
    let workspace_id = fields
        .take_non_null("workspace_id")
        .map(|field| field.parsed(WorkspaceId::parse))
        .transpose()?;
    let owner = match (is_admin, workspace_id) {
        (false, workspace_id) => KeyOwner::Api {
            organization_id,
            workspace_id,
        },
        (true, None) => KeyOwner::Admin { organization_id },
        (true, Some(_)) => {
            let message = "must be null for a key of the kind admin";
            return Err(FieldError::new(path, message).into());
        }
    };
    let expires_at = fields
        .take_non_null("expires_at")
        .map(Field::timestamp)
        .transpose()?;
    fields.finish()?;
    Ok(ApiKeyDraft {
        name,
        owner,
        expires_at,
    })
}

/// Reads `{status}`.
pub fn parse_api_key_status(mut fields: Fields) -> Result<KeyStatus, ApiError> {
    let status = required(&mut fields, "status")?.parsed(KeyStatus::parse)?;
    fields.finish()?;
    Ok(status)
}

/// Appends an organization.
pub fn write_organization(out: &mut String, organization: &Organization) {
    ObjectWriter::new(out)
        .text("type", "organization")
        .text("id", organization.id.as_str())
        .text("name", &organization.name)
        .time("created_at", organization.created_at)
        .optional_number("rate_limit_rpm", organization.rate_limit_rpm)
        .text("status", organization.status.as_str())
        .text(
            "enrollment_links",
            organization.switches.enrollment_links.as_str(),
        )
        .text(
            "data_controls",
            organization.switches.data_controls.as_str(),
        )
        .close();
}

/// Appends a workspace.
pub fn write_workspace(out: &mut String, workspace: &Workspace) {
    ObjectWriter::new(out)
        .text("type", "workspace")
        .text("id", workspace.id.as_str())
        .text("name", &workspace.name)
        .time("created_at", workspace.created_at)
        .close();
}

/// Appends a key, with its secret only in the answer to its creation.
pub fn write_api_key(out: &mut String, key: &ApiKey, secret: Option<&str>) {
    let organization_id = key.owner.organization_id().map(OrganizationId::as_str);
    let workspace_id = key.owner.workspace_id().map(WorkspaceId::as_str);
    let object = ObjectWriter::new(out)
        .text("type", "api_key")
        .text("id", key.id.as_str())
        .optional_text("organization_id", organization_id)
        .text("kind", key.owner.kind().as_str())
        .text("name", &key.name)
        .optional_text("workspace_id", workspace_id)
        .time("created_at", key.created_at)
        .optional_time("expires_at", key.expires_at)
        .optional_time("last_used_at", key.last_used_at)
        .text("status", key.status.as_str());
    match secret {
        None => object.close(),
        Some(secret) => object.text("secret", secret).close(),
    }
}
