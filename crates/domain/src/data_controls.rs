//! What the end customer behind a profile brings: encryption keys and storage buckets, by region (contract
//! `data-controls.md`).
//!
//! Keys and buckets follow the same rules, so [`Control`] is written once, over what a region is given
//! ([`Resource`]). A control is on while a region has something. What a region applies, its *effective*
//! resource, is the one that was validated last; it retires when it is neither configured nor effective
//! any more. No key service stands behind Rollcall: the operator says what became of a validation.
//!
//! Two things follow from time alone and are never stored by a task of their own: a retired entry runs out,
//! and under [`Validator::Automatic`] a pending region becomes active. [`DataControls::as_of`] derives both;
//! every reader and every rule begins with it.

mod resource;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use thiserror::Error;

pub use self::resource::{
    AccessRole, BucketFacts, BucketLabel, BucketReference, CheckName, ControlKind, ExternalKeyId,
    FailedCheck, InvalidReference, LearnedFacts, Resource,
};
use crate::clock::Timestamp;

/// How long a retired key or bucket must be kept usable, and is listed.
pub const RETIREMENT: Duration = Duration::from_hours(30 * 24);
/// How many retired keys, or buckets, keep a profile from being given another.
pub const RETIRED: usize = 1_000;
/// How long a validation takes where nobody is asked.
pub const VALIDATION: Duration = Duration::from_secs(1);
/// The most failed checks that a region reports.
pub const FAILED_CHECKS: usize = 32;

crate::text_enum! {
    /// Where requests are served.
    Region {
        /// The United States.
        Us = "us",
        /// The European Union.
        Eu = "eu",
        /// Singapore.
        Sg = "sg",
        /// Wherever there is room.
        Global = "global",
    }
}

crate::text_enum! {
    /// Where a region stands.
    RegionStatus {
        /// It has nothing.
        NotConfigured = "not_configured",
        /// What it was given is being validated.
        Pending = "pending",
        /// It applies what it was given.
        Active = "active",
        /// What it was given did not pass.
        Failed = "failed",
        /// The approval is withdrawn or paused, so that it applies nothing.
        Suspended = "suspended",
    }
}

crate::text_enum! {
    /// Whether an organization's platform may switch controls on.
    DataControlsApproval {
        /// It may.
        Open = "open",
        /// It may not; what is on stays on.
        NotApproved = "not_approved",
    }
}

crate::text_enum! {
    /// Who says what became of a validation.
    Validator {
        /// The operator, when they please.
        Operator = "operator",
        /// Nobody: what is pending is active [`VALIDATION`] later.
        Automatic = "auto",
    }
}

/// How the validation of what a region was given stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation<F> {
    /// It goes on.
    Pending {
        /// What the latest attempt found wrong.
        findings: F,
        /// Since when.
        since: Timestamp,
    },
    /// It passed.
    Active {
        /// What was found wrong since.
        findings: F,
        /// When the key last answered.
        last_checked_at: Option<Timestamp>,
        /// When it passed.
        validated_at: Timestamp,
    },
    /// It was given up.
    Failed {
        /// What the last attempt found wrong.
        findings: F,
    },
}

/// A region that was given something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured<R: Resource> {
    /// What it was given last.
    pub resource: R,
    /// What is known of that.
    pub facts: R::Facts,
    /// What it applies, but while it is suspended.
    pub effective: Option<R>,
    /// What is known of that, where it is not what it was given last.
    pub effective_facts: R::Facts,
    /// How the validation stands, suspended or not.
    pub validation: Validation<R::Findings>,
    /// Whether it reads `suspended`.
    pub is_suspended: bool,
}

impl<R: Resource> Configured<R> {
    /// What it reads.
    pub fn status(&self) -> RegionStatus {
        match self.validation {
            _ if self.is_suspended => RegionStatus::Suspended,
            Validation::Pending { .. } => RegionStatus::Pending,
            Validation::Active { .. } => RegionStatus::Active,
            Validation::Failed { .. } => RegionStatus::Failed,
        }
    }

