//! Who did what to what, and when: the entries of the append-only audit trail (`operator.md`).
//!
//! A rule says *what* was done ([`AuditEntry`]); the store adds *who and when* ([`Act`]) and keeps
//! both in the transaction of the decision. Details name what changed and never say to which value.

use crate::clock::Timestamp;
use crate::id::{AuditEventId, OrganizationId};

crate::text_enum! {
    /// The kind of party that acts.
    ActorKind {
        /// The party that runs Rollcall.
        Operator = "operator",
        /// A platform, through the profile API.
        Api = "api",
        /// A platform's administrator.
        Admin = "admin",
        /// A platform's gateway.
        Gateway = "gateway",
        /// The entity a profile represents, through an enrollment URL.
        EndUser = "end_user",
        /// Rollcall itself: a sweep, an automatic disabling.
        System = "system",
    }
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The kind of party.
    pub kind: ActorKind,
    /// The key's id, `command-line`, the enrollment's id, or the name of a background task; never a secret.
    pub id: String,
    /// What the key is called; none for what has no key.
    pub name: Option<String>,
}

impl Actor {
    /// The operator's command line, on the storage itself.
    pub fn command_line() -> Self {
        Self {
            kind: ActorKind::Operator,
            id: "command-line".to_owned(),
            name: None,
        }
    }

    /// Rollcall itself, in the background task called `task`.
    pub fn system(task: &str) -> Self {
        Self {
            kind: ActorKind::System,
            id: task.to_owned(),
            name: None,
        }
    }
}

/// Who does it and when; every write to the store needs one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Who.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

crate::text_enum! {
    /// What was done.
    AuditAction {
        /// A profile was created.
        ProfileCreated = "user_profile.created",
        /// Fields of a profile were changed.
        ProfileUpdated = "user_profile.updated",
        /// A profile was deleted.
        ProfileDeleted = "user_profile.deleted",
        /// The operator erased a profile with everything that was kept of it.
        ProfileErased = "user_profile.erased",
        /// The operator wrote a whole profile record over an existing one.
        ProfileReplaced = "user_profile.replaced",
        /// Records were imported.
        ProfilesImported = "user_profiles.imported",
        /// Records were exported.
        ProfilesExported = "user_profiles.exported",
        /// A program was set.
        ProgramSet = "program.set",
        /// A program was taken away.
        ProgramDeleted = "program.deleted",
        /// A platform changed the keys or buckets of a profile.
        DataControlsUpdated = "data_controls.updated",
        /// The operator said where a region of a control stands.
        DataControlsReported = "data_controls.reported",
        /// An enforcement action was opened.
        EnforcementActionOpened = "enforcement_action.opened",
        /// An enforcement action was resolved.
        EnforcementActionResolved = "enforcement_action.resolved",
        /// An enforcement action expired.
        EnforcementActionExpired = "enforcement_action.expired",
        /// An identity check was submitted.
        IdentityCheckSubmitted = "identity_check.submitted",
        /// An identity check was passed.
        IdentityCheckPassed = "identity_check.passed",
        /// An identity check was failed.
        IdentityCheckFailed = "identity_check.failed",
        /// An enrollment or action URL was made.
        EnrollmentUrlCreated = "enrollment_url.created",
        /// An end user submitted an application.
        EnrollmentSubmitted = "enrollment.submitted",
        /// An application was approved.
        EnrollmentApproved = "enrollment.approved",
        /// An application was rejected.
        EnrollmentRejected = "enrollment.rejected",
        /// An organization was created.
        OrganizationCreated = "organization.created",
        /// An organization was changed.
        OrganizationUpdated = "organization.updated",
        /// A tenancy ended: an organization was removed with everything it had.
        OrganizationRemoved = "organization.removed",
        /// An organization's policy for its gateway was changed.
        GatewayPolicyUpdated = "gateway_policy.updated",
        /// A workspace was created.
        WorkspaceCreated = "workspace.created",
        /// An API key was created.
        ApiKeyCreated = "api_key.created",
        /// An API key was enabled again.
        ApiKeyEnabled = "api_key.enabled",
        /// An API key was disabled.
        ApiKeyDisabled = "api_key.disabled",
        /// An API key was deleted.
        ApiKeyDeleted = "api_key.deleted",
        /// A webhook endpoint was created.
        WebhookEndpointCreated = "webhook_endpoint.created",
        /// A webhook endpoint was changed.
        WebhookEndpointUpdated = "webhook_endpoint.updated",
        /// A webhook endpoint was deleted.
        WebhookEndpointDeleted = "webhook_endpoint.deleted",
        /// Rollcall disabled a webhook endpoint.
        WebhookEndpointAutoDisabled = "webhook_endpoint.auto_disabled",
        /// A webhook endpoint got a new signing secret.
        WebhookSecretRegenerated = "webhook_endpoint.signing_secret_regenerated",
        /// A webhook endpoint was sent a test event.
        WebhookTested = "webhook_endpoint.tested",
        /// A delivery was started again by hand.
        WebhookRedelivered = "webhook_delivery.redelivered",
        /// An operator signed in to the console.
        ConsoleSignedIn = "console.signed_in",
        /// An operator signed out of the console.
        ConsoleSignedOut = "console.signed_out",
    }
}

