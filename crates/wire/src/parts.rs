//! What dialects share: reading of fields that mean the same everywhere, and pieces of answers.
//!
//! These are functions a dialect calls, never something it inherits: the order of fields, and which
//! there are, is each dialect's own and stands in its file.

use std::collections::BTreeMap;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::{EnforcementStatus, StatusRules};
use rollcall_domain::id::OrganizationId;
use rollcall_domain::page::{Order, OrderBy, ProfileListing, Start, StatusFilter};
use rollcall_domain::profile::{
    AccessType, AccountStatus, EntityType, ExternalUserDetails, ONBOARDING_TOLERANCE, Relationship,
};
use rollcall_domain::text::{
    Country, METADATA_KEYS, Metadata, MetadataKey, MetadataPatch, MetadataValue, Name, OpaqueHash,
    ReferenceId,
};
use rollcall_record::document::{DamagedDocument, ProfileView};
use rollcall_record::field::{Field, FieldError, Fields, Read};
use rollcall_record::json::{self, Json};

use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::query::Query;

/// The members of a body that must be an object.
pub(crate) fn body_fields(body: &[u8]) -> Result<Fields, ApiError> {
    let not_an_object = || ApiError::invalid("The request body must be a JSON object.");
    if body.is_empty() {
        return Err(not_an_object());
    }
    match json::parse(body)? {
        Json::Object(object) => Ok(Fields::root(object)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Err(not_an_object())
        }
    }
}

/// The members of a body that may be left out.
pub(crate) fn optional_body_fields(body: &[u8]) -> Result<Fields, ApiError> {
    body_fields(if body.is_empty() { b"{}" } else { body })
}

/// Takes a member that must be there.
pub(crate) fn required(fields: &mut Fields, name: &str) -> Read<Field> {
    fields
        .take(name)
        .ok_or_else(|| FieldError::new(fields.path(name), "is required"))
}

/// Refuses a field of another dialect. `here` says where it stands instead of being accepted, and
/// `advice` what to send.
pub(crate) fn refuse(fields: &Fields, name: &str, here: &str, advice: &str) -> Read<()> {
    if fields.contains(name) {
        let message = format!("not accepted {here}; {advice}");
        Err(FieldError::new(fields.path(name), message))
    } else {
        Ok(())
    }
}

/// Whether a body creates or changes; the two judge null and empty differently (contract, *Null,
/// empty and missing*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    Update,
}

/// A field whose type is nullable on update, where null means *unchanged*, and not on create.
fn nullable_on_update<T>(
    fields: &mut Fields,
    name: &str,
    write: Write,
    parse: impl FnOnce(Field) -> Read<T>,
) -> Read<Option<T>> {
    match write {
        Write::Create => fields.take(name).map(parse).transpose(),
        Write::Update => fields.take_non_null(name).map(parse).transpose(),
    }
}

/// `access_type`.
pub(crate) fn access_type(fields: &mut Fields, write: Write) -> Read<Option<AccessType>> {
    nullable_on_update(fields, "access_type", write, |field| {
        field.parsed(AccessType::parse)
    })
}

/// `relationship`.
pub(crate) fn relationship(fields: &mut Fields, write: Write) -> Read<Option<Relationship>> {
    nullable_on_update(fields, "relationship", write, |field| {
        field.parsed(Relationship::parse)
    })
}

/// What a new profile stores for an `access_type`.
pub(crate) fn stored_relationship(access_type: AccessType) -> Relationship {
    Relationship::External.after_writing(access_type)
}

/// `name`; null is as good as missing.
pub(crate) fn name(fields: &mut Fields) -> Read<Option<Name>> {
    let field = fields.take_non_null("name");
    field.map(|field| field.parsed(Name::parse)).transpose()
}

/// `external_id`; null is as good as missing.
pub(crate) fn external_id(fields: &mut Fields) -> Read<Option<ReferenceId>> {
    let field = fields.take_non_null("external_id");
    field
        .map(|field| field.parsed(ReferenceId::parse))
        .transpose()
}

/// A time of onboarding: never null, and at most a minute in the future.
pub(crate) fn onboarded_at(
    fields: &mut Fields,
    name: &str,
    write: Write,
    now: Timestamp,
) -> Read<Option<Timestamp>> {
    let Some(field) = fields.take(name) else {
        return Ok(None);
    };
    if field.is_null() && write == Write::Update {
        return Err(field.error(CANNOT_BE_CLEARED));
    }
    let path = field.path.clone();
    let onboarded_at = field.timestamp()?;
    if onboarded_at.since(now) > ONBOARDING_TOLERANCE {
        return Err(FieldError::new(path, TOO_FAR_AHEAD));
    }
    Ok(Some(onboarded_at))
}

