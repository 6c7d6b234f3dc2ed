//! The data controls of a profile as text: the object of the contract's `data-controls.md`, in answers, in
//! records and in the profile's document.
//!
//! One reader takes all three forms, so that an answer of the API can stand in a record as it is. Records and
//! documents say what an answer does not show: since when a region is pending, what a suspended one is
//! otherwise, and what is known of a bucket that is applied still or has retired. A document leaves out what
//! follows from the rest.

mod resource;

use std::collections::BTreeMap;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::data_controls::{
    BucketLabel, Configured, Control, ControlKind, DataControls, Region, RegionStatus, Resource,
    Retired, Validation,
};
use rollcall_domain::id::ProfileId;
use rollcall_domain::profile::{ControlsLeftOut, Profile};

use self::resource::Written;
pub use self::resource::{Form, read_bucket, read_facts, read_failed_checks};
use crate::field::{Field, FieldError, Read};
use crate::json::write_string;
use crate::writing::{member, write_array, write_optional_time, write_time};

const OBJECT_TYPE: &str = "google_managed_data_controls";

/// Reads the members of a map from regions, each by `read`, in the order of the regions.
pub fn read_by_region<T>(
    field: Field,
    mut read: impl FnMut(Region, Field) -> Read<T>,
) -> Read<BTreeMap<Region, T>> {
    let mut fields = field.object()?;
    let mut by_region = BTreeMap::new();
    for region in Region::ALL {
        if let Some(field) = fields.take(region.as_str()) {
            by_region.insert(*region, read(*region, field)?);
        }
    }
    for (name, field) in fields.take_all() {
        Region::parse(&name)
            .map_err(|error| field.error(format!("is no region; a region {error}")))?;
    }
    Ok(by_region)
}

/// What is known of a profile while its data controls are read.
pub(crate) struct Around<'a> {
    /// Its id.
    pub(crate) id: &'a ProfileId,
    /// When it was created, where that is stated.
    pub(crate) created_at: Option<Timestamp>,
    /// Since when a region is pending of which that is not stated; the last change, without it.
    pub(crate) since: Option<Timestamp>,
}

/// Reads the data controls of a profile in any form, and what they leave out.
pub(crate) fn read(field: Field, around: &Around<'_>) -> Read<(DataControls, ControlsLeftOut)> {
    let mut fields = field.object()?;
    let label = fields.take_non_null("bucket_label_value");
    let label = label.map(|label| label.parsed(BucketLabel::parse));
    let label = label.transpose()?;
    // Controls come first in the table, and what is wrong with this is told after them.
    let updated_at = fields.take_non_null("updated_at").map(Field::timestamp);
    let last = match &updated_at {
        Some(Ok(updated_at)) => Some(*updated_at),
        Some(Err(_)) | None => around.created_at,
    };
    let since = around.since.or(last).unwrap_or(Timestamp::EPOCH);
    let mut lacking = Vec::new();
    let cmek = fields.take("cmek");
    let cmek = cmek.map(|field| read_control(field, since, &mut lacking));
    let cmek = cmek.transpose()?.unwrap_or_default();
    let storage = fields.take("storage");
    let storage = storage.map(|field| read_control(field, since, &mut lacking));
    let storage = storage.transpose()?.unwrap_or_default();
    if let Some(field) = fields.take("type") {
        field.parsed(|text| match text {
            OBJECT_TYPE => Ok(()),
            _ => Err(format!("must be {OBJECT_TYPE}")),
        })?;
    }
    let updated_at = updated_at.transpose()?;
    if let Some(field) = fields.take("user_profile_id") {
        field.parsed(|text| match text {
            _ if text == around.id.as_str() => Ok(()),
            _ => Err("must be the ID of this profile"),
        })?;
    }
    fields.finish()?;
    let left_out = ControlsLeftOut {
        label: label.is_none(),
        updated_at: updated_at.is_none(),
        since: lacking,
    };
    let controls = DataControls {
        label: label.filter(|label| *label != BucketLabel::of(around.id)),
        updated_at: updated_at.filter(|at| Some(*at) != around.created_at),
        cmek,
        storage,
    };
    Ok((controls, left_out))
}

