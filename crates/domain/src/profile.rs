//! The profile: one end user or customer of an organization, as the platform states it.
//!
//! [`Profile`] is the superset of what every dialect can say; no dialect is known here. Every change
//! of one is a method that answers with a [`Decided`] profile or a [`Refusal`], given *now*.

mod record;

pub use self::record::{
    ControlsLeftOut, LeftOut, PartialAction, ProfileRecord, Unmatched, export_audit, import_audit,
};
use crate::audit::{AuditAction, AuditEntry, TargetKind, fields_that_differ};
use crate::clock::Timestamp;
use crate::data_controls::{
    BucketLabel, DataControls, DataControlsApproval, DataControlsUpdate, Region, RegionReport,
    Validator,
};
use crate::decision::{Decided, Refusal};
use crate::enforcement::{
    ActionKind, CheckState, Enforcement, EnforcementAction, IdentityCheck, OPEN_ACTIONS,
    PastAction, Reason, Resolution,
};
use crate::event::{Event, EventKind};
use crate::id::{EnforcementActionId, ProfileId};
use crate::program::{OWN_PROGRAMS, ProgramName, ProgramStanding, ProgramStatus, Programs};
use crate::text::{Country, Metadata, MetadataPatch, Name, OpaqueHash, ReferenceId};

crate::text_enum! {
    /// How the entity reaches the platform's services, in the words of the newer dialects.
    AccessType {
        /// Through the platform's own application.
        Application = "application",
        /// Passed through to the API.
        Passthrough = "passthrough",
    }
}

crate::text_enum! {
    /// What the entity is to the platform, in the words of the oldest dialect; what is stored.
    Relationship {
        /// A user of the platform's application.
        External = "external",
        /// A customer the platform resells to.
        Resold = "resold",
        /// The platform itself.
        Internal = "internal",
    }
}

impl Relationship {
    /// The same fact in the words of the newer dialects.
    pub fn access_type(self) -> AccessType {
        match self {
            Self::External | Self::Internal => AccessType::Application,
            Self::Resold => AccessType::Passthrough,
        }
    }

    /// What is stored when `access_type` is written over this.
    ///
    /// A stored `internal` survives `application`: a newer client that writes back what it read must
    /// not destroy what an older one stated.
    #[must_use]
    pub fn after_writing(self, access_type: AccessType) -> Self {
        match (self, access_type) {
            (_, AccessType::Passthrough) => Self::Resold,
            (Self::Internal, AccessType::Application) => Self::Internal,
            (Self::External | Self::Resold, AccessType::Application) => Self::External,
        }
    }
}

crate::text_enum! {
    /// The platform's own decision about the entity's account; no effect on anything else.
    AccountStatus {
        /// In good standing.
        Active = "active",
        /// Suspended by the platform.
        Suspended = "suspended",
        /// Blocked by the platform.
        Blocked = "blocked",
    }
}

crate::text_enum! {
    /// What sort of entity a profile represents.
    EntityType {
        /// A person.
        Individual = "individual",
        /// A company.
        Business = "business",
        /// A non-profit organization.
        NonProfit = "non_profit",
        /// A public body.
        Government = "government",
    }
}

/// How far in the future `onboarded_at` may lie.
pub const ONBOARDING_TOLERANCE: std::time::Duration = std::time::Duration::from_mins(1);

/// What the platform knows about the entity. Once set, a detail can be replaced, never cleared.
///
/// As a patch, an absent detail means *unchanged*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalUserDetails {
    /// The platform's own decision about the account.
    pub account_status: Option<AccountStatus>,
    /// Two upper-case letters.
    pub country: Option<Country>,
    /// A hash of the e-mail address, opaque here.
    pub email_hash: Option<OpaqueHash>,
    /// What sort of entity it is.
    pub entity_type: Option<EntityType>,
    /// A hash of the name, opaque here.
    pub name_hash: Option<OpaqueHash>,
    /// When the platform took the entity on.
    pub onboarded_at: Option<Timestamp>,
    /// The platform's own reference; not unique.
    pub reference_id: Option<ReferenceId>,
}