/// Says what [`ONBOARDING_TOLERANCE`] allows.
const TOO_FAR_AHEAD: &str = "must not be more than 1 minute in the future";
const CANNOT_BE_CLEARED: &str = "must not be null; a value that is set cannot be cleared";

/// `external_user_details`, in the order of the contract's *Stored fields*.
pub(crate) fn external_user_details(
    fields: &mut Fields,
    write: Write,
    now: Timestamp,
) -> Read<ExternalUserDetails> {
    let Some(field) = fields.take("external_user_details") else {
        return Ok(ExternalUserDetails::default());
    };
    let mut fields = field.object()?;
    let account_status = detail(&mut fields, "account_status", write, AccountStatus::parse)?;
    let country = detail(&mut fields, "country", write, Country::parse)?;
    let email_hash = detail(&mut fields, "email_hash", write, OpaqueHash::parse)?;
    let name_hash = detail(&mut fields, "name_hash", write, OpaqueHash::parse)?;
    let entity_type = detail(&mut fields, "entity_type", write, EntityType::parse)?;
    let onboarded_at = onboarded_at(&mut fields, "onboarded_at", write, now)?;
    let reference_id = detail(&mut fields, "reference_id", write, ReferenceId::parse)?;
    fields.finish()?;
    Ok(ExternalUserDetails {
        account_status,
        country,
        email_hash,
        entity_type,
        name_hash,
        onboarded_at,
        reference_id,
    })
}

/// A detail: null is as good as missing on create, and refused on update whatever is stored.
fn detail<T, E: std::fmt::Display>(
    fields: &mut Fields,
    name: &str,
    write: Write,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Read<Option<T>> {
    match (fields.take(name), write) {
        (None, _) => Ok(None),
        (Some(field), Write::Create) if field.is_null() => Ok(None),
        (Some(field), Write::Update) if field.is_null() => Err(field.error(CANNOT_BE_CLEARED)),
        (Some(field), _) => field.parsed(parse).map(Some),
    }
}

/// `metadata` of a create.
pub(crate) fn metadata(fields: &mut Fields) -> Read<Metadata> {
    let pairs = metadata_pairs(fields, |field| field.parsed(MetadataValue::parse))?;
    Metadata::parse(pairs).map_err(|error| FieldError::new("metadata", error))
}

/// `metadata` of an update, where an empty value removes its key.
pub(crate) fn metadata_patch(fields: &mut Fields) -> Read<MetadataPatch> {
    let pairs = metadata_pairs(fields, |field| {
        field.parsed(|text| match text {
            "" => Ok(None),
            text => MetadataValue::parse(text).map(Some),
        })
    })?;
    MetadataPatch::parse(pairs).map_err(|error| FieldError::new("metadata", error))
}

fn metadata_pairs<T>(
    fields: &mut Fields,
    value: impl Fn(Field) -> Read<T>,
) -> Read<BTreeMap<MetadataKey, T>> {
    let Some(field) = fields.take("metadata") else {
        return Ok(BTreeMap::new());
    };
    let path = field.path.clone();
    let sent = field.object()?.take_all();
    if sent.len() > METADATA_KEYS {
        let message = format!("must have at most {METADATA_KEYS} keys");
        return Err(FieldError::new(path, message));
    }
    let mut pairs = BTreeMap::new();
    for (key, field) in sent {
        let key = MetadataKey::parse(&key)
            .map_err(|error| FieldError::new(path.clone(), format!("keys {error}")))?;
        pairs.insert(key, value(field)?);
    }
    Ok(pairs)
}

/// What a dialect makes of the status filter of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterRule {
    Accepted,
    Refused,
}

/// The query of a list, in the order of the contract's table.
pub(crate) fn listing(
    query: Option<&str>,
    cursors: &Cursors,
    organization: &OrganizationId,
    filter_rule: FilterRule,
) -> Result<ProfileListing, ApiError> {
    let mut query = Query::parse(query)?;
    query.unbracket(&["limit", "order", "order_by", "page", "beta"]);
    let limit = query.take_limit()?;
    let order = query.take_parsed("order", Order::parse)?;
    let order = order.unwrap_or(Order::Descending);
    let order_by = query.take_parsed("order_by", OrderBy::parse)?;
    let order_by = order_by.unwrap_or(OrderBy::CreatedAt);
    let page = query.take("page")?;
    let opened = page
        .map(|page| cursors.open(organization, &page))
        .transpose()?;
    let sent = sent_statuses(&mut query);
    if filter_rule == FilterRule::Refused && !sent.is_empty() {
        return Err(ApiError::at(
            STATUS_FILTER,
            "not accepted with a user-profiles beta header; remove the header value to use it",
        ));
    }
    let status_filter = parse_statuses(&sent)?;
    query.take_beta()?;
    query.finish()?;
    let start = match opened {
        None => Start::beginning(order_by),
        Some(opened) => Start::after(opened.position_in(order, order_by, status_filter)?),
    };
    Ok(ProfileListing {
        limit,
        order,
        start,
        status_filter,
    })
}