fn read_control<R: Written>(
    field: Field,
    since: Timestamp,
    lacking: &mut Vec<(ControlKind, Region)>,
) -> Read<Control<R>> {
    let mut fields = field.object()?;
    let place = fields.path(R::GIVEN);
    let mut given = BTreeMap::new();
    let mut statuses = BTreeMap::new();
    // A document does not repeat what its members tell.
    let told = fields.take("type").map(|field| field.parsed(parse_enabled));
    let is_enabled = told.transpose()?.unwrap_or(fields.contains(R::GIVEN));
    if is_enabled {
        let field = fields.required(R::GIVEN)?;
        let path = field.path.clone();
        given = read_by_region(field, |_, field| R::read_known(field))?;
        if given.is_empty() {
            return Err(FieldError::new(path, "must have at least one region"));
        }
        if let Some(field) = fields.take("status") {
            statuses = read_by_region(field, |region, field| {
                let path = field.path.clone();
                let resource = given.get(&region).map(|(resource, _)| resource);
                read_status(field, resource).map(|status| (path, status))
            })?;
        }
    }
    let retired = fields.take(R::RETIRED).map(read_retired).transpose()?;
    fields.finish()?;
    let mut regions = BTreeMap::new();
    for (region, (resource, facts)) in given {
        let standing = match statuses.remove(&region) {
            None => Standing::default(),
            Some((_, Some(standing))) => standing,
            Some((path, None)) => {
                let message = format!("must not be not_configured beside a {}", R::KIND.noun());
                return Err(FieldError::new(path, message));
            }
        };
        if standing.lacks_since() {
            lacking.push((R::KIND, region));
        }
        let configured = Configured {
            resource,
            facts,
            effective: standing.effective,
            effective_facts: standing.effective_facts,
            validation: standing.validation.since(since),
            is_suspended: standing.is_suspended,
        };
        regions.insert(region, configured);
    }
    for (path, status) in statuses.into_values() {
        if status.is_some() {
            let message = format!("must be not_configured without a {}", R::KIND.noun());
            return Err(FieldError::new(path, message));
        }
    }
    let control = Control {
        regions,
        retired: retired.unwrap_or_default(),
    };
    let mut regions = Region::ALL.iter().rev();
    match regions.find(|region| control.clashes_at(**region)) {
        Some(region) => {
            let path = format!("{place}.{region}");
            Err(FieldError::new(path, "serves another region already"))
        }
        None => Ok(control),
    }
}

/// Reads the `type` of a control.
pub fn parse_enabled(text: &str) -> Result<bool, &'static str> {
    match text {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        _ => Err("must be one of: disabled, enabled"),
    }
}

fn read_retired<R: Written>(field: Field) -> Read<Vec<Retired<R>>> {
    let retired = field.array()?.into_iter().map(|element| {
        let mut fields = element.object()?;
        let expires_at = fields.required("expires_at")?.timestamp()?;
        let (resource, facts) = R::read_retired(&mut fields)?;
        let retired = Retired {
            expires_at,
            resource,
            facts,
            region: fields.required("region")?.parsed(Region::parse)?,
        };
        fields.finish()?;
        Ok(retired)
    });
    let mut retired: Vec<Retired<R>> = retired.collect::<Read<_>>()?;
    retired.sort_by_key(|it| (it.expires_at, it.region));
    Ok(retired)
}

/// Where a region with something stands.
struct Standing<R: Resource> {
    effective: Option<R>,
    effective_facts: R::Facts,
    validation: ReadValidation<R>,
    is_suspended: bool,
}

/// A validation that may not say since when it goes on.
enum ReadValidation<R: Resource> {
    Pending(R::Findings, Option<Timestamp>),
    Other(Validation<R::Findings>),
}

impl<R: Resource> ReadValidation<R> {
    fn since(self, otherwise: Timestamp) -> Validation<R::Findings> {
        match self {
            Self::Pending(findings, since) => Validation::Pending {
                findings,
                since: since.unwrap_or(otherwise),
            },
            Self::Other(validation) => validation,
        }
    }
}

