//! Fields of bodies: each told once, what it is called, what it looks like and how it is read.
//!
//! Every dialect's file says which of them it takes and which it refuses, in the order of the
//! contract's *Body fields by dialect*, so that of several mistakes the first in that order is told.

use std::collections::BTreeMap;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::profile::{
    AccessType, AccountStatus, EntityType, ExternalUserDetails, ONBOARDING_TOLERANCE, ProfilePatch,
    Relationship, RelationshipPatch,
};
use rollcall_domain::text::{
    Country, METADATA_KEYS, MetadataKey, MetadataPatch, MetadataValue, Name, OpaqueHash,
    ReferenceId,
};
use rollcall_record::field::{Field as Value, FieldError, Fields, Read};
use utoipa::openapi::schema::Object;

use crate::openapi::schema::{
    self, Shape, body, choice, described, map, matching, nullable, text, time_in,
};
use crate::parts::Write;

/// A field of a body.
#[derive(Debug)]
pub(crate) struct Field {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What may be sent for it.
    pub(crate) shape: fn(Write) -> Shape,
    /// Reads what was sent for it into what the body says.
    pub(crate) read: fn(Value, Write, Timestamp, &mut ProfilePatch) -> Read<()>,
}

impl Field {
    /// Its name and what may be sent for it.
    pub(crate) fn member(&self, write: Write) -> schema::Member {
        (self.name, (self.shape)(write))
    }
}

/// `access_type`
pub(crate) const ACCESS_TYPE: Field = Field {
    name: "access_type",
    shape: |write| {
        let shape = choice(AccessType::ALL.iter().map(|value| value.as_str()));
        shape_nullable_on_update(shape, write)
    },
    read: |value, write, _, said| {
        let value = nullable_on_update(value, write, AccessType::parse)?;
        said.relationship = value.map(RelationshipPatch::AccessType);
        Ok(())
    },
};

/// `relationship`
pub(crate) const RELATIONSHIP: Field = Field {
    name: "relationship",
    shape: |write| {
        let shape = choice(Relationship::ALL.iter().map(|value| value.as_str()));
        shape_nullable_on_update(shape, write)
    },
    read: |value, write, _, said| {
        let value = nullable_on_update(value, write, Relationship::parse)?;
        said.relationship = value.map(RelationshipPatch::Relationship);
        Ok(())
    },
};

/// `name`; null is as good as missing.
pub(crate) const NAME: Field = Field {
    name: "name",
    shape: |_| {
        let words = "What you call the entity. Null is as good as left out.";
        described(nullable(text(1, Name::LIMIT)), words)
    },
    read: |value, _, _, said| {
        said.name = unless_null(value, Name::parse)?;
        Ok(())
    },
};

/// `metadata`, where an empty value of an update removes its key.
pub(crate) const METADATA: Field = Field {
    name: "metadata",
    shape: |write| {
        let (least, words) = match write {
            Write::Create => (1, "Kept with the profile."),
            Write::Update => (
                0,
                "Merged into what is there; an empty value removes its key. At most 16 keys in the result.",
            ),
        };
        let values = text(least, MetadataValue::LIMIT);
        let shape = map(text(1, MetadataKey::LIMIT), values, METADATA_KEYS);
        described(shape, words)
    },
    read: |value, write, _, said| {
        said.metadata = metadata(value, write)?;
        Ok(())
    },
};

/// `external_id`; null is as good as missing.
pub(crate) const EXTERNAL_ID: Field = Field {
    name: "external_id",
    shape: |_| {
        let words = "Your own reference for the entity; not unique. Null is as good as left out.";
        described(nullable(text(1, ReferenceId::LIMIT)), words)
    },
    read: |value, _, _, said| {
        said.details.reference_id = unless_null(value, ReferenceId::parse)?;
        Ok(())
    },
};

/// `external_user_onboarded_at`
pub(crate) const EXTERNAL_USER_ONBOARDED_AT: Field = Field {
    name: "external_user_onboarded_at",
    shape: |_| onboarded_at_shape(),
    read: |value, write, now, said| {
        said.details.onboarded_at = Some(onboarded_at_of(value, write, now)?);
        Ok(())
    },
};

/// `external_user_details`
pub(crate) const EXTERNAL_USER_DETAILS: Field = Field {
    name: "external_user_details",
    shape: |write| {
        let detail = |shape: Object| match write {
            Write::Create => nullable(shape),
            Write::Update => shape.into(),
        };
        details_shape(detail, onboarded_at_shape())
    },
    read: |value, write, now, said| {
        said.details = external_user_details(value, write, now)?;
        Ok(())
    },
};

fn shape_nullable_on_update(shape: Object, write: Write) -> Shape {
    match write {
        Write::Create => shape.into(),
        Write::Update => described(nullable(shape), "Null means unchanged."),
    }
}