    /// What of it moves `updated_at` when it changes.
    fn substance(&self) -> Self {
        let mut substance = Self {
            is_suspended: false,
            ..self.clone()
        };
        match &mut substance.validation {
            Validation::Active {
                last_checked_at, ..
            } => *last_checked_at = None,
            // What waits again after it was suspended waits anew, and reads as it did before.
            Validation::Pending { since, .. } => *since = Timestamp::EPOCH,
            Validation::Failed { .. } => {}
        }
        substance
    }

    /// What it has a use for, and what is known of it.
    fn in_use(&self) -> impl Iterator<Item = (&R, &R::Facts)> {
        let other = self.effective.as_ref().filter(|it| **it != self.resource);
        let other = other.map(|it| (it, &self.effective_facts));
        std::iter::once((&self.resource, &self.facts)).chain(other)
    }

    /// Begins a validation.
    fn validate(&mut self, now: Timestamp) {
        self.validation = Validation::Pending {
            findings: R::Findings::default(),
            since: now,
        };
    }

    /// Applies what it was given.
    fn apply(&mut self, findings: R::Findings, now: Timestamp) {
        self.effective = Some(self.resource.clone());
        self.effective_facts = R::Facts::default();
        let nothing_wrong = findings == R::Findings::default();
        let answered = (R::KIND == ControlKind::Cmek && nothing_wrong).then_some(now);
        let (checked_before, validated_at) = match self.validation {
            Validation::Active {
                last_checked_at,
                validated_at,
                ..
            } => (last_checked_at, validated_at),
            Validation::Pending { .. } | Validation::Failed { .. } => (None, now),
        };
        self.validation = Validation::Active {
            findings,
            last_checked_at: answered.or(checked_before),
            validated_at,
        };
    }
}

/// A key or bucket that a region has no more use for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired<R: Resource> {
    /// What it was.
    pub resource: R,
    /// What is known of it.
    pub facts: R::Facts,
    /// Which region's.
    pub region: Region,
    /// Until when it must be kept usable.
    pub expires_at: Timestamp,
}

/// One control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control<R: Resource> {
    /// The regions that have something; the control is off when there is none.
    pub regions: BTreeMap<Region, Configured<R>>,
    /// What retired, the next to run out first.
    pub retired: Vec<Retired<R>>,
}

impl<R: Resource> Default for Control<R> {
    fn default() -> Self {
        Self {
            regions: BTreeMap::new(),
            retired: Vec::new(),
        }
    }
}

/// A change of one control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlUpdate<R> {
    /// Off, in every region.
    Disabled,
    /// On: what each region is given, or that it is given nothing; a region left out stays as it is.
    Enabled(BTreeMap<Region, Option<R>>),
}

/// What the operator says of one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report<R: Resource> {
    /// The validation goes on.
    Pending(R::Findings),
    /// It passed, and what was learned; what was not stays as it is known.
    Active(R::Findings, R::Learned),
    /// It was given up.
    Failed(R::Findings),
    /// The approval is withdrawn or paused, until another report, or until the region is given something else.
    Suspended,
}

impl<R: Resource> Report<R> {
    fn status(&self) -> RegionStatus {
        match self {
            Self::Pending(_) => RegionStatus::Pending,
            Self::Active(..) => RegionStatus::Active,
            Self::Failed(_) => RegionStatus::Failed,
            Self::Suspended => RegionStatus::Suspended,
        }
    }
}

/// Why controls stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ControlsRefusal {
    /// The organization may not switch the control on.
    #[error(
        "{0}: this organization is not approved for it; the operator of this server approves organizations"
    )]
    NotApproved(ControlKind),
    /// The control would be on and have nothing.
    #[error("{}: must leave at least one region with a {}", .0.field(), .0.noun())]
    NoRegionLeft(ControlKind),
    /// A bucket would serve two regions.
    #[error("{}.{}: serves another region already", .0.field(), .1)]
    ServesAnother(ControlKind, Region),
    /// Too many have retired lately.
    #[error("{}: {RETIRED} have retired within 30 days; wait until one of them runs out", .0.field())]
    TooManyRetired(ControlKind),
    /// The operator reports on a region that has nothing.
    #[error("The region {} has no {} to report on", .1, .0.noun())]
    NothingConfigured(ControlKind, Region),
}