impl<R: Resource> Standing<R> {
    fn lacks_since(&self) -> bool {
        matches!(self.validation, ReadValidation::Pending(_, None))
    }
}

impl<R: Resource> Default for Standing<R> {
    fn default() -> Self {
        Self {
            effective: None,
            effective_facts: R::Facts::default(),
            validation: ReadValidation::Pending(R::Findings::default(), None),
            is_suspended: false,
        }
    }
}

/// Reads a status of a region that was given `resource`; `None` for one that has nothing.
fn read_status<R: Written>(field: Field, resource: Option<&R>) -> Read<Option<Standing<R>>> {
    let mut fields = field.object()?;
    let place = fields.path(R::EFFECTIVE);
    let effective = fields.take_non_null(R::EFFECTIVE);
    let (effective, facts) = effective.map(R::read_known).transpose()?.unzip();
    // Those of what it was given stand with that.
    let effective_facts = match &effective {
        Some(it) if Some(it) != resource => facts.unwrap_or_default(),
        _ => R::Facts::default(),
    };
    let status = fields.required("type")?.parsed(RegionStatus::parse)?;
    let validation = match status {
        RegionStatus::NotConfigured => {
            fields.finish()?;
            return Ok(None);
        }
        RegionStatus::Suspended => {
            let place = fields.path("otherwise");
            let otherwise = fields.take_non_null("otherwise");
            let otherwise = otherwise.map(|field| read_status(field, resource));
            let otherwise = otherwise.transpose()?;
            fields.finish()?;
            let standing = match otherwise {
                None => Standing {
                    effective,
                    effective_facts,
                    ..Standing::default()
                },
                Some(Some(standing)) if !standing.is_suspended => standing,
                Some(_) => {
                    let message = "must be one of: pending, active, failed";
                    return Err(FieldError::new(place, message));
                }
            };
            return Ok(Some(Standing {
                is_suspended: true,
                ..standing
            }));
        }
        RegionStatus::Pending => ReadValidation::Pending(
            R::read_findings(&mut fields, status)?,
            fields
                .take_non_null("since")
                .map(Field::timestamp)
                .transpose()?,
        ),
        RegionStatus::Active => ReadValidation::Other(Validation::Active {
            findings: R::read_findings(&mut fields, status)?,
            last_checked_at: if R::TELLS_CHECKS {
                let checked = fields.take_non_null("last_checked_at");
                checked.map(Field::timestamp).transpose()?
            } else {
                None
            },
            validated_at: fields.required("validated_at")?.timestamp()?,
        }),
        RegionStatus::Failed => ReadValidation::Other(Validation::Failed {
            findings: R::read_findings(&mut fields, status)?,
        }),
    };
    fields.finish()?;
    let effective = match (status, effective) {
        (RegionStatus::Active, Some(effective)) if Some(&effective) != resource => {
            let message = format!(
                "must be the {} that the region is given, while it is active",
                R::KIND.noun()
            );
            return Err(FieldError::new(place, message));
        }
        (RegionStatus::Active, None) => resource.cloned(),
        (_, effective) => effective,
    };
    Ok(Some(Standing {
        effective,
        effective_facts,
        validation,
        is_suspended: false,
    }))
}

/// Appends `controls`, which are those of `profile`, perhaps as of some later time.
pub fn write(out: &mut String, profile: &Profile, controls: &DataControls, form: Form) {
    write_stating(out, profile, controls, form, &ControlsLeftOut::default());
}

/// Appends the data controls of a record, without what it left out.
pub(crate) fn write_record(out: &mut String, profile: &Profile, left_out: &ControlsLeftOut) {
    let controls = &profile.data_controls;
    write_stating(out, profile, controls, Form::Record, left_out);
}

