//! The canonical document of a profile: what backends store and dialects copy from.
//!
//! It is one JSON object, so anyone can look at it with the database's own tools, written with one
//! member (or part of one) to a line. A line break is legal white space between JSON tokens and can
//! not occur inside compact ones, so the lines can be told apart by looking for line breaks alone:
//! [`ProfileView::parse`] cuts a document into its parts in well under a microsecond, and a dialect
//! writes its answer around the parts without parsing or escaping anything again.
//!
//! Changing the lines means a new schema version: see `STORED_LINES` and the stores' migrations.

use memchr::memchr;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::{
    ActionKind, Enforcement, EnforcementAction, EnforcementStatus, IdentityCheck, PastAction,
    Reason, Resolution, StatusRules,
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
use thiserror::Error;

use crate::field::{Field, FieldError, Fields, Read};
use crate::json::{self, Json, write_string};
use crate::time;

/// A stored text is not a profile's document: the storage was changed behind Rollcall's back.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a stored profile document is damaged: {0}")]
pub struct DamagedDocument(String);

impl From<FieldError> for DamagedDocument {
    fn from(error: FieldError) -> Self {
        Self(error.to_string())
    }
}

/// A profile's document.
#[derive(Clone, PartialEq, Eq)]
pub struct ProfileDocument(Box<str>);

impl std::fmt::Debug for ProfileDocument {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A document is personal data and must not reach a log.
        write!(formatter, "ProfileDocument({} bytes)", self.0.len())
    }
}

impl ProfileDocument {
    /// A text that a store kept.
    pub fn from_stored(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text to be stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts of the document.
    pub fn view(&self) -> Result<ProfileView<'_>, DamagedDocument> {
        ProfileView::parse(&self.0)
    }

    /// The profile that the document holds.
    pub fn decode(&self) -> Result<Profile, DamagedDocument> {
        decode(&self.0)
    }

    /// The document of `profile`.
    pub fn encode(profile: &Profile) -> Self {
        let mut out = String::with_capacity(768);
        member(&mut out, "{", STORED_LINES[0], |out| {
            write_string(out, profile.id.as_str());
        });
        member(&mut out, ",\n", "created_at", |out| {
            write_time(out, profile.created_at);
        });
        member(&mut out, ",\n", "updated_at", |out| {
            write_time(out, profile.updated_at);
        });
        let relationship = profile.relationship.as_str();
        member(&mut out, ",\n", "relationship", |out| {
            write_string(out, relationship);
        });
        let name = profile.name.as_ref().map(Name::as_str);
        member(&mut out, ",\n", "name", |out| write_text(out, name));
        member(&mut out, ",\n", "metadata", |out| {
            write_metadata(out, &profile.metadata);
        });
        member(&mut out, ",\n", "external_user_details", |out| {
            write_details(out, &profile.details);
        });
        member(&mut out, ",\n", "cyber", |out| {
            write_cyber(out, profile.programs.cyber);
        });
        member(&mut out, ",\n", "efs", |out| {
            write_efs(out, profile.programs.efs);
        });
        member(&mut out, ",\n", "own_programs", |out| {
            write_own(out, &profile.programs);
        });
        member(&mut out, ",\n", "open_actions", |out| {
            write_array(out, profile.enforcement.unresolved(), |out, action| {
                write_action(out, action, None);
            });
        });
        member(&mut out, ",\n", "past_actions", |out| {
            write_array(out, profile.enforcement.past(), |out, past| {
                write_action(out, &past.action, Some(past));
            });
        });
        out.push('}');
        Self(out.into_boxed_str())
    }
}

/// The members that begin a line, in order.
const STORED_LINES: [&str; 14] = [
    "id",
    "created_at",
    "updated_at",
    "relationship",
    "name",
    "metadata",
    "external_user_details",
    "onboarded_at",
    "reference_id",
    "cyber",
    "efs",
    "own_programs",
    "open_actions",
    "past_actions",
];

/// The parts of a document, each the JSON text of a value, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ProfileView<'a> {
    /// A string.
    pub id: &'a str,
    /// A string.
    pub created_at: &'a str,
    /// A string.
    pub updated_at: &'a str,
    /// A string: `"external"`, `"resold"` or `"internal"`.
    pub relationship: &'a str,
    /// A string or null.
    pub name: &'a str,
    /// An object of strings.
    pub metadata: &'a str,
    /// The first five of the external user details: `{"account_status":…,"name_hash":…`, without the
    /// comma that follows. The object goes on with `onboarded_at` and `reference_id`.
    pub details_head: &'a str,
    /// A string or null.
    pub onboarded_at: &'a str,
    /// A string or null.
    pub reference_id: &'a str,
    /// Null, or the object that a full answer of the newest dialect shows.
    pub cyber: &'a str,
    /// Null, or the object that a full answer of the newest dialect shows.
    pub efs: &'a str,
    /// An object: `{"name":{"status":…},…}`.
    pub own_programs: &'a str,
    open_actions: &'a str,
}