/// What a new profile is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileDraft {
    /// `external` when left out.
    pub relationship: Option<Relationship>,
    /// The name, if any.
    pub name: Option<Name>,
    /// The metadata.
    pub metadata: Metadata,
    /// The details.
    pub details: ExternalUserDetails,
}

/// A new relationship, in the words of either generation of dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationshipPatch {
    /// In the words of the oldest dialect.
    Relationship(Relationship),
    /// In the words of the newer dialects.
    AccessType(AccessType),
}

impl RelationshipPatch {
    /// What it makes of the relationship before it.
    fn after(self, before: Relationship) -> Relationship {
        match self {
            Self::Relationship(relationship) => relationship,
            Self::AccessType(access_type) => before.after_writing(access_type),
        }
    }
}

/// A change of what the platform states; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfilePatch {
    /// A new relationship.
    pub relationship: Option<RelationshipPatch>,
    /// A new name.
    pub name: Option<Name>,
    /// Metadata to merge.
    pub metadata: MetadataPatch,
    /// Details to replace.
    pub details: ExternalUserDetails,
}

impl ProfilePatch {
    /// What is stated of a new profile, where there is nothing that it changes.
    pub fn into_draft(self) -> ProfileDraft {
        ProfileDraft {
            relationship: self
                .relationship
                .map(|relationship| relationship.after(Relationship::External)),
            name: self.name,
            metadata: self.metadata.into_metadata(),
            details: self.details,
        }
    }
}

/// A user profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its id.
    pub id: ProfileId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When a stored value or a program's status last changed.
    pub updated_at: Timestamp,
    /// What the entity is to the platform.
    pub relationship: Relationship,
    /// What the platform calls the entity.
    pub name: Option<Name>,
    /// What the platform keeps with it.
    pub metadata: Metadata,
    /// What the platform knows about the entity.
    pub details: ExternalUserDetails,
    /// The operator's admissions.
    pub programs: Programs,
    /// The operator's restrictions and bans.
    pub enforcement: Enforcement,
    /// The end customer's keys and buckets.
    pub data_controls: DataControls,
}

impl Profile {
    /// A fresh profile: in no program, under no enforcement.
    pub fn new(id: ProfileId, draft: ProfileDraft, now: Timestamp) -> Self {
        Self {
            id,
            created_at: now,
            updated_at: now,
            relationship: draft.relationship.unwrap_or(Relationship::External),
            name: draft.name,
            metadata: draft.metadata,
            details: draft.details,
            programs: Programs::default(),
            enforcement: Enforcement::default(),
            data_controls: DataControls::default(),
        }
    }

    /// Creates a profile (contract, *Create*).
    pub fn create(id: ProfileId, draft: ProfileDraft, now: Timestamp) -> Decided<Self> {
        let profile = Self::new(id, draft, now);
        let audit = profile.creation();
        Decided::changed(profile, audit)
    }

    /// What the audit trail shows of its creation.
    pub fn creation(&self) -> AuditEntry {
        self.audit(AuditAction::ProfileCreated)
    }

    /// Applies what the platform sent (contract, *Update*): all of it or nothing.
    pub fn update(&self, patch: &ProfilePatch, now: Timestamp) -> Result<Decided<Self>, Refusal> {
        let relationship = match patch.relationship {
            None => self.relationship,
            Some(relationship) => relationship.after(self.relationship),
        };
        let updated = Self {
            relationship,
            name: patch.name.clone().or_else(|| self.name.clone()),
            metadata: self
                .metadata
                .merged(&patch.metadata)
                .map_err(Refusal::Metadata)?,
            details: self.details.patched(&patch.details),
            ..self.clone()
        };
        let changed_fields = self.fields_that_differ(&updated);
        if changed_fields.is_empty() {
            return Ok(Decided::unchanged(updated));
        }
        let audit = self
            .audit(AuditAction::ProfileUpdated)
            .with_details(changed_fields);
        Ok(Decided::changed(updated.touched(now), audit))
    }

    /// What the audit trail shows of a deletion. Open actions end silently with the profile.
    pub fn removal(&self) -> AuditEntry {
        self.audit(AuditAction::ProfileDeleted)
    }

    /// What the audit trail shows of an erasure.
    pub fn erasure(&self) -> AuditEntry {
        self.audit(AuditAction::ProfileErased)
    }