crate::text_enum! {
    /// The kind of thing something was done to.
    TargetKind {
        /// A profile.
        UserProfile = "user_profile",
        /// An enforcement action.
        EnforcementAction = "enforcement_action",
        /// An enrollment.
        Enrollment = "enrollment",
        /// An organization.
        Organization = "organization",
        /// A workspace.
        Workspace = "workspace",
        /// An API key.
        ApiKey = "api_key",
        /// A webhook endpoint.
        WebhookEndpoint = "webhook_endpoint",
        /// A webhook delivery.
        WebhookDelivery = "webhook_delivery",
        /// A console session.
        ConsoleSession = "console_session",
    }
}

/// What a rule of this crate did, to what. Nobody else can make one, so nobody else can decide:
///
/// ```compile_fail
/// use rollcall_domain::audit::{AuditAction, AuditEntry, TargetKind};
///
/// AuditEntry::new(AuditAction::ApiKeyDeleted, TargetKind::ApiKey, "apikey_1");
/// ```
///
/// ```compile_fail
/// use rollcall_domain::audit::{AuditAction, AuditEntry, TargetKind};
///
/// AuditEntry {
///     action: AuditAction::ApiKeyDeleted,
///     target_kind: TargetKind::ApiKey,
///     target_id: "apikey_1".into(),
///     details: Vec::new(),
/// };
/// ```
///
/// What a rule did can be read, and kept:
///
/// ```
/// use rollcall_domain::audit::{AuditAction, AuditEntry, TargetKind};
///
/// let entry: AuditEntry = rollcall_domain::profile::export_audit(None, None);
/// assert_eq!(entry.action, AuditAction::ProfilesExported);
/// assert_eq!(entry.target_kind, TargetKind::Organization);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// What was done.
    pub action: AuditAction,
    /// The kind of thing it was done to.
    pub target_kind: TargetKind,
    /// Its id.
    pub target_id: String,
    /// Names of changed fields, counts of records: never a value of a person's.
    pub details: Vec<String>,
}

impl AuditEntry {
    /// An entry without details.
    pub(crate) fn new(
        action: AuditAction,
        target_kind: TargetKind,
        target_id: impl Into<String>,
    ) -> Self {
        Self {
            action,
            target_kind,
            target_id: target_id.into(),
            details: Vec::new(),
        }
    }

    /// The same entry with these details.
    #[must_use]
    pub(crate) fn with_details<T: Into<String>>(
        mut self,
        details: impl IntoIterator<Item = T>,
    ) -> Self {
        self.details.extend(details.into_iter().map(Into::into));
        self
    }
}

/// The names of the fields that changed, of which each comes with whether it did.
pub(crate) fn fields_that_differ<const N: usize>(
    compared: [(&'static str, bool); N],
) -> Vec<&'static str> {
    let differing = compared.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(field, _)| field).collect()
}

/// What the trail holds of an entry: what was read, of which no decision can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its own id.
    pub id: AuditEventId,
    /// Who and when.
    pub act: Act,
    /// The organization it happened in; none for what concerns the whole installation.
    pub organization_id: Option<OrganizationId>,
    /// What was done.
    pub action: AuditAction,
    /// The kind of thing it was done to.
    pub target_kind: TargetKind,
    /// Its id.
    pub target_id: String,
    /// Names of changed fields, counts of records.
    pub details: Vec<String>,
}
