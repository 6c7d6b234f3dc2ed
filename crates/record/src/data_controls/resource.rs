//! Keys and buckets as text: what each region was given, what was found wrong with it, and what retired.

use rollcall_domain::data_controls::{
    AccessRole, BucketFacts, BucketReference, CheckName, ExternalKeyId, FAILED_CHECKS, FailedCheck,
    LearnedFacts, RegionStatus, Resource, Retired,
};
use rollcall_domain::text::{Explanation, ResourceName};

use crate::field::{Field, FieldError, Fields, Read};
use crate::json::write_string;
use crate::writing::{member, write_array, write_text, write_time};

/// Who reads what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A client.
    Answer,
    /// Whoever imports it.
    Record,
    /// The store.
    Document,
}

/// How keys and buckets differ as text.
pub(super) trait Written: Resource {
    /// The member with what each region was given.
    const GIVEN: &'static str;
    /// The member with what retired.
    const RETIRED: &'static str;
    /// The member of a status with what is applied.
    const EFFECTIVE: &'static str;
    /// Whether a status tells when its key last answered.
    const TELLS_CHECKS: bool;

    /// Reads it with what is known of it.
    fn read_known(field: Field) -> Read<(Self, Self::Facts)>;
    fn write_known(&self, out: &mut String, facts: &Self::Facts);
    fn write(&self, out: &mut String);
    /// Reads it from among the members of what retired.
    fn read_retired(fields: &mut Fields) -> Read<(Self, Self::Facts)>;
    fn write_retired(out: &mut String, retired: &Retired<Self>, form: Form);
    fn read_findings(fields: &mut Fields, status: RegionStatus) -> Read<Self::Findings>;
    fn write_findings(out: &mut String, findings: &Self::Findings);
}

impl Written for ExternalKeyId {
    const GIVEN: &'static str = "external_key_ids";
    const RETIRED: &'static str = "retired_keys";
    const EFFECTIVE: &'static str = "effective_external_key_id";
    const TELLS_CHECKS: bool = true;

    fn read_known(field: Field) -> Read<(Self, ())> {
        Ok((field.parsed(Self::parse)?, ()))
    }

    fn write_known(&self, out: &mut String, (): &()) {
        self.write(out);
    }

    fn write(&self, out: &mut String) {
        write_string(out, self.as_str());
    }

    fn read_retired(fields: &mut Fields) -> Read<(Self, ())> {
        Self::read_known(fields.required("external_key_id")?)
    }

    fn write_retired(out: &mut String, retired: &Retired<Self>, _: Form) {
        member(out, "{", "expires_at", |out| {
            write_time(out, retired.expires_at);
        });
        member(out, ",", "external_key_id", |out| {
            retired.resource.write(out);
        });
        member(out, ",", "region", |out| {
            write_string(out, retired.region.as_str());
        });
        out.push('}');
    }

    fn read_findings(fields: &mut Fields, status: RegionStatus) -> Read<Option<Explanation>> {
        let error = match status {
            RegionStatus::Failed => Some(fields.required("error")?),
            _ => fields.take_non_null("error"),
        };
        error
            .map(|error| error.parsed(Explanation::parse))
            .transpose()
    }

    fn write_findings(out: &mut String, error: &Option<Explanation>) {
        member(out, ",", "error", |out| {
            write_text(out, error.as_ref().map(Explanation::as_str));
        });
    }
}

impl Written for BucketReference {
    const GIVEN: &'static str = "buckets";
    const RETIRED: &'static str = "retired_buckets";
    const EFFECTIVE: &'static str = "effective_bucket";
    const TELLS_CHECKS: bool = false;

    fn read_known(field: Field) -> Read<(Self, BucketFacts)> {
        let mut fields = field.object()?;
        let known = Self::read_retired(&mut fields)?;
        fields.finish()?;
        Ok(known)
    }

    fn write_known(&self, out: &mut String, facts: &BucketFacts) {
        member(out, "{", "bucket_name", |out| {
            write_string(out, self.name());
        });
        write_facts(out, facts);
        member(out, ",", "project_number", |out| {
            write_string(out, self.project_number());
        });
        out.push('}');
    }

    fn write(&self, out: &mut String) {
        member(out, "{", "bucket_name", |out| {
            write_string(out, self.name());
        });
        member(out, ",", "project_number", |out| {
            write_string(out, self.project_number());
        });
        out.push('}');
    }

