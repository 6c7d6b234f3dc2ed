//! Reading a document back into the profile it holds, and the parts that records share with it.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::{
    ActionKind, Enforcement, EnforcementAction, IdentityCheck, PastAction, Reason, Resolution,
};
use rollcall_domain::id::{EnforcementActionId, ProfileId};
use rollcall_domain::profile::{
    AccountStatus, EntityType, ExternalUserDetails, Profile, Relationship,
};
use rollcall_domain::program::{
    Cyber, Efs, EfsFeatures, ProgramName, ProgramStatus, Programs, Requirements, Tiers,
};
use rollcall_domain::text::{
    Country, Metadata, MetadataKey, MetadataValue, Name, OpaqueHash, ReferenceId,
};

use super::{DamagedDocument, LAST_LINE, STORED_LINES};
use crate::data_controls;
use crate::field::{Field, FieldError, Fields, Read};
use crate::json::{self, Json, Object};

pub(super) fn profile(text: &str) -> Result<Profile, DamagedDocument> {
    let parsed =
        json::parse(text.as_bytes()).map_err(|error| DamagedDocument(error.to_string()))?;
    let mut fields = Fields::root(named(parsed)?);
    let created_at = fields.required("created_at")?.timestamp()?;
    let updated_at = fields.required("updated_at")?.optional(Field::timestamp)?;
    let id = fields.required("id")?.parsed(ProfileId::parse)?;
    let controls = fields.take(LAST_LINE).map(|field| {
        let around = data_controls::Around {
            id: &id,
            created_at: Some(created_at),
            since: None,
        };
        data_controls::read(field, &around).map(|(controls, _)| controls)
    });
    let profile = Profile {
        id,
        created_at,
        updated_at: updated_at.unwrap_or(created_at),
        relationship: fields
            .required("relationship")?
            .parsed(Relationship::parse)?,
        name: fields
            .required("name")?
            .optional(|field| field.parsed(Name::parse))?,
        metadata: read_metadata(fields.required("metadata")?)?,
        details: read_stored_details(&mut fields)?,
        programs: Programs {
            cyber: fields.required("cyber")?.optional(read_cyber)?,
            efs: fields.required("efs")?.optional(read_efs)?,
            own: read_own(fields.required("own_programs")?)?,
        },
        enforcement: {
            let open = read_actions(fields.required("open_actions")?)?;
            let past = read_actions(fields.required("past_actions")?)?;
            Enforcement::new(
                open.into_iter().map(|(action, _)| action).collect(),
                past.into_iter()
                    .filter_map(|(action, end)| end.map(|end| end.of(action)))
                    .collect(),
            )
        },
        data_controls: controls.transpose()?.unwrap_or_default(),
    };
    fields.finish()?;
    Ok(profile)
}

/// The elements under the names of their lines.
fn named(document: Json) -> Result<Object, DamagedDocument> {
    let Json::Array(elements) = document else {
        return Err(DamagedDocument("not an array".into()));
    };
    let most = STORED_LINES.len() + 1;
    if !(STORED_LINES.len()..=most).contains(&elements.len()) {
        return Err(DamagedDocument(format!(
            "{} elements instead of {} or {most}",
            elements.len(),
            STORED_LINES.len()
        )));
    }
    let names = STORED_LINES.iter().chain([&LAST_LINE]);
    let names = names.map(|name| (*name).to_owned());
    Ok(names.zip(elements).collect())
}

/// The first five of the details, and the two that have lines of their own.
fn read_stored_details(fields: &mut Fields) -> Read<ExternalUserDetails> {
    let first = read_details(fields.required("external_user_details")?)?;
    let onboarded_at = fields
        .required("onboarded_at")?
        .optional(Field::timestamp)?;
    let reference_id = fields
        .required("reference_id")?
        .optional(|field| field.parsed(ReferenceId::parse))?;
    Ok(ExternalUserDetails {
        onboarded_at,
        reference_id,
        ..first
    })
}

pub(crate) fn read_metadata(field: Field) -> Read<Metadata> {
    let path = field.path.clone();
    let mut fields = field.object()?;
    let mut pairs = std::collections::BTreeMap::new();
    for (key, value) in fields.take_all() {
        let key = MetadataKey::parse(&key).map_err(|error| value.error(error))?;
        pairs.insert(key, value.parsed(MetadataValue::parse)?);
    }
    Metadata::parse(pairs).map_err(|error| FieldError::new(path, error))
}