    /// Sets the profile's standing in one program.
    pub fn set_program(
        &self,
        standing: ProgramStanding,
        now: Timestamp,
    ) -> Result<Decided<Self>, Refusal> {
        let name = standing.name();
        let programs = self.programs.with(standing);
        if programs.own.len() > OWN_PROGRAMS {
            return Err(Refusal::TooManyPrograms(OWN_PROGRAMS));
        }
        Ok(self.with_programs(AuditAction::ProgramSet, &name, programs, now))
    }

    /// Takes the profile out of one program.
    pub fn delete_program(&self, name: &ProgramName, now: Timestamp) -> Decided<Self> {
        let programs = self.programs.without(name);
        self.with_programs(AuditAction::ProgramDeleted, name, programs, now)
    }

    /// The end user applies for a program: it is pending from now on, unless it is active already.
    pub fn apply_for(&self, name: &ProgramName, now: Timestamp) -> Result<Decided<Self>, Refusal> {
        match self.programs.status(name) {
            Some(ProgramStatus::Active | ProgramStatus::Pending) => {
                Ok(Decided::unchanged(self.clone()))
            }
            Some(ProgramStatus::Rejected) | None => {
                self.set_program(ProgramStanding::bare(name, ProgramStatus::Pending), now)
            }
        }
    }

    fn with_programs(
        &self,
        action: AuditAction,
        name: &ProgramName,
        programs: Programs,
        now: Timestamp,
    ) -> Decided<Self> {
        if programs == self.programs {
            return Decided::unchanged(self.clone());
        }
        let before = self.programs.status(name);
        let after = programs.status(name);
        let mut details = vec![name.as_str().to_owned()];
        details.extend(after.map(|status: ProgramStatus| status.as_str().to_owned()));
        let audit = self.audit(action).with_details(details);
        let profile = Self {
            programs,
            ..self.clone()
        };
        if before == after {
            return Decided::changed(profile, audit);
        }
        Decided::changed(profile.touched(now), audit).with_event(Event {
            profile_id: self.id.clone(),
            at: now,
            kind: EventKind::ProgramStatusUpdated,
        })
    }

    /// Opens an enforcement action. The draft's expiry was checked to be in the future at the edge.
    pub fn open_action(
        &self,
        action: EnforcementAction,
        now: Timestamp,
    ) -> Result<Decided<Self>, Refusal> {
        if self.enforcement.open_at(now).count() >= OPEN_ACTIONS {
            return Err(Refusal::TooManyOpenActions(OPEN_ACTIONS));
        }
        let id = action.id().clone();
        let audit = action_audit(AuditAction::EnforcementActionOpened, &id, self)
            .with_details([action.reason().as_str()]);
        let mut open = self.enforcement.unresolved().to_vec();
        open.push(action);
        let profile = self.with_enforcement(open, self.enforcement.past().to_vec());
        let kind = EventKind::EnforcementActionOpened(id);
        Ok(Decided::changed(profile, audit).with_event(self.event(kind, now)))
    }

    /// Ends an open action by the operator's decision.
    pub fn resolve_action(
        &self,
        id: &EnforcementActionId,
        now: Timestamp,
    ) -> Result<Decided<Self>, Refusal> {
        self.open_action_by_id(id, now)?;
        let audit = action_audit(AuditAction::EnforcementActionResolved, id, self);
        Ok(self.ended(id, Resolution::Operator, now, audit))
    }

    /// Records what became of an identity check: `submitted` leaves the action without a next step,
    /// `passed` ends it, `failed` offers the check again.
    pub fn identity_check(
        &self,
        id: &EnforcementActionId,
        state: CheckState,
        now: Timestamp,
    ) -> Result<Decided<Self>, Refusal> {
        let action = self.open_action_by_id(id, now)?;
        let check = match action.kind() {
            ActionKind::Ban => return Err(Refusal::NotCheckable("it is a ban")),
            ActionKind::Restriction { check, .. } => check,
        };
        if action.reason() == Reason::AccountCompromise {
            return Err(Refusal::NotCheckable("its reason is account_compromise"));
        }
        if check == IdentityCheck::NotOffered {
            return Err(Refusal::NotCheckable("it offers no check"));
        }
        match state {
            CheckState::Passed => {
                let audit = action_audit(AuditAction::IdentityCheckPassed, id, self);
                Ok(self.ended(id, Resolution::IdentityCheck, now, audit))
            }
            CheckState::Submitted => Ok(self.rechecked(
                action,
                IdentityCheck::Submitted,
                AuditAction::IdentityCheckSubmitted,
            )),
            CheckState::Failed => Ok(self.rechecked(
                action,
                IdentityCheck::Offered,
                AuditAction::IdentityCheckFailed,
            )),
        }
    }