const STATUS_FILTER: &str = "enforcement_status";

/// Takes `enforcement_status[]`, which may also be written without brackets, mixed, and repeat.
pub(crate) fn take_status_filter(query: &mut Query) -> Result<Option<StatusFilter>, ApiError> {
    let sent = sent_statuses(query);
    parse_statuses(&sent)
}

fn sent_statuses(query: &mut Query) -> Vec<String> {
    let mut sent = query.take_all("enforcement_status[]");
    sent.extend(query.take_all(STATUS_FILTER));
    sent
}

fn parse_statuses(sent: &[String]) -> Result<Option<StatusFilter>, ApiError> {
    let statuses: Result<Vec<_>, _> = sent
        .iter()
        .map(|value| EnforcementStatus::parse(value))
        .collect();
    let statuses = statuses.map_err(|error| ApiError::at(STATUS_FILTER, error))?;
    Ok(StatusFilter::any_of(statuses))
}

/// Appends texts that are JSON, or pieces of it, already.
pub(crate) fn copy<const N: usize>(out: &mut Vec<u8>, texts: [&str; N]) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
}

/// The JSON text of `access_type`.
pub(crate) fn access_type_text(view: &ProfileView<'_>) -> &'static str {
    match view.relationship().access_type() {
        AccessType::Application => "\"application\"",
        AccessType::Passthrough => "\"passthrough\"",
    }
}

/// Writes the object of the seven details.
pub(crate) fn copy_details(out: &mut Vec<u8>, view: &ProfileView<'_>) {
    copy(
        out,
        [
            view.details_head,
            ",\"onboarded_at\":",
            view.onboarded_at,
            ",\"reference_id\":",
            view.reference_id,
            "}",
        ],
    );
}

/// Writes the map of trust grants: `cyber` when it has a status, the operator's own programs, and
/// never `efs` (contract, *`trust_grants`*).
pub(crate) fn copy_trust_grants(out: &mut Vec<u8>, view: &ProfileView<'_>) {
    let own = view.own_program_members();
    match view.cyber_status() {
        None => copy(out, ["{", own, "}"]),
        Some(status) => {
            let comma = if own.is_empty() { "" } else { "," };
            copy(
                out,
                ["{\"cyber\":{\"status\":", status, "}", comma, own, "}"],
            );
        }
    }
}

/// Writes all programs in full: `cyber` and `efs` whether or not the profile is in them, then the
/// operator's own.
pub(crate) fn copy_full_programs(out: &mut Vec<u8>, view: &ProfileView<'_>) {
    copy(out, ["{\"cyber\":", view.cyber, ",\"efs\":", view.efs]);
    copy_own_programs(out, view);
}

/// Writes the operator's own programs behind others, and ends the object.
pub(crate) fn copy_own_programs(out: &mut Vec<u8>, view: &ProfileView<'_>) {
    let own = view.own_program_members();
    let comma = if own.is_empty() { "" } else { "," };
    copy(out, [comma, own, "}"]);
}

/// Writes the actions open at `now` and the status they come to:
/// `[…],"enforcement_status":"…"`.
pub(crate) fn write_enforcement(
    out: &mut Vec<u8>,
    view: &ProfileView<'_>,
    now: Timestamp,
) -> Result<(), DamagedDocument> {
    if view.is_untouched() {
        copy(out, ["[],\"enforcement_status\":\"unrestricted\""]);
        return Ok(());
    }
    let mut rules = StatusRules::default();
    let mut before = "[";
    for action in view.actions() {
        let action = action?;
        if action.is_open_at(now) {
            copy(out, [before, action.shown, "}"]);
            rules.see(action.reason, action.kind);
            before = ",";
        }
    }
    let end = if before == "[" { "[]" } else { "]" };
    let status = rules.status().as_str();
    copy(out, [end, ",\"enforcement_status\":\"", status, "\""]);
    Ok(())
}
