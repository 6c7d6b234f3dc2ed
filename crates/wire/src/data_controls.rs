//! The data controls of a profile: what a platform sends, what the operator reports, and what both are answered
//! (contract `data-controls.md`). The object itself is [`rollcall_record::data_controls`]'s, because records
//! hold it too.

use std::collections::BTreeMap;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::data_controls::{
    BucketReference, ControlKind, ControlUpdate, DataControlsUpdate, ExternalKeyId, Region,
    RegionReport, Report, Resource, Validator,
};
use rollcall_domain::profile::Profile;
use rollcall_domain::text::Explanation;
use rollcall_record::data_controls::{
    self as text, Form, read_bucket, read_by_region, read_facts, read_failed_checks,
};
use rollcall_record::field::{Field, FieldError, Fields, Read};

use crate::error::ApiError;
use crate::parts::body_fields;

/// Reads `{cmek?, storage?}`, each `{"type":"disabled"}` or enabled with what regions are given.
pub fn parse_update(body: &[u8]) -> Result<DataControlsUpdate, ApiError> {
    let mut fields = body_fields(body)?;
    let cmek = fields.take("cmek").map(|field| {
        control(field, "external_key_ids", |field| {
            field.optional(|map| read_by_region(map, |_, field| key(field)))
        })
    });
    let storage = fields.take("storage").map(|field| {
        control(field, "buckets", |field| {
            let bucket = |_, field: Field| field.optional(read_bucket);
            read_by_region(field, bucket).map(Some)
        })
    });
    let update = DataControlsUpdate {
        cmek: cmek.transpose()?,
        storage: storage.transpose()?,
    };
    fields.finish()?;
    Ok(update)
}

fn key(field: Field) -> Read<Option<ExternalKeyId>> {
    field.optional(|field| field.parsed(ExternalKeyId::parse))
}

type Given<R> = BTreeMap<Region, Option<R>>;

fn control<R: Resource>(
    field: Field,
    name: &'static str,
    read: impl FnOnce(Field) -> Read<Option<Given<R>>>,
) -> Read<ControlUpdate<R>> {
    let mut fields = field.object()?;
    let is_enabled = fields.required("type")?.parsed(text::parse_enabled)?;
    let update = if is_enabled {
        let given = fields.take(name).map(read).transpose()?.flatten();
        ControlUpdate::Enabled(given.unwrap_or_default())
    } else {
        ControlUpdate::Disabled
    };
    fields.finish()?;
    Ok(update)
}

/// Reads the region in a path or a form.
pub fn parse_region(segment: &str) -> Result<Region, ApiError> {
    Region::parse(segment).map_err(|error| ApiError::at("region", error))
}

/// Reads `{status, error?, failed_checks?, kms_key_name?, location?, project_id?}`, of which each control and
/// each status has its own part.
pub fn parse_report(mut fields: Fields, control: ControlKind) -> Result<RegionReport, ApiError> {
    let status = fields.required("status")?.parsed(|status| match status {
        "active" => Ok(Reported::Active),
        "pending" => Ok(Reported::Pending),
        "failed" => Ok(Reported::Failed),
        "suspended" => Ok(Reported::Suspended),
        _ => Err("must be one of: active, pending, failed, suspended"),
    })?;
    let report = match control {
        ControlKind::Cmek => RegionReport::Cmek(key_report(&mut fields, status)?),
        ControlKind::Storage => RegionReport::Storage(bucket_report(&mut fields, status)?),
    };
    let is_other =
        |(name, field): &(String, Field)| !field.is_null() || !MEMBERS.contains(&name.as_str());
    match fields.take_all().into_iter().find(is_other) {
        None => Ok(report),
        Some((name, field)) if MEMBERS.contains(&name.as_str()) => {
            let status = report.status();
            let message = format!("must be left out when {control} is {status}");
            Err(field.error(message).into())
        }
        Some((_, field)) => Err(field.error("Extra inputs are not permitted").into()),
    }
}

/// What some report or other may say.
const MEMBERS: [&str; 5] = [
    "error",
    "failed_checks",
    "kms_key_name",
    "location",
    "project_id",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reported {
    Active,
    Pending,
    Failed,
    Suspended,
}

/// Why a region failed of which the operator does not say it.
const NO_REASON: &str = "The key cannot be used";

fn key_report(fields: &mut Fields, status: Reported) -> Read<Report<ExternalKeyId>> {
    if status == Reported::Suspended {
        return Ok(Report::Suspended);
    }
    let place = fields.path("error");
    let error = match fields.take_non_null("error") {
        Some(error) => Some(error.parsed(Explanation::parse)?),
        // A failed region always tells why.
        None if status == Reported::Failed => {
            let error = Explanation::parse(NO_REASON);
            Some(error.map_err(|error| FieldError::new(place, error))?)
        }
        None => None,
    };
    Ok(match status {
        Reported::Active => Report::Active(error, ()),
        Reported::Failed => Report::Failed(error),
        Reported::Pending | Reported::Suspended => Report::Pending(error),
    })
}

fn bucket_report(fields: &mut Fields, status: Reported) -> Read<Report<BucketReference>> {
    if status == Reported::Suspended {
        return Ok(Report::Suspended);
    }
    let checks = fields.take_non_null("failed_checks");
    let checks = checks
        .map(read_failed_checks)
        .transpose()?
        .unwrap_or_default();
    Ok(match status {
        Reported::Active => Report::Active(checks, read_facts(fields)?),
        Reported::Failed => Report::Failed(checks),
        Reported::Pending | Reported::Suspended => Report::Pending(checks),
    })
}

/// Appends the object of `profile` as it is at `now`.
pub fn write_data_controls(
    out: &mut String,
    profile: &Profile,
    now: Timestamp,
    validator: Validator,
) {
    let controls = profile.data_controls.as_of(now, validator);
    text::write(out, profile, &controls, Form::Answer);
}