    fn read_retired(fields: &mut Fields) -> Read<(Self, BucketFacts)> {
        let bucket = read_reference(fields)?;
        let facts = Self::learn(BucketFacts::default(), read_facts(fields)?);
        Ok((bucket, facts))
    }

    fn write_retired(out: &mut String, retired: &Retired<Self>, form: Form) {
        let bucket = &retired.resource;
        member(out, "{", "bucket_name", |out| {
            write_string(out, bucket.name());
        });
        member(out, ",", "expires_at", |out| {
            write_time(out, retired.expires_at);
        });
        if form != Form::Answer && retired.facts != BucketFacts::default() {
            write_facts(out, &retired.facts);
        }
        member(out, ",", "project_number", |out| {
            write_string(out, bucket.project_number());
        });
        member(out, ",", "region", |out| {
            write_string(out, retired.region.as_str());
        });
        out.push('}');
    }

    fn read_findings(fields: &mut Fields, _: RegionStatus) -> Read<Vec<FailedCheck>> {
        let checks = fields.take_non_null("failed_checks");
        Ok(checks
            .map(read_failed_checks)
            .transpose()?
            .unwrap_or_default())
    }

    fn write_findings(out: &mut String, checks: &Vec<FailedCheck>) {
        member(out, ",", "failed_checks", |out| {
            write_array(out, checks, write_failed_check);
        });
    }
}

/// Reads `{bucket_name, project_number}`.
pub fn read_bucket(field: Field) -> Read<BucketReference> {
    let mut fields = field.object()?;
    let bucket = read_reference(&mut fields)?;
    fields.finish()?;
    Ok(bucket)
}

fn read_reference(fields: &mut Fields) -> Read<BucketReference> {
    let text = |text: &str| text.to_owned();
    let name = fields
        .required("bucket_name")?
        .parsed(|name| BucketReference::parse_name(name).map(text))?;
    let place = fields.path("project_number");
    let number = fields
        .required("project_number")?
        .parsed(|number| BucketReference::parse_project_number(number).map(text))?;
    BucketReference::parse(&name, &number).map_err(|error| FieldError::new(place, error))
}

/// Reads `kms_key_name`, `location` and `project_id`, each of which may be left out.
pub fn read_facts(fields: &mut Fields) -> Read<LearnedFacts> {
    let mut name = |name| {
        let field = fields.take(name);
        field
            .map(|field| field.optional(|field| field.parsed(ResourceName::parse)))
            .transpose()
    };
    Ok(LearnedFacts {
        kms_key_name: name("kms_key_name")?,
        location: name("location")?,
        project_id: name("project_id")?,
    })
}

fn write_facts(out: &mut String, facts: &BucketFacts) {
    for (name, fact) in [
        ("kms_key_name", &facts.kms_key_name),
        ("location", &facts.location),
        ("project_id", &facts.project_id),
    ] {
        member(out, ",", name, |out| {
            write_text(out, fact.as_ref().map(ResourceName::as_str));
        });
    }
}

/// Reads the checks that a bucket did not pass.
pub fn read_failed_checks(field: Field) -> Read<Vec<FailedCheck>> {
    let path = field.path.clone();
    let checks = field.array()?;
    if checks.len() > FAILED_CHECKS {
        let message = format!("must have at most {FAILED_CHECKS} elements");
        return Err(FieldError::new(path, message));
    }
    checks.into_iter().map(read_failed_check).collect()
}

fn read_failed_check(field: Field) -> Read<FailedCheck> {
    let mut fields = field.object()?;
    let check = FailedCheck {
        check: fields.required("check")?.parsed(CheckName::parse)?,
        message: fields.required("message")?.parsed(Explanation::parse)?,
        role: fields
            .take_non_null("role")
            .map(|role| role.parsed(AccessRole::parse))
            .transpose()?,
    };
    fields.finish()?;
    Ok(check)
}

fn write_failed_check(out: &mut String, failed: &FailedCheck) {
    member(out, "{", "check", |out| {
        write_string(out, failed.check.as_str());
    });
    member(out, ",", "message", |out| {
        write_string(out, failed.message.as_str());
    });
    member(out, ",", "role", |out| {
        write_text(out, failed.role.map(AccessRole::as_str));
    });
    out.push('}');
}