impl<'a> ProfileView<'a> {
    /// Cuts a document into its parts.
    pub fn parse(document: &'a str) -> Result<Self, DamagedDocument> {
        let mut lines = Lines {
            rest: document,
            next: 0,
        };
        let id = lines.value("{\"id\":")?;
        Ok(Self {
            id,
            created_at: lines.value("\"created_at\":")?,
            updated_at: lines.value("\"updated_at\":")?,
            relationship: lines.value("\"relationship\":")?,
            name: lines.value("\"name\":")?,
            metadata: lines.value("\"metadata\":")?,
            details_head: lines.value("\"external_user_details\":")?,
            onboarded_at: lines.value("\"onboarded_at\":")?,
            reference_id: lines
                .value("\"reference_id\":")?
                .strip_suffix('}')
                .ok_or_else(|| lines.damaged())?,
            cyber: lines.value("\"cyber\":")?,
            efs: lines.value("\"efs\":")?,
            own_programs: lines.value("\"own_programs\":")?,
            open_actions: lines.value("\"open_actions\":")?,
        })
    }

    /// The stored relationship.
    pub fn relationship(&self) -> Relationship {
        match self.relationship {
            "\"resold\"" => Relationship::Resold,
            "\"internal\"" => Relationship::Internal,
            _ => Relationship::External,
        }
    }

    /// The status in `cyber`, as JSON text (`"active"` with its quotes), if the profile has one.
    pub fn cyber_status(&self) -> Option<&'a str> {
        const KEY: &str = "\"status\":";
        let start = self.cyber.find(KEY)? + KEY.len();
        let length = self.cyber[start + 1..].find('"')? + 2;
        self.cyber.get(start..start + length)
    }

    /// The members of [`Self::own_programs`] without the braces; empty when there are none.
    pub fn own_program_members(&self) -> &'a str {
        self.own_programs
            .get(1..self.own_programs.len() - 1)
            .unwrap_or_default()
    }

    /// Whether no enforcement action is unresolved, the usual case.
    pub fn is_untouched(&self) -> bool {
        self.open_actions == "[]"
    }

    /// The unresolved enforcement actions, oldest first; some may have reached their expiry.
    pub fn actions(&self) -> ActionViews<'a> {
        let inner = self.open_actions.strip_prefix('[');
        ActionViews {
            rest: inner
                .and_then(|inner| inner.strip_suffix(']'))
                .unwrap_or_default(),
        }
    }

    /// What the actions open at `now` come to.
    pub fn enforcement_status(&self, now: Timestamp) -> Result<EnforcementStatus, DamagedDocument> {
        let mut rules = StatusRules::default();
        for action in self.actions() {
            let action = action?;
            if action.is_open_at(now) {
                rules.see(action.reason, action.kind);
            }
        }
        Ok(rules.status())
    }
}

/// An unresolved enforcement action, borrowed from a document.
#[derive(Clone, Copy, Debug)]
pub struct ActionView<'a> {
    /// The object that the newest dialect shows, without the brace that ends it.
    pub shown: &'a str,
    /// Why it was taken.
    pub reason: Reason,
    /// Restriction or ban.
    pub kind: ActionKind,
}

impl ActionView<'_> {
    /// Whether its expiry, if it has one, is still to come.
    pub fn is_open_at(&self, now: Timestamp) -> bool {
        match self.kind {
            ActionKind::Ban => true,
            ActionKind::Restriction { expires_at, .. } => {
                expires_at.is_none_or(|expires_at| expires_at > now)
            }
        }
    }
}

/// The unresolved actions of a document, read without building them: their text has one form, the one
/// that [`ProfileDocument::encode`] gives it.
#[derive(Clone, Debug)]
pub struct ActionViews<'a> {
    rest: &'a str,
}

impl<'a> Iterator for ActionViews<'a> {
    type Item = Result<ActionView<'a>, DamagedDocument>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((action, rest)) = cut_action(self.rest) else {
            self.rest = "";
            return Some(Err(DamagedDocument(
                "an enforcement action does not fit".into(),
            )));
        };
        self.rest = rest.strip_prefix(',').unwrap_or(rest);
        Some(Ok(action))
    }
}