impl<R: Resource> Control<R> {
    /// What each region has a use for.
    fn in_use(&self) -> impl Iterator<Item = (Region, &R, &R::Facts)> {
        self.regions.iter().flat_map(|(region, configured)| {
            let in_use = configured.in_use();
            in_use.map(|(resource, facts)| (*region, resource, facts))
        })
    }

    fn uses(&self, region: Region, resource: &R) -> bool {
        let mut in_use = self.in_use();
        in_use.any(|(of, it, _)| of == region && it == resource)
    }

    /// What is known of a resource that a region has or had.
    fn facts(&self, region: Region, resource: &R) -> R::Facts {
        let retired = self.retired.iter();
        let retired = retired.map(|it| (it.region, &it.resource, &it.facts));
        let mut known = self.in_use().chain(retired);
        let found = known.find(|(of, it, _)| *of == region && *it == resource);
        found.map_or_else(R::Facts::default, |(.., facts)| facts.clone())
    }

    /// This control in place of `before`: what is of no use any more has retired at `now`, and what is of use
    /// again has not.
    fn in_place_of(mut self, before: &Self, now: Timestamp) -> Self {
        let mut retired = std::mem::take(&mut self.retired);
        for (region, resource, facts) in before.in_use() {
            retired.retain(|it| it.region != region || it.resource != *resource);
            retired.push(Retired {
                resource: resource.clone(),
                facts: facts.clone(),
                region,
                expires_at: now.saturating_add(RETIREMENT),
            });
        }
        retired.retain(|it| !self.uses(it.region, &it.resource));
        retired.sort_by_key(|it| (it.expires_at, it.region));
        Self { retired, ..self }
    }

    /// What time alone has made of it, and when it made regions active.
    fn as_of(&self, now: Timestamp, validator: Validator) -> (Self, BTreeSet<Timestamp>) {
        let mut current = self.clone();
        let mut activations = BTreeSet::new();
        if validator == Validator::Automatic {
            for region in Region::ALL {
                let Some(configured) = current.regions.get_mut(region) else {
                    continue;
                };
                let Validation::Pending { since, .. } = configured.validation else {
                    continue;
                };
                let at = since.saturating_add(VALIDATION);
                if configured.is_suspended || at > now {
                    continue;
                }
                let before = Self {
                    regions: [(*region, configured.clone())].into(),
                    retired: Vec::new(),
                };
                configured.apply(R::Findings::default(), at);
                current = current.in_place_of(&before, at);
                activations.insert(at);
            }
        }
        current.retired.retain(|it| it.expires_at > now);
        (current, activations)
    }

    fn updated(&self, update: &ControlUpdate<R>, now: Timestamp) -> Result<Self, ControlsRefusal> {
        let ControlUpdate::Enabled(given) = update else {
            let off = Self {
                regions: BTreeMap::new(),
                retired: self.retired.clone(),
            };
            return Ok(off.in_place_of(self, now));
        };
        let mut after = self.clone();
        let mut is_new = false;
        for (region, resource) in given {
            let Some(resource) = resource else {
                after.regions.remove(region);
                continue;
            };
            let before = after.regions.get_mut(region);
            is_new |= before.as_ref().is_none_or(|it| it.resource != *resource);
            after.set(*region, resource, now);
        }
        if after.regions.is_empty() {
            return Err(ControlsRefusal::NoRegionLeft(R::KIND));
        }
        if let Some(region) = given.keys().rev().find(|region| after.clashes_at(**region)) {
            return Err(ControlsRefusal::ServesAnother(R::KIND, *region));
        }
        if is_new && self.retired.len() >= RETIRED {
            return Err(ControlsRefusal::TooManyRetired(R::KIND));
        }
        Ok(after.in_place_of(self, now))
    }