fn write_stating(
    out: &mut String,
    profile: &Profile,
    controls: &DataControls,
    form: Form,
    left_out: &ControlsLeftOut,
) {
    let is_document = form == Form::Document;
    let mut before = "{";
    if !left_out.label && (!is_document || controls.label.is_some()) {
        member(out, before, "bucket_label_value", |out| {
            write_string(out, &profile.bucket_label().to_string());
        });
        before = ",";
    }
    member(out, before, "cmek", |out| {
        write_control(out, &controls.cmek, form);
    });
    member(out, ",", "storage", |out| {
        write_control(out, &controls.storage, form);
    });
    if !is_document {
        member(out, ",", "type", |out| write_string(out, OBJECT_TYPE));
    }
    if !left_out.updated_at {
        let updated_at = controls.updated_at;
        let updated_at = if is_document {
            updated_at
        } else {
            updated_at.or(Some(profile.created_at))
        };
        member(out, ",", "updated_at", |out| {
            write_optional_time(out, updated_at);
        });
    }
    if !is_document {
        member(out, ",", "user_profile_id", |out| {
            write_string(out, profile.id.as_str());
        });
    }
    out.push('}');
}

fn write_control<R: Written>(out: &mut String, control: &Control<R>, form: Form) {
    let is_enabled = !control.regions.is_empty();
    let mut before = "{";
    if is_enabled {
        member(out, before, R::GIVEN, |out| {
            let mut before = "{";
            for (region, configured) in &control.regions {
                member(out, before, region.as_str(), |out| {
                    configured.resource.write_known(out, &configured.facts);
                });
                before = ",";
            }
            out.push('}');
        });
        before = ",";
    }
    member(out, before, R::RETIRED, |out| {
        write_array(out, &control.retired, |out, retired| {
            R::write_retired(out, retired, form);
        });
    });
    if is_enabled {
        member(out, ",", "status", |out| {
            let mut before = "{";
            for region in Region::ALL {
                let configured = control.regions.get(region);
                if configured.is_none() && form == Form::Document {
                    continue;
                }
                member(out, before, region.as_str(), |out| {
                    write_status(out, configured, form);
                });
                before = ",";
            }
            out.push('}');
        });
    }
    if form != Form::Document {
        let kind = if is_enabled { "enabled" } else { "disabled" };
        member(out, ",", "type", |out| write_string(out, kind));
    }
    out.push('}');
}

fn write_status<R: Written>(out: &mut String, configured: Option<&Configured<R>>, form: Form) {
    let Some(configured) = configured else {
        return write_plain_status::<R>(out, RegionStatus::NotConfigured, |_| {});
    };
    if !configured.is_suspended {
        return write_validation(out, configured, form);
    }
    write_plain_status::<R>(out, RegionStatus::Suspended, |out| {
        if form != Form::Answer {
            member(out, ",", "otherwise", |out| {
                write_validation(out, configured, form);
            });
        }
    });
}

/// The status of a region that applies nothing.
fn write_plain_status<R: Written>(
    out: &mut String,
    status: RegionStatus,
    more: impl FnOnce(&mut String),
) {
    member(out, "{", R::EFFECTIVE, |out| out.push_str("null"));
    more(out);
    member(out, ",", "type", |out| write_string(out, status.as_str()));
    out.push('}');
}

fn write_validation<R: Written>(out: &mut String, configured: &Configured<R>, form: Form) {
    member(out, "{", R::EFFECTIVE, |out| match &configured.effective {
        Some(effective)
            if form != Form::Answer && configured.effective_facts != R::Facts::default() =>
        {
            effective.write_known(out, &configured.effective_facts);
        }
        Some(effective) => effective.write(out),
        None => out.push_str("null"),
    });
    let status = match &configured.validation {
        Validation::Pending { findings, since } => {
            R::write_findings(out, findings);
            if form != Form::Answer {
                member(out, ",", "since", |out| write_time(out, *since));
            }
            RegionStatus::Pending
        }
        Validation::Active {
            findings,
            last_checked_at,
            ..
        } => {
            R::write_findings(out, findings);
            if R::TELLS_CHECKS {
                member(out, ",", "last_checked_at", |out| {
                    write_optional_time(out, *last_checked_at);
                });
            }
            RegionStatus::Active
        }
        Validation::Failed { findings } => {
            R::write_findings(out, findings);
            RegionStatus::Failed
        }
    };
    member(out, ",", "type", |out| write_string(out, status.as_str()));
    if let Validation::Active { validated_at, .. } = configured.validation {
        member(out, ",", "validated_at", |out| {
            write_time(out, validated_at);
        });
    }
    out.push('}');
}