/// Cuts the first action off.
fn cut_action(text: &str) -> Option<(ActionView<'_>, &str)> {
    let (_, rest) = cut_value(text.strip_prefix("{\"id\":")?)?;
    let (next_step, rest) = cut_value(rest.strip_prefix(",\"action\":")?)?;
    let (expires_at, rest) = cut_value(rest.strip_prefix(",\"expires_at\":")?)?;
    let (_, rest) = cut_value(rest.strip_prefix(",\"opened_at\":")?)?;
    let (reason, rest) = cut_value(rest.strip_prefix(",\"reason\":")?)?;
    let (kind, rest) = cut_value(rest.strip_prefix(",\"type\":")?)?;
    let shown = &text[..text.len() - rest.len()];
    let submitted = rest.strip_prefix(",\"identity_check\":\"submitted\"");
    let check = match (next_step, submitted) {
        (Some(_), _) => IdentityCheck::Offered,
        (None, Some(_)) => IdentityCheck::Submitted,
        (None, None) => IdentityCheck::NotOffered,
    };
    let kind = match kind? {
        "restriction" => {
            let expires_at = expires_at.map(time::parse).transpose().ok()?;
            ActionKind::Restriction { expires_at, check }
        }
        "ban" => ActionKind::Ban,
        _ => return None,
    };
    let reason = Reason::parse(reason?).ok()?;
    let rest = submitted.unwrap_or(rest).strip_prefix('}')?;
    Some((
        ActionView {
            shown,
            reason,
            kind,
        },
        rest,
    ))
}

/// Cuts a plain string or null off: its content, and what follows it.
fn cut_value(text: &str) -> Option<(Option<&str>, &str)> {
    if let Some(rest) = text.strip_prefix("null") {
        return Some((None, rest));
    }
    let (value, rest) = text.strip_prefix('"')?.split_once('"')?;
    Some((Some(value), rest))
}

/// What takes the profiles of a page, one after the other in the order of the listing.
///
/// A store hands each row over while it still holds it, so that a page is copied from the storage's
/// memory straight into the answer; no page of owned profiles exists in between. An error ends the
/// page: a damaged profile is never left out in silence.
pub trait PageSink {
    /// Takes the next profile; the view is only valid during the call.
    fn profile(&mut self, view: &ProfileView<'_>) -> Result<(), DamagedDocument>;
}

struct Lines<'a> {
    rest: &'a str,
    next: usize,
}