    /// Gives `resource` to a region.
    fn set(&mut self, region: Region, resource: &R, now: Timestamp) {
        let before = self.regions.get_mut(&region);
        if let Some(before) = before.filter(|it| it.resource == *resource) {
            if before.status() == RegionStatus::Failed {
                before.validate(now);
            }
            return;
        }
        let facts = self.facts(region, resource);
        // What a suspended region had is not applied, and so is not while the next is pending: as if it had
        // been removed in between.
        let before = self.regions.get(&region).filter(|it| !it.is_suspended);
        let effective = before.and_then(|it| it.effective.clone());
        let other = effective.as_ref().filter(|it| *it != resource);
        let effective_facts = other.map(|it| self.facts(region, it)).unwrap_or_default();
        let mut configured = Configured {
            resource: resource.clone(),
            facts,
            effective,
            effective_facts,
            validation: Validation::Failed {
                findings: R::Findings::default(),
            },
            is_suspended: false,
        };
        configured.validate(now);
        self.regions.insert(region, configured);
    }

    /// Whether what `region` was given is of use to another.
    pub fn clashes_at(&self, region: Region) -> bool {
        self.regions.get(&region).is_some_and(|configured| {
            self.in_use()
                .any(|(other, it, _)| other != region && it.clashes(&configured.resource))
        })
    }

    fn reported(
        &self,
        region: Region,
        report: &Report<R>,
        now: Timestamp,
    ) -> Result<Self, ControlsRefusal> {
        let mut after = self.clone();
        let Some(configured) = after.regions.get_mut(&region) else {
            return Err(ControlsRefusal::NothingConfigured(R::KIND, region));
        };
        let was_suspended = std::mem::replace(
            &mut configured.is_suspended,
            matches!(report, Report::Suspended),
        );
        match report.clone() {
            Report::Suspended => {}
            Report::Pending(findings) => {
                let since = match configured.validation {
                    Validation::Pending { since, .. } if !was_suspended => since,
                    _ => now,
                };
                configured.validation = Validation::Pending { findings, since };
            }
            Report::Active(findings, facts) => {
                configured.apply(findings, now);
                configured.facts = R::learn(std::mem::take(&mut configured.facts), facts);
            }
            Report::Failed(findings) => configured.validation = Validation::Failed { findings },
        }
        Ok(after.in_place_of(self, now))
    }

    fn keep_since(&mut self, before: &Self, region: Region) {
        let known = before.regions.get(&region);
        if let Some(configured) = self.regions.get_mut(&region)
            && let Some(known) = known.filter(|it| it.resource == configured.resource)
            && let Validation::Pending { since: known, .. } = known.validation
            && let Validation::Pending { since, .. } = &mut configured.validation
        {
            *since = known;
        }
    }

    /// The regions in which it differs.
    fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Region> + 'a {
        let differs = |region: &Region| self.regions.get(region) != other.regions.get(region);
        Region::ALL.iter().copied().filter(differs)
    }

    /// Whether more differs than what a region merely reads.
    fn differs_in_substance(&self, other: &Self) -> bool {
        let substance = |control: &Self, region| {
            let configured: Option<&Configured<R>> = control.regions.get(&region);
            configured.map(Configured::substance)
        };
        let mut regions = self.differing(other);
        regions.any(|region| substance(self, region) != substance(other, region))
    }
}

/// Both controls of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataControls {
    /// A label that an import brought; without it, that of the profile's id.
    pub label: Option<BucketLabel>,
    /// When a control last changed; never, without it.
    pub updated_at: Option<Timestamp>,
    /// The keys.
    pub cmek: Control<ExternalKeyId>,
    /// The buckets.
    pub storage: Control<BucketReference>,
}

/// What a platform changes; a control left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataControlsUpdate {
    /// The keys.
    pub cmek: Option<ControlUpdate<ExternalKeyId>>,
    /// The buckets.
    pub storage: Option<ControlUpdate<BucketReference>>,
}

/// What the operator says of one region of one control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegionReport {
    /// Of its key.
    Cmek(Report<ExternalKeyId>),
    /// Of its bucket.
    Storage(Report<BucketReference>),
}

impl RegionReport {
    /// The control that it is about.
    pub fn control(&self) -> ControlKind {
        match self {
            Self::Cmek(_) => ControlKind::Cmek,
            Self::Storage(_) => ControlKind::Storage,
        }
    }

