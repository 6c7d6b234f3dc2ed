//! Organizations, workspaces and API keys.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::data_controls::DataControlsApproval;
use rollcall_domain::gateway_policy::GatewayPolicyPatch;
use rollcall_domain::id::{OrganizationId, WorkspaceId};
use rollcall_domain::role::Role;
use rollcall_domain::tenant::{
    ApiKey, EnrollmentLinks, KeyKind, KeyOwner, KeyStatus, Organization, OrganizationPatch,
    OrganizationStatus, OrganizationSwitches, Workspace,
};
use rollcall_domain::text_enum::NotOneOf;
use rollcall_record::field::{Field, FieldError, Fields, Read};

use super::{label, required_label};
use crate::error::ApiError;
use crate::members::{Member, begin, member};
use crate::object;
use crate::openapi::schema::{
    Shape, among, described, given_name, id, integer, nullable, organization_id, time_out, word,
};

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
        gateway_policy: GatewayPolicyPatch::default(),
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
    name: &'static str,
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

/// A new key, of an organization or of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyDraft {
    /// 1 to 255 characters.
    pub name: String,
    /// What it may act on.
    pub owner: KeyOwner,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// Reads `{name, kind, workspace_id?, expires_at?}` of an organization's key. Whether the workspace is the
/// organization's is for storage to say.
pub fn parse_api_key(
    mut fields: Fields,
    organization_id: OrganizationId,
) -> Result<ApiKeyDraft, ApiError> {
    let name = required_label(&mut fields, "name")?;
    let kind = fields
        .required("kind")?
        .parsed(|text| match KeyKind::parse(text) {
            Ok(KeyKind::Operator) | Err(_) => Err("must be one of: api, admin, gateway"),
            Ok(kind) => Ok(kind),
        })?;
    let path = fields.path("workspace_id");
    let workspace_id = fields
        .take_non_null("workspace_id")
        .map(|field| field.parsed(WorkspaceId::parse))
        .transpose()?;
    if workspace_id.is_some() && kind != KeyKind::Api {
        let message = format!("must be null for a key of the kind {kind}");
        return Err(FieldError::new(path, message).into());
    }
    let owner = KeyOwner::of_kind(kind, Some(organization_id), workspace_id, None);
    let owner = owner.ok_or_else(|| ApiError::at("kind", "does not fit"))?;
    let expires_at = expiry(&mut fields)?;
    fields.finish()?;
    Ok(ApiKeyDraft {
        name,
        owner,
        expires_at,
    })
}

/// Reads `{name, role, expires_at?}` of a key of the operator's own.
pub fn parse_operator_key(mut fields: Fields) -> Result<ApiKeyDraft, ApiError> {
    let name = required_label(&mut fields, "name")?;
    let role = fields.required("role")?.parsed(Role::parse)?;
    let expires_at = expiry(&mut fields)?;
    fields.finish()?;
    Ok(ApiKeyDraft {
        name,
        owner: KeyOwner::Operator { role },
        expires_at,
    })
}

fn expiry(fields: &mut Fields) -> Read<Option<Timestamp>> {
    let field = fields.take_non_null("expires_at");
    field.map(Field::timestamp).transpose()
}

/// Reads `{status}`.
pub fn parse_api_key_status(mut fields: Fields) -> Result<KeyStatus, ApiError> {
    let status = fields.required("status")?.parsed(KeyStatus::parse)?;
    fields.finish()?;
    Ok(status)
}

/// What is shown of an organization.
#[rustfmt::skip]
pub(crate) static ORGANIZATION: &[Member<Organization>] = &[
    member("type", || word("organization").into(), |_| "organization".into()),
    member("id", || organization_id().into(), |it| it.id.as_str().into()),
    member("name", given_name, |it| (&it.name).into()),
    member("created_at", || time_out().into(), |it| it.created_at.into()),
    member("rate_limit_rpm", rate_limit_shape, |it| it.rate_limit_rpm.map(u64::from).into()),
    member("status", || among(OrganizationStatus::ALL, |status| status.as_str()), |it| it.status.as_str().into()),
    member("enrollment_links", links_shape, |it| it.switches.enrollment_links.as_str().into()),
    member("data_controls", controls_shape, |it| it.switches.data_controls.as_str().into()),
];

fn rate_limit_shape() -> Shape {
    let rate = nullable(integer(1, Some(i64::from(u32::MAX))));
    described(rate, "Public requests a minute; null: no limit.")
}

fn links_shape() -> Shape {
    let links = among(EnrollmentLinks::ALL, |links| links.as_str());
    described(
        links,
        "Whether its platform can make enrollment and action URLs.",
    )
}

fn controls_shape() -> Shape {
    let controls = among(DataControlsApproval::ALL, |approval| approval.as_str());
    described(
        controls,
        "Whether its platform may switch data controls on.",
    )
}

/// Appends an organization.
pub fn write_organization(out: &mut String, organization: &Organization) {
    begin(out, ORGANIZATION, organization).close();
}

/// What is shown of a workspace.
#[rustfmt::skip]
pub(crate) static WORKSPACE: &[Member<Workspace>] = &[
    member("type", || word("workspace").into(), |_| "workspace".into()),
    member("id", || id("wrkspc_").into(), |it| it.id.as_str().into()),
    member("name", given_name, |it| (&it.name).into()),
    member("created_at", || time_out().into(), |it| it.created_at.into()),
];

/// Appends a workspace.
pub fn write_workspace(out: &mut String, workspace: &Workspace) {
    begin(out, WORKSPACE, workspace).close();
}

/// What is shown of a key.
#[rustfmt::skip]
pub(crate) static API_KEY: &[Member<ApiKey>] = &[
    member("type", || word("api_key").into(), |_| "api_key".into()),
    member("id", || id("apikey_").into(), |it| it.id.as_str().into()),
    member("organization_id", || nullable(organization_id()), |it| it.owner.organization_id().map(OrganizationId::as_str).into()),
    member("kind", || among(KeyKind::ALL, |kind| kind.as_str()), |it| it.owner.kind().as_str().into()),
    member("role", || described(nullable(role_shape()), "What the holder of a key of the kind `operator` is; null for the others."), |it| it.owner.role().map(Role::as_str).into()),
    member("name", given_name, |it| (&it.name).into()),
    member("workspace_id", || nullable(id("wrkspc_")), |it| it.owner.workspace_id().map(WorkspaceId::as_str).into()),
    member("created_at", || time_out().into(), |it| it.created_at.into()),
    member("expires_at", || nullable(time_out()), |it| it.expires_at.into()),
    member("last_used_at", || nullable(time_out()), |it| it.last_used_at.into()),
    member("status", key_status_shape, |it| it.status.as_str().into()),
];

pub(crate) fn role_shape() -> Shape {
    among(Role::ALL, |role| role.as_str())
}

pub(crate) fn key_status_shape() -> Shape {
    among(KeyStatus::ALL, |status| status.as_str())
}

/// Appends a key, with its secret only in the answer to its creation.
pub fn write_api_key(out: &mut String, key: &ApiKey, secret: Option<&str>) {
    let object = begin(out, API_KEY, key);
    match secret {
        None => object.close(),
        Some(secret) => object.text("secret", secret).close(),
    }
}

/// The answer where the end of a tenancy has begun and takes longer than whoever asked can wait.
pub fn removal_under_way(id: &OrganizationId) -> String {
    object::object(|answer| {
        answer
            .text("id", id.as_str())
            .text("type", "organization_removal_under_way")
    })
}