/// A value whose type is nullable on update, where null means *unchanged*, and not on create.
fn nullable_on_update<T, E: std::fmt::Display>(
    value: Value,
    write: Write,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Read<Option<T>> {
    match write {
        Write::Create => value.parsed(parse).map(Some),
        Write::Update => unless_null(value, parse),
    }
}

/// A value of which null is as good as missing.
fn unless_null<T, E: std::fmt::Display>(
    value: Value,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Read<Option<T>> {
    if value.is_null() {
        return Ok(None);
    }
    value.parsed(parse).map(Some)
}

/// A time of onboarding: never null, and at most a minute in the future.
fn onboarded_at_of(value: Value, write: Write, now: Timestamp) -> Read<Timestamp> {
    if value.is_null() && write == Write::Update {
        return Err(value.error(CANNOT_BE_CLEARED));
    }
    let path = value.path.clone();
    let onboarded_at = value.timestamp()?;
    if onboarded_at.since(now) > ONBOARDING_TOLERANCE {
        return Err(FieldError::new(path, TOO_FAR_AHEAD));
    }
    Ok(onboarded_at)
}

/// Says what [`ONBOARDING_TOLERANCE`] allows.
const TOO_FAR_AHEAD: &str = "must not be more than 1 minute in the future";
const CANNOT_BE_CLEARED: &str = "must not be null; a value that is set cannot be cleared";

/// `external_user_details`, in the order of the contract's *Stored fields*.
fn external_user_details(value: Value, write: Write, now: Timestamp) -> Read<ExternalUserDetails> {
    let mut fields = value.object()?;
    let account_status = detail(&mut fields, "account_status", write, AccountStatus::parse)?;
    let country = detail(&mut fields, "country", write, Country::parse)?;
    let email_hash = detail(&mut fields, "email_hash", write, OpaqueHash::parse)?;
    let name_hash = detail(&mut fields, "name_hash", write, OpaqueHash::parse)?;
    let entity_type = detail(&mut fields, "entity_type", write, EntityType::parse)?;
    let onboarded_at = fields.take("onboarded_at");
    let onboarded_at = onboarded_at.map(|value| onboarded_at_of(value, write, now));
    let onboarded_at = onboarded_at.transpose()?;
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
    name: &'static str,
    write: Write,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Read<Option<T>> {
    match (fields.take(name), write) {
        (None, _) => Ok(None),
        (Some(value), Write::Create) if value.is_null() => Ok(None),
        (Some(value), Write::Update) if value.is_null() => Err(value.error(CANNOT_BE_CLEARED)),
        (Some(value), _) => value.parsed(parse).map(Some),
    }
}

fn onboarded_at_shape() -> Shape {
    described(time_in(), "At most 1 minute in the future.")
}

/// `external_user_details` of a record.
pub(crate) fn recorded_details() -> Shape {
    details_shape(nullable, nullable(time_in()))
}

fn details_shape(detail: impl Fn(Object) -> Shape, onboarded_at: Shape) -> Shape {
    let shape = body(
        [
            ("account_status", detail(account_status())),
            ("country", detail(country())),
            ("email_hash", detail(text(1, OpaqueHash::LIMIT))),
            ("entity_type", detail(entity_type())),
            ("name_hash", detail(text(1, OpaqueHash::LIMIT))),
            ("onboarded_at", onboarded_at),
            ("reference_id", detail(text(1, ReferenceId::LIMIT))),
        ],
        &[],
    );
    let words = "A detail that is set can be replaced and not cleared.";
    described(shape, words)
}

pub(crate) fn account_status() -> Object {
    choice(AccountStatus::ALL.iter().map(|value| value.as_str()))
}

pub(crate) fn country() -> Object {
    matching("^[A-Z]{2}$")
}

pub(crate) fn entity_type() -> Object {
    choice(EntityType::ALL.iter().map(|value| value.as_str()))
}

fn metadata(value: Value, write: Write) -> Read<MetadataPatch> {
    let path = value.path.clone();
    let sent = value.object()?.take_all();
    if sent.len() > METADATA_KEYS {
        let message = format!("must have at most {METADATA_KEYS} keys");
        return Err(FieldError::new(path, message));
    }
    let mut pairs = BTreeMap::new();
    for (key, value) in sent {
        let key = MetadataKey::parse(&key)
            .map_err(|error| FieldError::new(path.clone(), format!("keys {error}")))?;
        let value = value.parsed(|text| match (text, write) {
            ("", Write::Update) => Ok(None),
            (text, _) => MetadataValue::parse(text).map(Some),
        })?;
        pairs.insert(key, value);
    }
    MetadataPatch::parse(pairs).map_err(|error| FieldError::new("metadata", error))
}