pub(crate) fn read_details(field: Field) -> Read<ExternalUserDetails> {
    let mut fields = field.object()?;
    let mut take = |name| fields.take_non_null(name);
    let details = ExternalUserDetails {
        account_status: take("account_status")
            .map(|f| f.parsed(AccountStatus::parse))
            .transpose()?,
        country: take("country")
            .map(|f| f.parsed(Country::parse))
            .transpose()?,
        email_hash: take("email_hash")
            .map(|f| f.parsed(OpaqueHash::parse))
            .transpose()?,
        entity_type: take("entity_type")
            .map(|f| f.parsed(EntityType::parse))
            .transpose()?,
        name_hash: take("name_hash")
            .map(|f| f.parsed(OpaqueHash::parse))
            .transpose()?,
        onboarded_at: take("onboarded_at").map(Field::timestamp).transpose()?,
        reference_id: take("reference_id")
            .map(|f| f.parsed(ReferenceId::parse))
            .transpose()?,
    };
    fields.finish()?;
    Ok(details)
}

/// `{"status":"active"}` or `{"status":"inactive"}` under `name`.
fn read_activity(fields: &mut Fields, name: &'static str) -> Read<bool> {
    let mut inner = fields.required(name)?.object()?;
    let status = inner.required("status")?.parsed(parse_activity)?;
    inner.finish()?;
    Ok(status)
}

pub(crate) fn parse_activity(text: &str) -> Result<bool, &'static str> {
    match text {
        "active" => Ok(true),
        "inactive" => Ok(false),
        _ => Err("must be one of: active, inactive"),
    }
}

fn read_cyber(field: Field) -> Read<Cyber> {
    let mut fields = field.object()?;
    let requirements = fields
        .required("requirements")?
        .optional(read_requirements)?;
    let status = fields.required("status")?.parsed(ProgramStatus::parse)?;
    let mut tiers = fields.required("tiers")?.object()?;
    let active = Tiers {
        a: read_activity(&mut tiers, "a")?,
        b: read_activity(&mut tiers, "b")?,
        c: read_activity(&mut tiers, "c")?,
    };
    tiers.finish()?;
    let cyber = Cyber::new(status, active, requirements);
    let cyber = cyber.map_err(|error| fields.error(error));
    fields.finish()?;
    cyber
}

/// Reads `{data_retention?, human_review?}`; what is left out is false.
pub fn read_requirements(field: Field) -> Read<Requirements> {
    let mut fields = field.object()?;
    let requirements = Requirements {
        data_retention: fields
            .take("data_retention")
            .map_or(Ok(false), Field::boolean)?,
        human_review: fields
            .take("human_review")
            .map_or(Ok(false), Field::boolean)?,
    };
    fields.finish()?;
    Ok(requirements)
}

fn read_efs(field: Field) -> Read<Efs> {
    let mut fields = field.object()?;
    let mut features = fields.required("features")?.object()?;
    let active = EfsFeatures {
        data_retention_exemption: read_activity(&mut features, "data_retention_exemption")?,
        cmek: read_activity(&mut features, "cmek")?,
        storage: read_activity(&mut features, "storage")?,
    };
    features.finish()?;
    let status = fields.required("status")?.parsed(ProgramStatus::parse)?;
    fields.finish()?;
    Ok(Efs {
        status,
        features: active,
    })
}

fn read_own(
    field: Field,
) -> Read<std::collections::BTreeMap<rollcall_domain::program::OwnProgramName, ProgramStatus>> {
    let mut fields = field.object()?;
    let mut own = std::collections::BTreeMap::new();
    for (name, field) in fields.take_all() {
        let ProgramName::Own(name) =
            ProgramName::parse(&name).map_err(|error| field.error(error))?
        else {
            return Err(field.error("is not one of the operator's own programs"));
        };
        let mut inner = field.object()?;
        let status = inner.required("status")?.parsed(ProgramStatus::parse)?;
        inner.finish()?;
        own.insert(name, status);
    }
    Ok(own)
}

