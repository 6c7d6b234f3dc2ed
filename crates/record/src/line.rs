//! NDJSON records: one JSON object a line, of seeds, imports and exports (contract `operator.md`,
//! *Records in NDJSON*).
//!
//! Everything but `type` may be left out and then takes the value of a fresh profile; what an export
//! writes, an import restores exactly. Unknown members are errors, so that a typing mistake does not
//! lose a field.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::Enforcement;
use rollcall_domain::event::Subscription;
use rollcall_domain::id::{Ids, OrganizationId, ProfileId, WebhookEndpointId};
use rollcall_domain::profile::{
    AccessType, ControlsLeftOut, ExternalUserDetails, LeftOut, ONBOARDING_TOLERANCE, PartialAction,
    Profile, ProfileDraft, ProfileRecord, Relationship,
};
use rollcall_domain::program::{
    Cyber, Efs, EfsFeatures, OWN_PROGRAMS, ProgramName, ProgramStanding, ProgramStatus, Programs,
    Tiers,
};
use rollcall_domain::text::Name;
use thiserror::Error;

use crate::data_controls;
use crate::document::{
    ActionDefaults, parse_activity, read_action, read_details, read_metadata, read_requirements,
    write_action, write_details, write_metadata,
};
use crate::field::{Field, FieldError, Fields, Read};
use crate::json::{self, Json, JsonError, write_string};
use crate::writing::{write_array, write_text, write_time};