impl<'a> Lines<'a> {
    /// The value on the next line, which must begin with `start` and end with a comma.
    fn value(&mut self, start: &'static str) -> Result<&'a str, DamagedDocument> {
        let end = memchr(b'\n', self.rest.as_bytes()).ok_or_else(|| self.damaged())?;
        let (line, rest) = self.rest.split_at(end);
        let value = line
            .strip_prefix(start)
            .and_then(|value| value.strip_suffix(','));
        let value = value.ok_or_else(|| self.damaged())?;
        self.rest = &rest[1..];
        self.next += 1;
        Ok(value)
    }

    fn damaged(&self) -> DamagedDocument {
        let name = STORED_LINES.get(self.next).unwrap_or(&"the end");
        DamagedDocument(format!("expected {name} on line {}", self.next + 1))
    }
}

fn member(out: &mut String, before: &str, name: &str, write: impl FnOnce(&mut String)) {
    out.push_str(before);
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    write(out);
}

pub(crate) fn write_time(out: &mut String, timestamp: Timestamp) {
    out.push('"');
    time::write(out, timestamp);
    out.push('"');
}

fn write_optional_time(out: &mut String, timestamp: Option<Timestamp>) {
    match timestamp {
        Some(timestamp) => write_time(out, timestamp),
        None => out.push_str("null"),
    }
}

pub(crate) fn write_text(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => write_string(out, text),
        None => out.push_str("null"),
    }
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

fn write_details(out: &mut String, details: &ExternalUserDetails) {
    write_details_between(out, details, ",\n");
}

/// Writes the seven details on one line.
pub fn write_details_compact(out: &mut String, details: &ExternalUserDetails) {
    write_details_between(out, details, ",");
}

fn write_details_between(out: &mut String, details: &ExternalUserDetails, line_end: &str) {
    let country = details.country.as_ref().map(Country::as_str);
    let email_hash = details.email_hash.as_ref().map(OpaqueHash::as_str);
    let name_hash = details.name_hash.as_ref().map(OpaqueHash::as_str);
    let reference_id = details.reference_id.as_ref().map(ReferenceId::as_str);
    let account_status = details.account_status.map(AccountStatus::as_str);
    let entity_type = details.entity_type.map(EntityType::as_str);
    member(out, "{", "account_status", |out| {
        write_text(out, account_status);
    });
    member(out, ",", "country", |out| write_text(out, country));
    member(out, ",", "email_hash", |out| write_text(out, email_hash));
    member(out, ",", "entity_type", |out| write_text(out, entity_type));
    member(out, ",", "name_hash", |out| write_text(out, name_hash));
    member(out, line_end, "onboarded_at", |out| {
        write_optional_time(out, details.onboarded_at);
    });
    member(out, line_end, "reference_id", |out| {
        write_text(out, reference_id);
    });
    out.push('}');
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

pub(crate) fn write_array<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
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
fn write_wire_action(out: &mut String, action: &EnforcementAction) {
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

fn decode(text: &str) -> Result<Profile, DamagedDocument> {
    let parsed =
        json::parse(text.as_bytes()).map_err(|error| DamagedDocument(error.to_string()))?;
    let Json::Object(object) = parsed else {
        return Err(DamagedDocument("not an object".into()));
    };
    let mut fields = Fields::root(object);
    let profile = Profile {
        id: required(&mut fields, "id")?.parsed(ProfileId::parse)?,
        created_at: required(&mut fields, "created_at")?.timestamp()?,
        updated_at: required(&mut fields, "updated_at")?.timestamp()?,
        relationship: required(&mut fields, "relationship")?.parsed(Relationship::parse)?,
        name: required(&mut fields, "name")?.optional(|field| field.parsed(Name::parse))?,
        metadata: read_metadata(required(&mut fields, "metadata")?)?,
        details: read_details(required(&mut fields, "external_user_details")?)?,
        programs: Programs {
            cyber: required(&mut fields, "cyber")?.optional(read_cyber)?,
            efs: required(&mut fields, "efs")?.optional(read_efs)?,
            own: read_own(required(&mut fields, "own_programs")?)?,
        },
        enforcement: {
            let open = read_actions(required(&mut fields, "open_actions")?)?;
            let past = read_actions(required(&mut fields, "past_actions")?)?;
            Enforcement::new(
                open.into_iter().map(|(action, _)| action).collect(),
                past.into_iter()
                    .filter_map(|(action, end)| end.map(|end| end.of(action)))
                    .collect(),
            )
        },
    };
    fields.finish()?;
    Ok(profile)
}

pub(crate) fn required(fields: &mut Fields, name: &str) -> Read<Field> {
    fields
        .take(name)
        .ok_or_else(|| FieldError::new(fields.path(name), "is required"))
}

impl Field {
    /// `None` for null, else what `read` makes of it.
    pub fn optional<T>(self, read: impl FnOnce(Self) -> Read<T>) -> Read<Option<T>> {
        if self.is_null() {
            Ok(None)
        } else {
            read(self).map(Some)
        }
    }
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
    let mut take = |name: &str| fields.take_non_null(name);
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
fn read_activity(fields: &mut Fields, name: &str) -> Read<bool> {
    let mut inner = required(fields, name)?.object()?;
    let status = required(&mut inner, "status")?.parsed(parse_activity)?;
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
    let path = field.path.clone();
    let mut fields = field.object()?;
    let requirements = required(&mut fields, "requirements")?.optional(read_requirements)?;
    let status = required(&mut fields, "status")?.parsed(ProgramStatus::parse)?;
    let mut tiers = required(&mut fields, "tiers")?.object()?;
    let active = Tiers {
        a: read_activity(&mut tiers, "a")?,
        b: read_activity(&mut tiers, "b")?,
        c: read_activity(&mut tiers, "c")?,
    };
    tiers.finish()?;
    fields.finish()?;
    Cyber::new(status, active, requirements).map_err(|error| FieldError {
        path: path.clone(),
        message: error.to_string(),
    })
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
    let mut features = required(&mut fields, "features")?.object()?;
    let active = EfsFeatures {
        data_retention_exemption: read_activity(&mut features, "data_retention_exemption")?,
        cmek: read_activity(&mut features, "cmek")?,
        storage: read_activity(&mut features, "storage")?,
    };
    features.finish()?;
    let status = required(&mut fields, "status")?.parsed(ProgramStatus::parse)?;
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
        let status = required(&mut inner, "status")?.parsed(ProgramStatus::parse)?;
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
    let reason = required(&mut fields, "reason")?.parsed(Reason::parse)?;
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
    let place = fields.path("");
    fields.finish()?;
    let action = EnforcementAction::new(id, opened_at, reason, kind).map_err(|error| {
        let place = place.trim_end_matches('.');
        FieldError::new(place, error)
    })?;
    Ok((action, ending))
}

/// Reads `type`, `action`, `expires_at` and `identity_check` of an action.
pub fn read_action_kind(fields: &mut Fields) -> Read<ActionKind> {
    let is_ban = required(fields, "type")?.parsed(|text| match text {
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

#[cfg(test)]
#[path = "document/tests.rs"]
pub(crate) mod tests;
