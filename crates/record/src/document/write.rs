//! Writing a profile's document, and the parts that records share with it.

use rollcall_domain::enforcement::{ActionKind, EnforcementAction, IdentityCheck, PastAction};
use rollcall_domain::profile::{AccountStatus, EntityType, ExternalUserDetails, Profile};
use rollcall_domain::program::{Cyber, Efs, Programs};
use rollcall_domain::text::{Country, Metadata, Name, OpaqueHash, ReferenceId};

use crate::data_controls;
use crate::json::write_string;
use crate::writing::{member, write_array, write_optional_time, write_text, write_time};

/// The text of `profile`'s document: the elements of `STORED_LINES`.
pub(super) fn document(profile: &Profile) -> String {
    let mut out = String::with_capacity(512);
    out.push('[');
    write_string(&mut out, profile.id.as_str());
    line(&mut out, |out| write_time(out, profile.created_at));
    let updated_at = Some(profile.updated_at).filter(|at| *at != profile.created_at);
    line(&mut out, |out| write_optional_time(out, updated_at));
    line(&mut out, |out| {
        write_string(out, profile.relationship.as_str());
    });
    let name = profile.name.as_ref().map(Name::as_str);
    line(&mut out, |out| write_text(out, name));
    line(&mut out, |out| write_metadata(out, &profile.metadata));
    let details = &profile.details;
    line(&mut out, |out| {
        write_first_details(out, details);
        out.push('}');
    });
    line(&mut out, |out| {
        write_optional_time(out, details.onboarded_at);
    });
    let reference_id = details.reference_id.as_ref().map(ReferenceId::as_str);
    line(&mut out, |out| write_text(out, reference_id));
    line(&mut out, |out| write_cyber(out, profile.programs.cyber));
    line(&mut out, |out| write_efs(out, profile.programs.efs));
    line(&mut out, |out| write_own(out, &profile.programs));
    line(&mut out, |out| {
        write_array(out, profile.enforcement.unresolved(), |out, action| {
            write_action(out, action, None);
        });
    });
    line(&mut out, |out| {
        write_array(out, profile.enforcement.past(), |out, past| {
            write_action(out, &past.action, Some(past));
        });
    });
    let controls = &profile.data_controls;
    if !controls.is_untouched() {
        line(&mut out, |out| {
            data_controls::write(out, profile, controls, data_controls::Form::Document);
        });
    }
    out.push(']');
    out
}

/// Writes the next element.
fn line(out: &mut String, write: impl FnOnce(&mut String)) {
    out.push_str(",\n");
    write(out);
}

pub(crate) fn write_metadata(out: &mut String, metadata: &Metadata) {
    let mut before = "{";
    for (key, value) in metadata.iter() {
        out.push_str(before);
        write_string(out, key);
        out.push(':');
        write_string(out, value);
        before = ",";
    }
    out.push_str(if metadata.is_empty() { "{}" } else { "}" });
}

/// Writes the seven details.
pub fn write_details(out: &mut String, details: &ExternalUserDetails) {
    write_first_details(out, details);
    member(out, ",", "onboarded_at", |out| {
        write_optional_time(out, details.onboarded_at);
    });
    let reference_id = details.reference_id.as_ref().map(ReferenceId::as_str);
    member(out, ",", "reference_id", |out| {
        write_text(out, reference_id);
    });
    out.push('}');
}

/// Writes the first five, without the brace that ends them.
fn write_first_details(out: &mut String, details: &ExternalUserDetails) {
    let country = details.country.as_ref().map(Country::as_str);
    let email_hash = details.email_hash.as_ref().map(OpaqueHash::as_str);
    let name_hash = details.name_hash.as_ref().map(OpaqueHash::as_str);
    let account_status = details.account_status.map(AccountStatus::as_str);
    let entity_type = details.entity_type.map(EntityType::as_str);
    member(out, "{", "account_status", |out| {
        write_text(out, account_status);
    });
    member(out, ",", "country", |out| write_text(out, country));
    member(out, ",", "email_hash", |out| write_text(out, email_hash));
    member(out, ",", "entity_type", |out| write_text(out, entity_type));
    member(out, ",", "name_hash", |out| write_text(out, name_hash));
}