/// Why a line is not a record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// It is not acceptable JSON.
    #[error("not valid JSON: {}", without_line(.0))]
    Json(#[from] JsonError),
    /// It is JSON and no object.
    #[error("must be a JSON object")]
    NotAnObject,
    /// A field does not fit.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// The problem with its column alone: whoever reads a file knows the number of the line, and JSON would count
/// it as the first.
fn without_line(error: &JsonError) -> String {
    match error {
        JsonError::Syntax {
            problem, column, ..
        } => format!("{problem} at column {column}"),
        JsonError::DuplicateKey { .. } => error.to_string(),
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A profile, with the organization it names, if it names one.
    Profile {
        /// The organization.
        organization_id: Option<OrganizationId>,
        /// The profile, and what the line leaves out of it.
        profile: Box<ProfileRecord>,
    },
    /// A webhook endpoint; seeds only.
    WebhookEndpoint(WebhookEndpointRecord),
}

/// A webhook endpoint of a seed. The URL and the texts are checked where endpoints are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEndpointRecord {
    /// Its id; made when left out.
    pub id: Option<WebhookEndpointId>,
    /// Where deliveries go.
    pub url: String,
    /// What it is told.
    pub enabled_events: Vec<Subscription>,
    /// Empty when left out.
    pub name: String,
    /// Empty when left out.
    pub description: String,
}

/// Reads one line. `ids` and `now` fill in what a fresh profile would get.
pub fn parse(line: &[u8], ids: &Ids, now: Timestamp) -> Result<Record, LineError> {
    let Json::Object(object) = json::parse(line)? else {
        return Err(LineError::NotAnObject);
    };
    let mut fields = Fields::root(object);
    let is_profile = fields.required("type")?.parsed(|text| match text {
        "user_profile" => Ok(true),
        "webhook_endpoint" => Ok(false),
        _ => Err("must be one of: user_profile, webhook_endpoint"),
    })?;
    if is_profile {
        let organization_id = fields.take_non_null("organization_id");
        let organization_id = organization_id
            .map(|field| field.parsed(OrganizationId::parse))
            .transpose()?;
        let profile = Box::new(read_profile(fields, None, ids, now)?);
        Ok(Record::Profile {
            organization_id,
            profile,
        })
    } else {
        Ok(Record::WebhookEndpoint(read_webhook_endpoint(fields)?))
    }
}

/// Reads the members of a profile record. With `id`, the record may repeat it and nothing else.
pub fn read_profile(
    mut fields: Fields,
    id: Option<ProfileId>,
    ids: &Ids,
    now: Timestamp,
) -> Read<ProfileRecord> {
    let mut left_out = LeftOut {
        id: id.is_none() && !fields.contains("id"),
        created_at: !fields.contains("created_at"),
        updated_at: !fields.contains("updated_at"),
        ..LeftOut::default()
    };
    let stated = fields.take("id").map(|field| {
        let path = field.path.clone();
        field.parsed(ProfileId::parse).map(|id| (path, id))
    });
    let id = match (id, stated.transpose()?) {
        (None, None) => ids.profile(now),
        (Some(id), Some((path, stated))) if stated != id => {
            return Err(FieldError::new(path, "must be the ID in the path"));
        }
        (Some(id), _) | (None, Some((_, id))) => id,
    };
    let stated_creation = fields
        .take("created_at")
        .map(Field::timestamp)
        .transpose()?;
    let created_at = stated_creation.unwrap_or(now);
    let updated = fields.take("updated_at").map(|field| {
        let path = field.path.clone();
        field.timestamp().map(|updated_at| (path, updated_at))
    });
    let (created_at, updated_at) = match updated.transpose()? {
        None => (created_at, created_at),
        Some((_, updated_at)) if updated_at >= created_at => (created_at, updated_at),
        // Nothing is modified before it is created.
        Some((_, updated_at)) if stated_creation.is_none() => (updated_at, updated_at),
        Some((path, _)) => return Err(FieldError::new(path, "must not be before created_at")),
    };
    let relationship = read_relationship(&mut fields)?;
    let name = fields
        .take_non_null("name")
        .map(|field| field.parsed(Name::parse))
        .transpose()?;
    let details = fields
        .take("external_user_details")
        .map(|field| read_stated_details(field, now))
        .transpose()?;
    let metadata = fields.take("metadata").map(read_metadata).transpose()?;
    let programs = fields.take("programs").map(read_programs).transpose()?;
    let enforcement = fields
        .take("enforcement_actions")
        .map(|field| read_enforcement(field, &mut left_out.actions, ids, now))
        .transpose()?;
    let controls = fields
        .take("google_data_controls")
        .map(|field| {
            let around = data_controls::Around {
                id: &id,
                created_at: stated_creation,
                since: Some(now),
            };
            data_controls::read(field, &around)
        })
        .transpose()?;
    // Without them they are a fresh profile's, of which nothing is left out.
    let (data_controls, controls_left_out) = controls.unwrap_or_default();
    left_out.data_controls = controls_left_out;
    fields.finish()?;
    let draft = ProfileDraft {
        relationship: Some(relationship),
        name,
        metadata: metadata.unwrap_or_default(),
        details: details.unwrap_or_default(),
    };
    let profile = Profile {
        updated_at,
        programs: programs.unwrap_or_default(),
        enforcement: enforcement.unwrap_or_default(),
        data_controls,
        ..Profile::new(id, draft, created_at)
    };
    Ok(ProfileRecord { profile, left_out })
}

/// Reads the details, whose time of onboarding may be no further ahead than in any other request.
fn read_stated_details(field: Field, now: Timestamp) -> Read<ExternalUserDetails> {
    let path = field.path.clone();
    let details = read_details(field)?;
    let is_ahead = |at: Timestamp| at.since(now) > ONBOARDING_TOLERANCE;
    if details.onboarded_at.is_some_and(is_ahead) {
        let message = "must not be more than 1 minute in the future";
        return Err(FieldError::new(format!("{path}.onboarded_at"), message));
    }
    Ok(details)
}

fn read_relationship(fields: &mut Fields) -> Read<Relationship> {
    let access_type = fields.take("access_type").map(|field| {
        let path = field.path.clone();
        field
            .parsed(AccessType::parse)
            .map(|access_type| (path, access_type))
    });
    let relationship = fields
        .take("relationship")
        .map(|field| field.parsed(Relationship::parse));
    match (access_type.transpose()?, relationship.transpose()?) {
        (None, relationship) => Ok(relationship.unwrap_or(Relationship::External)),
        (Some((_, access_type)), None) => Ok(Relationship::External.after_writing(access_type)),
        (Some((_, access_type)), Some(relationship))
            if relationship.access_type() == access_type =>
        {
            Ok(relationship)
        }
        (Some((path, _)), Some(relationship)) => Err(FieldError::new(
            path,
            format!(
                "must be {} beside relationship {relationship}",
                relationship.access_type()
            ),
        )),
    }
}

fn read_programs(field: Field) -> Read<Programs> {
    let path = field.path.clone();
    let mut fields = field.object()?;
    let mut programs = Programs::default();
    for (name, field) in fields.take_all() {
        if field.is_null() {
            continue;
        }
        let name = ProgramName::parse(&name).map_err(|error| field.error(error))?;
        programs = programs.with(read_standing(&name, field.object()?)?);
    }
    if programs.own.len() > OWN_PROGRAMS {
        let message = format!("must have at most {OWN_PROGRAMS} programs of the operator's own");
        return Err(FieldError::new(path, message));
    }
    Ok(programs)
}

/// Reads `{status, tiers?, requirements?, features?}`: a profile's standing in the program `name`.
pub fn read_standing(name: &ProgramName, mut fields: Fields) -> Read<ProgramStanding> {
    let status = fields.required("status")?.parsed(ProgramStatus::parse)?;
    let standing = match name {
        ProgramName::Cyber => {
            let tiers = fields.take_non_null("tiers").map(read_tiers).transpose()?;
            let requirements = fields.take_non_null("requirements");
            let requirements = requirements.map(read_requirements).transpose()?;
            let cyber = Cyber::new(status, tiers.unwrap_or_default(), requirements);
            ProgramStanding::Cyber(cyber.map_err(|error| fields.error(error))?)
        }
        ProgramName::Efs => {
            let features = fields
                .take_non_null("features")
                .map(read_features)
                .transpose()?;
            ProgramStanding::Efs(Efs {
                status,
                features: features.unwrap_or_default(),
            })
        }
        ProgramName::Own(name) => ProgramStanding::Own(name.clone(), status),
    };
    fields.finish()?;
    Ok(standing)
}

fn read_flag(fields: &mut Fields, name: &'static str) -> Read<bool> {
    fields
        .take(name)
        .map_or(Ok(false), |field| field.parsed(parse_activity))
}

/// Reads `{a?, b?, c?}`, each `active` or `inactive`; what is left out is inactive.
pub fn read_tiers(field: Field) -> Read<Tiers> {
    let mut fields = field.object()?;
    let tiers = Tiers {
        a: read_flag(&mut fields, "a")?,
        b: read_flag(&mut fields, "b")?,
        c: read_flag(&mut fields, "c")?,
    };
    fields.finish()?;
    Ok(tiers)
}

fn read_features(field: Field) -> Read<EfsFeatures> {
    let mut fields = field.object()?;
    let features = EfsFeatures {
        data_retention_exemption: read_flag(&mut fields, "data_retention_exemption")?,
        cmek: read_flag(&mut fields, "cmek")?,
        storage: read_flag(&mut fields, "storage")?,
    };
    fields.finish()?;
    Ok(features)
}

fn read_enforcement(
    field: Field,
    partial: &mut Vec<PartialAction>,
    ids: &Ids,
    now: Timestamp,
) -> Read<Enforcement> {
    let (mut open, mut past) = (Vec::new(), Vec::new());
    let mut seen = std::collections::HashSet::new();
    for element in field.array()? {
        let path = element.path.clone();
        let fields = element.object()?;
        let lacks_id = !fields.contains("id");
        let lacks_opened_at = !fields.contains("opened_at");
        let (action, ending) = read_action(fields, |_| {
            Some(ActionDefaults {
                id: ids.enforcement_action(now),
                opened_at: now,
            })
        })?;
        if lacks_id || lacks_opened_at {
            partial.push(PartialAction {
                id: action.id().clone(),
                lacks_id,
                lacks_opened_at,
            });
        }
        if !seen.insert(action.id().clone()) {
            return Err(FieldError::new(
                format!("{path}.id"),
                "stands twice in this record",
            ));
        }
        match ending {
            None => open.push(action),
            Some(ending) => past.push(ending.of(action)),
        }
    }
    if open.len() > rollcall_domain::enforcement::OPEN_ACTIONS {
        let most = rollcall_domain::enforcement::OPEN_ACTIONS;
        let message = format!("must have at most {most} open actions");
        return Err(FieldError::new("enforcement_actions", message));
    }
    Ok(Enforcement::new(open, past))
}

fn read_webhook_endpoint(mut fields: Fields) -> Read<WebhookEndpointRecord> {
    let mut text = |name: &'static str| -> Read<String> {
        fields
            .take(name)
            .map_or_else(|| Ok(String::new()), |f| f.string().map(|(_, text)| text))
    };
    let (name, description) = (text("name")?, text("description")?);
    let id = fields
        .take("id")
        .map(|field| field.parsed(WebhookEndpointId::parse))
        .transpose()?;
    let (_, url) = fields.required("url")?.string()?;
    let mut enabled_events = Vec::new();
    for element in fields.required("enabled_events")?.array()? {
        let event_type = element.parsed(Subscription::parse)?;
        if !enabled_events.contains(&event_type) {
            enabled_events.push(event_type);
        }
    }
    fields.finish()?;
    Ok(WebhookEndpointRecord {
        id,
        url,
        enabled_events,
        name,
        description,
    })
}

