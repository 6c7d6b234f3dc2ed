//! What the page of a profile shows of its keys and buckets, and how its form says what became of one.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::data_controls::{
    AccessRole, BucketReference, CheckName, Configured, Control, ControlKind, ExternalKeyId,
    FailedCheck, Region, RegionReport, RegionStatus, Resource, Validation, Validator,
};
use rollcall_domain::profile::Profile;
use rollcall_domain::text::Explanation;
use rollcall_record::json::{Json, Object};
use rollcall_wire::data_controls::{parse_region, parse_report};
use rollcall_wire::error::ApiError;

use super::Choice;
use crate::pages::form::{Form, FormBody};
use crate::pages::shown::Moment;

/// The keys and buckets of a profile as they are now.
#[derive(Debug)]
pub(super) struct ControlsShown {
    pub(super) label: String,
    pub(super) rows: Vec<RegionRow>,
    pub(super) retired: Vec<RetiredRow>,
    /// The regions that can be reported on.
    pub(super) regions: Vec<Choice>,
    pub(super) statuses: Vec<Choice>,
    pub(super) checks: Vec<Choice>,
    pub(super) roles: Vec<Choice>,
}

/// A region that was given something.
#[derive(Debug)]
pub(super) struct RegionRow {
    pub(super) place: String,
    pub(super) status: &'static str,
    pub(super) look: &'static str,
    pub(super) given: String,
    /// What it applies, where that is something else.
    pub(super) applies: Option<String>,
    pub(super) findings: String,
}

/// What a region has no more use for.
#[derive(Debug)]
pub(super) struct RetiredRow {
    pub(super) place: String,
    pub(super) name: String,
    pub(super) expires: Moment,
}

/// How keys and buckets are named on a page.
trait Named: Resource {
    fn name(&self) -> String;
    fn findings(findings: &Self::Findings) -> String;
}

impl Named for ExternalKeyId {
    fn name(&self) -> String {
        self.as_str().to_owned()
    }

    fn findings(error: &Option<Explanation>) -> String {
        let error = error.as_ref().map(Explanation::as_str);
        error.unwrap_or_default().to_owned()
    }
}

impl Named for BucketReference {
    fn name(&self) -> String {
        format!("{} (project {})", Self::name(self), self.project_number())
    }

    fn findings(checks: &Vec<FailedCheck>) -> String {
        let told = checks
            .iter()
            .map(|it| format!("{}: {}", it.check, it.message.as_str()));
        told.collect::<Vec<_>>().join("; ")
    }
}

impl ControlsShown {
    pub(super) fn new(profile: &Profile, now: Timestamp, validator: Validator) -> Self {
        let controls = profile.data_controls.as_of(now, validator);
        let mut shown = Self {
            label: profile.bucket_label().to_string(),
            rows: Vec::new(),
            retired: Vec::new(),
            regions: Vec::new(),
            statuses: Choice::plain(["active", "pending", "failed", "suspended"], None),
            checks: Choice::plain(CheckName::ALL.iter().map(|it| it.as_str()), None),
            roles: Choice::plain(AccessRole::ALL.iter().map(|it| it.as_str()), None),
        };
        shown.add(&controls.cmek);
        shown.add(&controls.storage);
        let places = shown.rows.iter().map(|row| row.place.as_str());
        shown.regions = Choice::plain(places, None);
        shown
    }

    fn add<R: Named>(&mut self, control: &Control<R>) {
        let rows = control.regions.iter();
        self.rows
            .extend(rows.map(|(region, it)| RegionRow::new(*region, it)));
        let retired = control.retired.iter();
        self.retired.extend(retired.map(|it| RetiredRow {
            place: place::<R>(it.region),
            name: it.resource.name(),
            expires: Moment::minute(it.expires_at),
        }));
    }
}

fn place<R: Resource>(region: Region) -> String {
    format!("{} {region}", R::KIND)
}

impl RegionRow {
    fn new<R: Named>(region: Region, configured: &Configured<R>) -> Self {
        let status = configured.status();
        let (Validation::Pending { findings, .. }
        | Validation::Active { findings, .. }
        | Validation::Failed { findings }) = &configured.validation;
        let effective = configured.effective.as_ref();
        Self {
            place: place::<R>(region),
            status: status.as_str(),
            look: match status {
                RegionStatus::Active => "good",
                RegionStatus::Pending | RegionStatus::NotConfigured => "wait",
                RegionStatus::Failed | RegionStatus::Suspended => "bad",
            },
            given: configured.resource.name(),
            applies: effective
                .filter(|it| **it != configured.resource && !configured.is_suspended)
                .map(Named::name),
            findings: R::findings(findings),
        }
    }
}

/// What the form says of a region.
pub(super) fn reported(form: &Form) -> Result<(Region, RegionReport), ApiError> {
    let place = form.get("place").unwrap_or_default();
    let (control, region) = place.split_once(' ').unwrap_or_default();
    let control = ControlKind::parse(control).map_err(|error| ApiError::at("place", error))?;
    let region = parse_region(region)?;
    let body = form.body().text("status");
    let check = form.filled("check");
    let body = match (control, check) {
        (ControlKind::Cmek, Some(_)) => {
            let message = "must be left out of a key; say what is wrong in its error";
            return Err(ApiError::at("check", message));
        }
        (ControlKind::Cmek, None) => body.filled("error"),
        (ControlKind::Storage, Some(check)) => {
            let told = [
                ("check", Some(check)),
                ("message", form.filled("error")),
                ("role", form.filled("role")),
            ];
            let told = told
                .into_iter()
                .filter_map(|(name, text)| Some((name.to_owned(), Json::from(text?))));
            let failed = Json::Object(told.collect::<Object>());
            body.with("failed_checks", Json::Array(vec![failed]))
        }
        (ControlKind::Storage, None) if form.filled("error").is_some() => {
            let message = "is required: choose the check that the bucket did not pass";
            return Err(ApiError::at("check", message));
        }
        (ControlKind::Storage, None) => body,
    };
    if check.is_none() && form.filled("role").is_some() {
        return Err(ApiError::at("role", "must be left out without a check"));
    }
    let facts = ["kms_key_name", "location", "project_id"];
    let body = facts.into_iter().fold(body, FormBody::filled);
    Ok((region, parse_report(body.fields(), control)?))
}