fn activity(active: bool) -> &'static str {
    if active {
        r#"{"status":"active"}"#
    } else {
        r#"{"status":"inactive"}"#
    }
}

fn write_cyber(out: &mut String, cyber: Option<Cyber>) {
    let Some(cyber) = cyber else {
        return out.push_str("null");
    };
    member(out, "{", "requirements", |out| match cyber.requirements() {
        None => out.push_str("null"),
        Some(requirements) => {
            let flag = |flag: bool| if flag { "true" } else { "false" };
            member(out, "{", "data_retention", |out| {
                out.push_str(flag(requirements.data_retention));
            });
            member(out, ",", "human_review", |out| {
                out.push_str(flag(requirements.human_review));
            });
            out.push('}');
        }
    });
    member(out, ",", "status", |out| {
        write_string(out, cyber.status().as_str());
    });
    let tiers = cyber.tiers();
    member(out, ",", "tiers", |out| {
        member(out, "{", "a", |out| out.push_str(activity(tiers.a)));
        member(out, ",", "b", |out| out.push_str(activity(tiers.b)));
        member(out, ",", "c", |out| out.push_str(activity(tiers.c)));
        out.push('}');
    });
    out.push('}');
}

fn write_efs(out: &mut String, efs: Option<Efs>) {
    let Some(Efs { status, features }) = efs else {
        return out.push_str("null");
    };
    member(out, "{", "features", |out| {
        member(out, "{", "data_retention_exemption", |out| {
            out.push_str(activity(features.data_retention_exemption));
        });
        member(out, ",", "cmek", |out| {
            out.push_str(activity(features.cmek));
        });
        member(out, ",", "storage", |out| {
            out.push_str(activity(features.storage));
        });
        out.push('}');
    });
    member(out, ",", "status", |out| write_string(out, status.as_str()));
    out.push('}');
}

fn write_own(out: &mut String, programs: &Programs) {
    let mut before = "{";
    for (name, status) in &programs.own {
        member(out, before, name.as_str(), |out| {
            member(out, "{", "status", |out| write_string(out, status.as_str()));
            out.push('}');
        });
        before = ",";
    }
    out.push_str(if programs.own.is_empty() { "{}" } else { "}" });
}

/// Writes an action as documents and records hold it: the wire's fields in the wire's order, then
/// what the wire does not show.
pub(crate) fn write_action(
    out: &mut String,
    action: &EnforcementAction,
    past: Option<&PastAction>,
) {
    write_action_fields(out, action);
    if let ActionKind::Restriction {
        check: IdentityCheck::Submitted,
        ..
    } = action.kind()
    {
        member(out, ",", "identity_check", |out| {
            write_string(out, "submitted");
        });
    }
    if let Some(past) = past {
        member(out, ",", "resolved_at", |out| {
            write_time(out, past.resolved_at);
        });
        member(out, ",", "resolution", |out| {
            write_string(out, past.resolution.as_str());
        });
    }
    out.push('}');
}

/// Writes an action as the newest dialect shows it.
#[cfg(test)]
pub(super) fn write_wire_action(out: &mut String, action: &EnforcementAction) {
    write_action_fields(out, action);
    out.push('}');
}

fn write_action_fields(out: &mut String, action: &EnforcementAction) {
    let (next_step, expires_at, kind) = match action.kind() {
        ActionKind::Restriction {
            expires_at,
            check: IdentityCheck::Offered,
        } => (Some("verify"), expires_at, "restriction"),
        ActionKind::Restriction { expires_at, .. } => (None, expires_at, "restriction"),
        ActionKind::Ban => (None, None, "ban"),
    };
    member(out, "{", "id", |out| {
        write_string(out, action.id().as_str());
    });
    member(out, ",", "action", |out| write_text(out, next_step));
    member(out, ",", "expires_at", |out| {
        write_optional_time(out, expires_at);
    });
    member(out, ",", "opened_at", |out| {
        write_time(out, action.opened_at());
    });
    member(out, ",", "reason", |out| {
        write_string(out, action.reason().as_str());
    });
    member(out, ",", "type", |out| write_string(out, kind));
}