/// Appends the record of `profile` and a line break.
pub fn write(out: &mut String, organization_id: &OrganizationId, profile: &Profile) {
    let nothing = ControlsLeftOut::default();
    write_but(out, organization_id, profile, &nothing);
}

/// Appends a record as it was understood, with the ids and times that it left out, and a line break; what it
/// left out of its data controls stays left out.
pub fn write_record(out: &mut String, organization_id: &OrganizationId, record: &ProfileRecord) {
    let left_out = &record.left_out.data_controls;
    write_but(out, organization_id, &record.profile, left_out);
}

fn write_but(
    out: &mut String,
    organization_id: &OrganizationId,
    profile: &Profile,
    left_out: &ControlsLeftOut,
) {
    out.push_str(r#"{"type":"user_profile","organization_id":"#);
    write_string(out, organization_id.as_str());
    out.push_str(r#","id":"#);
    write_string(out, profile.id.as_str());
    out.push_str(r#","created_at":"#);
    write_time(out, profile.created_at);
    out.push_str(r#","updated_at":"#);
    write_time(out, profile.updated_at);
    out.push_str(r#","access_type":"#);
    write_string(out, profile.relationship.access_type().as_str());
    out.push_str(r#","relationship":"#);
    write_string(out, profile.relationship.as_str());
    out.push_str(r#","name":"#);
    write_text(out, profile.name.as_ref().map(Name::as_str));
    out.push_str(r#","external_user_details":"#);
    write_details(out, &profile.details);
    out.push_str(r#","metadata":"#);
    write_metadata(out, &profile.metadata);
    out.push_str(r#","programs":"#);
    write_programs(out, &profile.programs);
    out.push_str(r#","enforcement_actions":"#);
    write_enforcement(out, &profile.enforcement);
    if !profile.data_controls.is_untouched() || *left_out != ControlsLeftOut::default() {
        out.push_str(r#","google_data_controls":"#);
        data_controls::write_record(out, profile, left_out);
    }
    out.push_str("}\n");
}

/// Appends the actions of a record, past ones first.
pub fn write_enforcement(out: &mut String, enforcement: &Enforcement) {
    let past = enforcement
        .past()
        .iter()
        .map(|past| (&past.action, Some(past)));
    let open = enforcement.unresolved().iter().map(|action| (action, None));
    let all: Vec<_> = past.chain(open).collect();
    write_array(out, &all, |out, (action, past)| {
        write_action(out, action, *past);
    });
}

/// Appends the programs of a record: `{name:{status, tiers?, requirements?, features?}}`.
pub fn write_programs(out: &mut String, programs: &Programs) {
    let activity = |active: bool| if active { "\"active\"" } else { "\"inactive\"" };
    let mut before = '{';
    if let Some(cyber) = programs.cyber {
        out.push_str(r#"{"cyber":{"status":"#);
        write_string(out, cyber.status().as_str());
        let tiers = cyber.tiers();
        for (key, active) in [
            (r#","tiers":{"a":"#, tiers.a),
            (r#","b":"#, tiers.b),
            (r#","c":"#, tiers.c),
        ] {
            out.push_str(key);
            out.push_str(activity(active));
        }
        out.push('}');
        if let Some(requirements) = cyber.requirements() {
            let flag = |flag: bool| if flag { "true" } else { "false" };
            out.push_str(r#","requirements":{"data_retention":"#);
            out.push_str(flag(requirements.data_retention));
            out.push_str(r#","human_review":"#);
            out.push_str(flag(requirements.human_review));
            out.push('}');
        }
        out.push('}');
        before = ',';
    }
    if let Some(Efs { status, features }) = programs.efs {
        out.push(before);
        out.push_str(r#""efs":{"status":"#);
        write_string(out, status.as_str());
        for (key, active) in [
            (
                r#","features":{"data_retention_exemption":"#,
                features.data_retention_exemption,
            ),
            (r#","cmek":"#, features.cmek),
            (r#","storage":"#, features.storage),
        ] {
            out.push_str(key);
            out.push_str(activity(active));
        }
        out.push_str("}}");
        before = ',';
    }
    for (name, status) in &programs.own {
        out.push(before);
        write_string(out, name.as_str());
        out.push_str(r#":{"status":"#);
        write_string(out, status.as_str());
        out.push('}');
        before = ',';
    }
    out.push_str(if before == '{' { "{}" } else { "}" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rollcall_domain::data_controls::{ControlKind, Region, Validation};

    fn now() -> Timestamp {
        Timestamp::from_micros(1_780_000_000_000_000).unwrap()
    }

    fn read(line: &str) -> Result<Record, LineError> {
        parse(line.as_bytes(), &Ids::default(), now())
    }

    fn problem(line: &str) -> String {
        read(line).unwrap_err().to_string()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(profile in crate::document::tests::profile()) {
            let mut profile = profile;
            profile.details.onboarded_at = profile.details.onboarded_at.map(|at| at.min(now()));
            profile.updated_at = profile.updated_at.max(profile.created_at);
            let organization = OrganizationId::parse("org").unwrap();
            let mut line = String::new();
            write(&mut line, &organization, &profile);
            let expected = Record::Profile {
                organization_id: Some(organization),
                profile: Box::new(profile.into()),
            };
            prop_assert_eq!(read(&line), Ok(expected));
        }
    }

    #[test]
    fn a_line_needs_its_type_alone() {
        let Record::Profile {
            organization_id: None,
            profile,
        } = read(r#"{"type":"user_profile"}"#).unwrap()
        else {
            panic!("not a profile without an organization");
        };
        let ProfileRecord { profile, left_out } = *profile;
        assert_eq!((profile.created_at, profile.updated_at), (now(), now()));
        assert!(left_out.created_at && left_out.updated_at);
    }

    #[test]
    fn each_mistake_is_named_with_its_place() {
        for (line, expected) in [
            ("nope", "not valid JSON: expected value at column 2"),
            ("[]", "must be a JSON object"),
            ("{}", "type: is required"),
            (
                r#"{"type":"order"}"#,
                "type: must be one of: user_profile, webhook_endpoint",
            ),
            (
                r#"{"type":"user_profile","nickname":1}"#,
                "nickname: Extra inputs are not permitted",
            ),
            (
                r#"{"type":"user_profile","programs":{"cyber":{"status":"done"}}}"#,
                "programs.cyber.status: must be one of: active, pending, rejected",
            ),
            (
                r#"{"type":"user_profile","programs":{"cyber":{"status":"pending","tiers":{"a":"active"}}}}"#,
                "programs.cyber.status: must be active while a tier is active",
            ),
            (
                r#"{"type":"user_profile","external_user_details":{"onboarded_at":"2999-01-01T00:00:00Z"}}"#,
                "external_user_details.onboarded_at: must not be more than 1 minute in the future",
            ),
            (
                r#"{"type":"user_profile","access_type":"application","relationship":"resold"}"#,
                "access_type: must be passthrough beside relationship resold",
            ),
            (
                r#"{"type":"user_profile","enforcement_actions":[{"type":"ban","reason":"high_harm","action":"verify"}]}"#,
                "enforcement_actions.0.action: must be null for a ban",
            ),
            (
                r#"{"type":"user_profile","enforcement_actions":[{"type":"restriction","reason":"account_compromise","action":"verify"}]}"#,
                "enforcement_actions.0.action: must be null when reason is account_compromise",
            ),
            (
                r#"{"type":"user_profile","enforcement_actions":[{"type":"restriction","reason":"account_compromise","identity_check":"submitted"}]}"#,
                "enforcement_actions.0.identity_check: must be null when reason is account_compromise",
            ),
            (
                r#"{"type":"user_profile","google_data_controls":{"cmek":{"type":"enabled","external_key_ids":{}}}}"#,
                "google_data_controls.cmek.external_key_ids: must have at least one region",
            ),
            (
                r#"{"type":"user_profile","google_data_controls":{"cmek":{"type":"disabled","external_key_ids":{}}}}"#,
                "google_data_controls.cmek.external_key_ids: Extra inputs are not permitted",
            ),
            (
                r#"{"type":"user_profile","google_data_controls":{"cmek":{"type":"enabled","external_key_ids":{"mars":"ekey_1"}}}}"#,
                "google_data_controls.cmek.external_key_ids.mars: is no region; a region must be one of: us, eu, sg, global",
            ),
            (
                r#"{"type":"user_profile","google_data_controls":{"storage":{"type":"enabled","buckets":{"us":{"bucket_name":"abc","project_number":"1"},"eu":{"bucket_name":"abc","project_number":"1"}}}}}"#,
                "google_data_controls.storage.buckets.eu: serves another region already",
            ),
            (
                r#"{"type":"user_profile","google_data_controls":{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1"},"status":{"us":{"type":"failed"}}}}}"#,
                "google_data_controls.cmek.status.us.error: is required",
            ),
            (
                r#"{"type":"user_profile","google_data_controls":{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1"},"status":{"eu":{"type":"suspended"}}}}}"#,
                "google_data_controls.cmek.status.eu: must be not_configured without a key",
            ),
            (
                r#"{"type":"user_profile","google_data_controls":{"cmek":{"type":"enabled","external_key_ids":{"us":"ekey_1"},"status":{"us":{"type":"active","effective_external_key_id":"ekey_2","validated_at":"2026-01-01T00:00:00Z"}}}}}"#,
                "google_data_controls.cmek.status.us.effective_external_key_id: must be the key that the region is given, while it is active",
            ),
            (
                r#"{"type":"user_profile","google_data_controls":{"cmek":{"type":"enabled","external_key_ids":{"mars":7,"eu":7,"us":"key"}}}}"#,
                "google_data_controls.cmek.external_key_ids.us: must be the ID of an external key: ekey_ and 1 to 122 characters from A-Z a-z 0-9 _ -",
            ),
            (
                r#"{"type":"user_profile","id":"uprof_1","google_data_controls":{"user_profile_id":"uprof_2"}}"#,
                "google_data_controls.user_profile_id: must be the ID of this profile",
            ),
        ] {
            assert_eq!(problem(line), expected, "{line}");
        }
    }

    #[test]
    fn what_a_record_does_not_say_of_regions_follows_from_the_rest() {
        let active = r#"{"type":"active","validated_at":"2026-01-01T00:00:00Z"}"#;
        let line = format!(
            r#"{{"type":"user_profile","google_data_controls":{{"bucket_label_value":null,"cmek":{{"type":"enabled","external_key_ids":{{"us":"ekey_1","eu":"ekey_2","sg":"ekey_3"}},"status":{{"us":{active},"eu":{{"type":"suspended"}}}}}}}}}}"#
        );
        let Ok(Record::Profile { profile, .. }) = read(&line) else {
            panic!("not read: {line}");
        };
        let ProfileRecord { profile, left_out } = *profile;
        let regions = &profile.data_controls.cmek.regions;
        let us = &regions[&Region::Us];
        assert_eq!(us.effective.as_ref(), Some(&us.resource));
        for region in [Region::Eu, Region::Sg] {
            assert!(
                matches!(regions[&region].validation, Validation::Pending { since, .. } if since == now())
            );
        }
        let cmek = ControlKind::Cmek;
        let expected = ControlsLeftOut {
            label: true,
            updated_at: true,
            since: vec![(cmek, Region::Eu), (cmek, Region::Sg)],
        };
        assert_eq!(left_out.data_controls, expected);
    }

    #[test]
    fn what_a_record_left_out_of_data_controls_is_not_written_for_it() {
        let organization = OrganizationId::parse("org").unwrap();
        for (line, expected) in [
            (r#"{"type":"user_profile","id":"uprof_1"}"#, None),
            (
                r#"{"type":"user_profile","id":"uprof_1","google_data_controls":{}}"#,
                Some(ControlsLeftOut {
                    label: true,
                    updated_at: true,
                    since: Vec::new(),
                }),
            ),
            (
                r#"{"type":"user_profile","id":"uprof_1","google_data_controls":{"bucket_label_value":"00112233445566778899aabbccddeeff"}}"#,
                Some(ControlsLeftOut {
                    label: false,
                    updated_at: true,
                    since: Vec::new(),
                }),
            ),
        ] {
            let Ok(Record::Profile { profile, .. }) = read(line) else {
                panic!("not read: {line}");
            };
            let mut written = String::new();
            write_record(&mut written, &organization, &profile);
            let is_written = written.contains("google_data_controls");
            assert_eq!(is_written, expected.is_some(), "{line}");
            let Ok(Record::Profile { profile: again, .. }) = read(&written) else {
                panic!("not read: {written}");
            };
            assert_eq!(again.profile, profile.profile);
            let left_out = again.left_out.data_controls;
            assert_eq!(left_out, expected.unwrap_or_default(), "{line}");
        }
    }

    #[test]
    fn an_answer_of_the_api_may_stand_in_a_record() {
        let status = r#"{"effective_external_key_id":null,"error":null,"type":"pending"}"#;
        let none = r#"{"effective_external_key_id":null,"type":"not_configured"}"#;
        let answer = format!(
            r#"{{"bucket_label_value":"{}","cmek":{{"external_key_ids":{{"us":"ekey_1"}},"retired_keys":[],"status":{{"us":{status},"eu":{none},"sg":{none},"global":{none}}},"type":"enabled"}},"storage":{{"retired_buckets":[],"type":"disabled"}},"type":"google_managed_data_controls","updated_at":"2026-01-01T00:00:00Z","user_profile_id":"uprof_1"}}"#,
            "0".repeat(32),
        );
        let line =
            format!(r#"{{"type":"user_profile","id":"uprof_1","google_data_controls":{answer}}}"#);
        let Ok(Record::Profile { profile, .. }) = read(&line) else {
            panic!("not read: {line}");
        };
        let profile = profile.profile;
        let mut written = String::new();
        let form = data_controls::Form::Answer;
        data_controls::write(&mut written, &profile, &profile.data_controls, form);
        assert_eq!(written, answer);
    }
}
