//! What an organization's gateway is told: the policy, and what it would be told now.

use rollcall_domain::enforcement::EnforcementStatus;
use rollcall_domain::gateway::{Decision, Verdict};
use rollcall_domain::id::ProfileId;
use rollcall_domain::profile::AccessType;
use rollcall_domain::program::ProgramName;
use rollcall_domain::tenant::{Organization, OrganizationPatch};
use rollcall_domain::text::ReferenceId;
use rollcall_record::field::Fields;
use rollcall_record::gateway_policy;

use crate::error::ApiError;
use crate::gateway::{Named, refusal};
use crate::object::ObjectWriter;
use crate::query::Query;

/// Reads any members of a policy; what is left out stays.
pub fn parse_policy(mut fields: Fields) -> Result<OrganizationPatch, ApiError> {
    let gateway_policy = gateway_policy::take(&mut fields)?;
    fields.finish()?;
    Ok(OrganizationPatch {
        gateway_policy,
        ..OrganizationPatch::default()
    })
}

/// Appends the policy of an organization.
pub fn write_policy(out: &mut String, organization: &Organization) {
    ObjectWriter::new(out)
        .text("type", "gateway_policy")
        .text("organization_id", organization.id.as_str())
        .members(&gateway_policy::encode(&organization.gateway_policy))
        .close();
}

/// What an operator asks: whose request it is, and the program that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRequest {
    /// Whose request it is; nobody's when absent.
    pub who: Option<Named>,
    /// The program that must be active.
    pub program: Option<ProgramName>,
}

/// Reads `user_profile_id` or `reference_id`, and `program`.
pub fn parse_decision(query: Option<&str>) -> Result<DecisionRequest, ApiError> {
    let mut query = Query::parse(query)?;
    let id = query.take_parsed("user_profile_id", ProfileId::parse)?;
    let reference = query.take_parsed("reference_id", ReferenceId::parse)?;
    let program = query.take_parsed("program", ProgramName::parse)?;
    query.take_beta()?;
    query.finish()?;
    let who = match (id, reference) {
        (Some(_), Some(_)) => {
            return Err(ApiError::at(
                "reference_id",
                "names another way what user_profile_id names; send one of them",
            ));
        }
        (Some(id), None) => Some(Named::Id(Some(id))),
        (None, reference) => reference.map(Named::Reference),
    };
    Ok(DecisionRequest { who, program })
}

/// What is told of the profile.
#[derive(Clone, Copy, Debug)]
pub struct JudgedProfile<'a> {
    /// Its id.
    pub id: &'a str,
    /// What its open actions come to.
    pub enforcement_status: EnforcementStatus,
    /// How the entity reaches the platform.
    pub access_type: AccessType,
    /// The active ones, separated by commas.
    pub programs: &'a str,
    /// For how long the gateway may keep the answer.
    pub cache_seconds: u16,
}

/// Appends what a gateway would be told, and what its client.
pub fn write_decision(out: &mut String, decision: Decision, profile: Option<&JudgedProfile<'_>>) {
    let verdict = match decision.verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
        Verdict::Create => "create",
    };
    let programs = profile.map_or("", |profile| profile.programs).split(',');
    let status = profile.map(|profile| profile.enforcement_status.as_str());
    let access_type = profile.map(|profile| profile.access_type.as_str());
    let object = ObjectWriter::new(out)
        .text("type", "gateway_decision")
        .text("decision", verdict)
        .text("reason", decision.reason.as_str())
        .optional_text("user_profile_id", profile.map(|profile| profile.id))
        .optional_text("enforcement_status", status)
        .optional_text("access_type", access_type)
        .texts("programs", programs.filter(|name| !name.is_empty()))
        .optional_number(
            "cache_seconds",
            profile.map(|profile| u64::from(profile.cache_seconds)),
        );
    match decision.verdict {
        Verdict::Allow | Verdict::Create => object.raw("error", "null").close(),
        Verdict::Deny => {
            let told = refusal(decision.reason);
            let code = told.code.map(crate::error::ErrorCode::as_str);
            object
                .object("error", |error| {
                    error
                        .number("status", u64::from(told.status()))
                        .text("type", told.kind.error_type())
                        .optional_text("error_code", code)
                        .text("message", &told.message)
                })
                .close();
        }
    }
}