    /// What the region will read.
    pub fn status(&self) -> RegionStatus {
        match self {
            Self::Cmek(report) => report.status(),
            Self::Storage(report) => report.status(),
        }
    }
}

impl DataControls {
    /// Whether nothing was ever set, so that nothing needs to be stored.
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }

    /// What time alone has made of them by `now`: what ran out is gone, and what nobody is asked about is
    /// active.
    #[must_use]
    pub fn as_of(&self, now: Timestamp, validator: Validator) -> Self {
        let (cmek, mut activations) = self.cmek.as_of(now, validator);
        let (storage, of_buckets) = self.storage.as_of(now, validator);
        activations.extend(of_buckets);
        // Each moves the time on, also where the clock was put back before it.
        let moved = |last: Option<Timestamp>, at: Timestamp| {
            Some(last.map_or(at, |last| at.max(last.next_microsecond())))
        };
        Self {
            label: self.label,
            updated_at: activations.into_iter().fold(self.updated_at, moved),
            cmek,
            storage,
        }
    }

    /// Applies what a platform sent: all of it or nothing.
    pub(crate) fn updated(
        &self,
        update: &DataControlsUpdate,
        approval: DataControlsApproval,
        now: Timestamp,
    ) -> Result<Self, ControlsRefusal> {
        let enables_keys = matches!(update.cmek, Some(ControlUpdate::Enabled(_)));
        let enables_buckets = matches!(update.storage, Some(ControlUpdate::Enabled(_)));
        if approval == DataControlsApproval::NotApproved {
            if enables_keys {
                return Err(ControlsRefusal::NotApproved(ControlKind::Cmek));
            }
            if enables_buckets {
                return Err(ControlsRefusal::NotApproved(ControlKind::Storage));
            }
        }
        let cmek = update.cmek.as_ref();
        let cmek = cmek.map(|update| self.cmek.updated(update, now));
        let storage = update.storage.as_ref();
        let storage = storage.map(|update| self.storage.updated(update, now));
        Ok(Self {
            cmek: cmek.transpose()?.unwrap_or_else(|| self.cmek.clone()),
            storage: storage.transpose()?.unwrap_or_else(|| self.storage.clone()),
            ..self.clone()
        })
    }

    /// Applies what the operator says of one region.
    pub(crate) fn reported(
        &self,
        region: Region,
        report: &RegionReport,
        now: Timestamp,
    ) -> Result<Self, ControlsRefusal> {
        let mut after = self.clone();
        match report {
            RegionReport::Cmek(report) => after.cmek = self.cmek.reported(region, report, now)?,
            RegionReport::Storage(report) => {
                after.storage = self.storage.reported(region, report, now)?;
            }
        }
        Ok(after)
    }

    /// These in place of `before`, updated now if a control changed: later than before even where the clock
    /// has not moved.
    pub(crate) fn touched(self, before: &Self, created_at: Timestamp, now: Timestamp) -> Self {
        let changed = self.cmek.differs_in_substance(&before.cmek)
            || self.storage.differs_in_substance(&before.storage);
        if !changed {
            return self;
        }
        let last = before.updated_at.unwrap_or(created_at);
        Self {
            updated_at: Some(now.max(last.next_microsecond())),
            ..self
        }
    }

    /// Lets these regions wait as long as they do in `before` for the same.
    pub(crate) fn keep_since(&mut self, before: &Self, regions: &[(ControlKind, Region)]) {
        for (control, region) in regions {
            match control {
                ControlKind::Cmek => self.cmek.keep_since(&before.cmek, *region),
                ControlKind::Storage => self.storage.keep_since(&before.storage, *region),
            }
        }
    }

    /// The regions in which they differ, as `cmek.us`.
    pub(crate) fn regions_that_differ(&self, other: &Self) -> Vec<String> {
        let place = |kind: ControlKind| move |region: Region| format!("{kind}.{region}");
        let keys = self.cmek.differing(&other.cmek);
        let buckets = self.storage.differing(&other.storage);
        keys.map(place(ControlKind::Cmek))
            .chain(buckets.map(place(ControlKind::Storage)))
            .collect()
    }
}

#[cfg(test)]
#[path = "data_controls/tests.rs"]
mod tests;