    /// Records the end of every action whose expiry has been reached, as of that expiry.
    pub fn expire_actions(&self, now: Timestamp) -> Decided<Self> {
        let (open, expired): (Vec<_>, Vec<_>) = self
            .enforcement
            .unresolved()
            .iter()
            .cloned()
            .partition(|action| action.is_open_at(now));
        let mut decided = Decided::unchanged(self.clone());
        let mut past = self.enforcement.past().to_vec();
        for action in expired {
            let expires_at = action.expires_at().unwrap_or(now);
            let kind = EventKind::EnforcementActionResolved(action.id().clone());
            decided.changed = true;
            decided.events.push(self.event(kind, expires_at));
            decided.audit.push(action_audit(
                AuditAction::EnforcementActionExpired,
                action.id(),
                self,
            ));
            past.push(PastAction {
                action,
                resolved_at: expires_at,
                resolution: Resolution::Expired,
            });
        }
        decided.value = self.with_enforcement(open, past);
        decided
    }

    /// The label that every bucket set up for this profile must carry. It never changes.
    pub fn bucket_label(&self) -> BucketLabel {
        let brought = self.data_controls.label;
        brought.unwrap_or_else(|| BucketLabel::of(&self.id))
    }

    /// The profile with its keys and buckets as time alone has made them by `now`.
    #[must_use]
    pub fn with_data_controls_as_of(mut self, now: Timestamp, validator: Validator) -> Self {
        self.data_controls = self.data_controls.as_of(now, validator);
        self
    }

    /// Applies what the platform sent of keys and buckets: all of it or nothing. The profile's own
    /// `updated_at` stays.
    pub fn update_data_controls(
        &self,
        update: &DataControlsUpdate,
        approval: DataControlsApproval,
        validator: Validator,
        now: Timestamp,
    ) -> Result<Decided<Self>, Refusal> {
        let before = self.data_controls.as_of(now, validator);
        let after = before.updated(update, approval, now)?;
        let changed = before.regions_that_differ(&after);
        Ok(self.with_data_controls(
            &before,
            after,
            AuditAction::DataControlsUpdated,
            changed,
            now,
        ))
    }

    /// Applies what the operator says of one region.
    pub fn report_on_region(
        &self,
        region: Region,
        report: &RegionReport,
        validator: Validator,
        now: Timestamp,
    ) -> Result<Decided<Self>, Refusal> {
        let before = self.data_controls.as_of(now, validator);
        let after = before.reported(region, report, now)?;
        let details = vec![format!("{}.{region}", report.control())];
        Ok(self.with_data_controls(
            &before,
            after,
            AuditAction::DataControlsReported,
            details,
            now,
        ))
    }

    fn with_data_controls(
        &self,
        before: &DataControls,
        after: DataControls,
        action: AuditAction,
        details: Vec<String>,
        now: Timestamp,
    ) -> Decided<Self> {
        let is_same = *before == after;
        let profile = Self {
            data_controls: after.touched(before, self.created_at, now),
            ..self.clone()
        };
        if is_same {
            return Decided::unchanged(profile);
        }
        let audit = self.audit(action).with_details(details);
        Decided::changed(profile, audit)
    }

    fn open_action_by_id(
        &self,
        id: &EnforcementActionId,
        now: Timestamp,
    ) -> Result<&EnforcementAction, Refusal> {
        if let Some(action) = self
            .enforcement
            .open_at(now)
            .find(|action| action.id() == id)
        {
            return Ok(action);
        }
        let past = self.enforcement.past().iter().map(|past| &past.action);
        let mut known = self.enforcement.unresolved().iter().chain(past);
        if known.any(|action| action.id() == id) {
            Err(Refusal::ActionNotOpen)
        } else {
            Err(Refusal::ActionNotFound)
        }
    }