/// How an action ended, when a document or record says it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) resolved_at: Timestamp,
    pub(crate) resolution: Resolution,
}

impl Ending {
    pub(crate) fn of(self, action: EnforcementAction) -> PastAction {
        PastAction {
            action,
            resolved_at: self.resolved_at,
            resolution: self.resolution,
        }
    }
}

fn read_actions(field: Field) -> Read<Vec<(EnforcementAction, Option<Ending>)>> {
    field
        .array()?
        .into_iter()
        .map(|element| {
            let fields = element.object()?;
            read_action(fields, |_| None)
        })
        .collect()
}

/// What a record may leave out of an action, for [`read_action`] to fill in.
pub(crate) struct ActionDefaults {
    pub(crate) id: EnforcementActionId,
    pub(crate) opened_at: Timestamp,
}

/// Reads an action; without `defaults`, its id and opening time are required.
pub(crate) fn read_action(
    mut fields: Fields,
    defaults: impl Fn(&Fields) -> Option<ActionDefaults>,
) -> Read<(EnforcementAction, Option<Ending>)> {
    let defaults = defaults(&fields);
    let id = match (fields.take("id"), &defaults) {
        (None, Some(defaults)) => defaults.id.clone(),
        (None, None) => return Err(FieldError::new(fields.path("id"), "is required")),
        (Some(field), _) => field.parsed(EnforcementActionId::parse)?,
    };
    let opened_at = match (fields.take("opened_at"), &defaults) {
        (None, Some(defaults)) => defaults.opened_at,
        (None, None) => return Err(FieldError::new(fields.path("opened_at"), "is required")),
        (Some(field), _) => field.timestamp()?,
    };
    let reason = fields.required("reason")?.parsed(Reason::parse)?;
    let kind = read_action_kind(&mut fields)?;
    let path = fields.path("resolved_at");
    let resolved_at = fields
        .take_non_null("resolved_at")
        .map(Field::timestamp)
        .transpose()?;
    let resolution = fields.take_non_null("resolution");
    let resolution = resolution
        .map(|field| field.parsed(Resolution::parse))
        .transpose()?;
    let ending = match (resolved_at, resolution) {
        (None, None) => None,
        (Some(resolved_at), resolution) => {
            let resolution = resolution.unwrap_or(Resolution::Operator);
            Some(Ending {
                resolved_at,
                resolution,
            })
        }
        (None, Some(_)) => return Err(FieldError::new(path, "is required beside resolution")),
    };
    let action = EnforcementAction::new(id, opened_at, reason, kind);
    let action = action.map_err(|error| fields.error(error));
    fields.finish()?;
    Ok((action?, ending))
}

/// Reads `type`, `action`, `expires_at` and `identity_check` of an action.
pub fn read_action_kind(fields: &mut Fields) -> Read<ActionKind> {
    let is_ban = fields.required("type")?.parsed(|text| match text {
        "restriction" => Ok(false),
        "ban" => Ok(true),
        _ => Err("must be one of: restriction, ban"),
    })?;
    let next_step = fields.take_non_null("action");
    let expires_at = fields.take_non_null("expires_at");
    let identity_check = fields.take_non_null("identity_check");
    if is_ban {
        if let Some(field) = [next_step, expires_at, identity_check]
            .into_iter()
            .flatten()
            .next()
        {
            return Err(field.error("must be null for a ban"));
        }
        return Ok(ActionKind::Ban);
    }
    let offered = next_step
        .map(|field| {
            field.parsed(|text| match text {
                "verify" => Ok(IdentityCheck::Offered),
                _ => Err("must be verify or null"),
            })
        })
        .transpose()?;
    let submitted = identity_check
        .map(|field| {
            let path = field.path.clone();
            field
                .parsed(|text| match text {
                    "submitted" => Ok(IdentityCheck::Submitted),
                    _ => Err("must be submitted or null"),
                })
                .and_then(|check| match offered {
                    None => Ok(check),
                    Some(_) => Err(FieldError::new(path, "must be null while action is verify")),
                })
        })
        .transpose()?;
    let expires_at = expires_at.map(Field::timestamp).transpose()?;
    let check = offered.or(submitted).unwrap_or(IdentityCheck::NotOffered);
    Ok(ActionKind::Restriction { expires_at, check })
}