    fn ended(
        &self,
        id: &EnforcementActionId,
        resolution: Resolution,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Decided<Self> {
        let (ended, open): (Vec<_>, Vec<_>) = self
            .enforcement
            .unresolved()
            .iter()
            .cloned()
            .partition(|action| action.id() == id);
        let mut past = self.enforcement.past().to_vec();
        past.extend(ended.into_iter().map(|action| PastAction {
            action,
            resolved_at: now,
            resolution,
        }));
        let event = self.event(EventKind::EnforcementActionResolved(id.clone()), now);
        Decided::changed(self.with_enforcement(open, past), audit).with_event(event)
    }

    fn rechecked(
        &self,
        action: &EnforcementAction,
        check: IdentityCheck,
        audit: AuditAction,
    ) -> Decided<Self> {
        let changed = action.with_check(check);
        if changed == *action {
            return Decided::unchanged(self.clone());
        }
        let audit = action_audit(audit, action.id(), self);
        let open = self.enforcement.unresolved().iter().map(|other| {
            if other.id() == action.id() {
                changed.clone()
            } else {
                other.clone()
            }
        });
        let profile = self.with_enforcement(open.collect(), self.enforcement.past().to_vec());
        Decided::changed(profile, audit)
    }

    fn with_enforcement(&self, open: Vec<EnforcementAction>, past: Vec<PastAction>) -> Self {
        Self {
            enforcement: Enforcement::new(open, past),
            ..self.clone()
        }
    }

    fn event(&self, kind: EventKind, at: Timestamp) -> Event {
        Event {
            profile_id: self.id.clone(),
            at,
            kind,
        }
    }

    fn audit(&self, action: AuditAction) -> AuditEntry {
        AuditEntry::new(action, TargetKind::UserProfile, self.id.as_str())
    }

    /// This profile, modified now: later than before even where the clock has not moved.
    fn touched(self, now: Timestamp) -> Self {
        let updated_at = now.max(self.updated_at.next_microsecond());
        Self { updated_at, ..self }
    }

    fn fields_that_differ(&self, other: &Self) -> Vec<&'static str> {
        let (ours, theirs) = (&self.details, &other.details);
        fields_that_differ([
            ("relationship", self.relationship != other.relationship),
            ("name", self.name != other.name),
            ("metadata", self.metadata != other.metadata),
            (
                "external_user_details.account_status",
                ours.account_status != theirs.account_status,
            ),
            (
                "external_user_details.country",
                ours.country != theirs.country,
            ),
            (
                "external_user_details.email_hash",
                ours.email_hash != theirs.email_hash,
            ),
            (
                "external_user_details.entity_type",
                ours.entity_type != theirs.entity_type,
            ),
            (
                "external_user_details.name_hash",
                ours.name_hash != theirs.name_hash,
            ),
            (
                "external_user_details.onboarded_at",
                ours.onboarded_at != theirs.onboarded_at,
            ),
            (
                "external_user_details.reference_id",
                ours.reference_id != theirs.reference_id,
            ),
        ])
    }
}

impl ExternalUserDetails {
    fn patched(&self, patch: &Self) -> Self {
        let (old, new) = (self.clone(), patch.clone());
        Self {
            account_status: new.account_status.or(old.account_status),
            country: new.country.or(old.country),
            email_hash: new.email_hash.or(old.email_hash),
            entity_type: new.entity_type.or(old.entity_type),
            name_hash: new.name_hash.or(old.name_hash),
            onboarded_at: new.onboarded_at.or(old.onboarded_at),
            reference_id: new.reference_id.or(old.reference_id),
        }
    }
}

fn action_audit(action: AuditAction, id: &EnforcementActionId, profile: &Profile) -> AuditEntry {
    AuditEntry::new(action, TargetKind::EnforcementAction, id.as_str())
        .with_details([profile.id.as_str()])
}

#[cfg(test)]
#[path = "profile/tests.rs"]
mod tests;
