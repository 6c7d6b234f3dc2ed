//! Who may do what: organizations, their workspaces, and the keys of the three parties.

use std::fmt;

use thiserror::Error;

use crate::audit::{AuditAction, AuditEntry, TargetKind, fields_that_differ};
use crate::clock::Timestamp;
use crate::data_controls::DataControlsApproval;
use crate::decision::{Decided, Refusal};
use crate::gateway_policy::{GatewayPolicy, GatewayPolicyPatch};
use crate::id::{ApiKeyId, OrganizationId, WorkspaceId};
use crate::role::{Right, Role, RoleForbids};

crate::text_enum! {
    /// Whether an organization's public requests are served.
    OrganizationStatus {
        /// They are.
        Active = "active",
        /// The operator holds them: 400 with `organization_on_hold`.
        OnHold = "on_hold",
    }
}

crate::text_enum! {
    /// Whether an organization's platform can make enrollment and action URLs.
    EnrollmentLinks {
        /// It can.
        Enabled = "enabled",
        /// It cannot: 404, as if the profile were unknown. Those that were made work on.
        Disabled = "disabled",
    }
}

/// What an organization may do, as the operator switches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrganizationSwitches {
    /// Whether it can make enrollment and action URLs.
    pub enrollment_links: EnrollmentLinks,
    /// Whether it may switch data controls on.
    pub data_controls: DataControlsApproval,
}

impl Default for OrganizationSwitches {
    fn default() -> Self {
        Self {
            enrollment_links: EnrollmentLinks::Enabled,
            data_controls: DataControlsApproval::Open,
        }
    }
}

/// A platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// What the operator calls it; shown to end users on the enrollment page.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Public requests a minute; no limit when absent.
    pub rate_limit_rpm: Option<u32>,
    /// Whether its public requests are served.
    pub status: OrganizationStatus,
    /// What it may do.
    pub switches: OrganizationSwitches,
    /// What its gateway is told.
    pub gateway_policy: GatewayPolicy,
}

/// What an operator changes of an organization; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrganizationPatch {
    /// A new name.
    pub name: Option<String>,
    /// A new limit, or none at all.
    pub rate_limit_rpm: Option<Option<u32>>,
    /// A new status.
    pub status: Option<OrganizationStatus>,
    /// Whether it can make enrollment and action URLs from now on.
    pub enrollment_links: Option<EnrollmentLinks>,
    /// Whether it may switch data controls on from now on.
    pub data_controls: Option<DataControlsApproval>,
    /// What is new in the gateway's policy.
    pub gateway_policy: GatewayPolicyPatch,
}

impl Organization {
    /// What the audit trail shows of its creation.
    pub fn creation(&self) -> AuditEntry {
        self.audit(AuditAction::OrganizationCreated)
    }

    /// Applies what the operator sent.
    pub fn update(&self, patch: &OrganizationPatch) -> Decided<Self> {
        let switches = self.switches;
        let updated = Self {
            switches: OrganizationSwitches {
                enrollment_links: patch.enrollment_links.unwrap_or(switches.enrollment_links),
                data_controls: patch.data_controls.unwrap_or(switches.data_controls),
            },
            name: patch.name.as_ref().unwrap_or(&self.name).clone(),
            rate_limit_rpm: patch.rate_limit_rpm.unwrap_or(self.rate_limit_rpm),
            status: patch.status.unwrap_or(self.status),
            gateway_policy: self.gateway_policy.patched(&patch.gateway_policy),
            ..self.clone()
        };
        let changed_fields = fields_that_differ([
            ("name", self.name != updated.name),
            (
                "rate_limit_rpm",
                self.rate_limit_rpm != updated.rate_limit_rpm,
            ),
            ("status", self.status != updated.status),
            (
                "enrollment_links",
                switches.enrollment_links != updated.switches.enrollment_links,
            ),
            (
                "data_controls",
                switches.data_controls != updated.switches.data_controls,
            ),
        ]);
        let policy_fields = self
            .gateway_policy
            .fields_that_differ(&updated.gateway_policy);
        let audit = [
            (AuditAction::OrganizationUpdated, changed_fields),
            (AuditAction::GatewayPolicyUpdated, policy_fields),
        ];
        let audit = audit
            .into_iter()
            .filter(|(_, fields)| !fields.is_empty())
            .map(|(action, fields)| self.audit(action).with_details(fields));
        let mut decided = Decided::unchanged(updated);
        decided.audit.extend(audit);
        decided.changed = !decided.audit.is_empty();
        decided
    }

    fn audit(&self, action: AuditAction) -> AuditEntry {
        AuditEntry::new(action, TargetKind::Organization, self.id.as_str())
    }
}

/// A part of an organization that keys can be bound to. It never narrows which profiles are visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// The organization it belongs to.
    pub organization_id: OrganizationId,
    /// What the operator calls it.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Workspace {
    /// What the audit trail shows of its creation.
    pub fn creation(&self) -> AuditEntry {
        let action = AuditAction::WorkspaceCreated;
        AuditEntry::new(action, TargetKind::Workspace, self.id.as_str())
    }
}

crate::text_enum! {
    /// What a key opens. Kinds are never interchangeable.
    KeyKind {
        /// `/v1/user_profiles…` of its organization.
        Api = "api",
        /// `/v1/organizations/webhooks…` of its organization.
        Admin = "admin",
        /// `/operator/v1/…` and the console, every organization.
        Operator = "operator",
        /// `/gateway/v1/check…`, for its organization.
        Gateway = "gateway",
    }
}

impl KeyKind {
    /// What secrets of this kind begin with, so that people and secret scanners recognise them.
    pub fn secret_prefix(self) -> &'static str {
        match self {
            Self::Api => "sk-rollcall-api01-",
            Self::Admin => "sk-rollcall-adm01-",
            Self::Operator => "sk-rollcall-op01-",
            Self::Gateway => "sk-rollcall-gw01-",
        }
    }
}

crate::text_enum! {
    /// Whether a key works.
    KeyStatus {
        /// It does, until it expires.
        Active = "active",
        /// It was disabled and can be enabled again.
        Disabled = "disabled",
    }
}

/// The SHA-256 of a key's secret. Secrets are 256 random bits, so a fast hash is enough.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(…)")
    }
}

/// What a key may act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// A platform's key for the profile API, bound to a workspace or to none.
    Api {
        /// The organization.
        organization_id: OrganizationId,
        /// The only workspace it can act in, if it is bound to one.
        workspace_id: Option<WorkspaceId>,
    },
    /// A platform administrator's key.
    Admin {
        /// The organization.
        organization_id: OrganizationId,
    },
    /// The operator's key.
    Operator {
        /// What its holder is.
        role: Role,
    },
    /// The key of a platform's gateway.
    Gateway {
        /// The organization.
        organization_id: OrganizationId,
    },
}

impl KeyOwner {
    /// The owner that a key of this kind has: the operator's key has a role and no organization, the others have an
    /// organization.
    pub fn of_kind(
        kind: KeyKind,
        organization_id: Option<OrganizationId>,
        workspace_id: Option<WorkspaceId>,
        role: Option<Role>,
    ) -> Option<Self> {
        match (kind, organization_id) {
            (KeyKind::Api, Some(organization_id)) => Some(Self::Api {
                organization_id,
                workspace_id,
            }),
            (KeyKind::Admin, Some(organization_id)) => Some(Self::Admin { organization_id }),
            (KeyKind::Operator, None) => Some(Self::Operator {
                role: role.unwrap_or(Role::UNNAMED),
            }),
            (KeyKind::Gateway, Some(organization_id)) => Some(Self::Gateway { organization_id }),
            (KeyKind::Api | KeyKind::Admin | KeyKind::Gateway, None)
            | (KeyKind::Operator, Some(_)) => None,
        }
    }

    /// The kind of key that has this owner.
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::Api { .. } => KeyKind::Api,
            Self::Admin { .. } => KeyKind::Admin,
            Self::Operator { .. } => KeyKind::Operator,
            Self::Gateway { .. } => KeyKind::Gateway,
        }
    }

    /// The organization, which every kind but the operator's has.
    pub fn organization_id(&self) -> Option<&OrganizationId> {
        match self {
            Self::Api {
                organization_id, ..
            }
            | Self::Admin { organization_id }
            | Self::Gateway { organization_id } => Some(organization_id),
            Self::Operator { .. } => None,
        }
    }

    /// The workspace it is bound to.
    pub fn workspace_id(&self) -> Option<&WorkspaceId> {
        match self {
            Self::Api { workspace_id, .. } => workspace_id.as_ref(),
            Self::Admin { .. } | Self::Operator { .. } | Self::Gateway { .. } => None,
        }
    }

    /// What the holder of an operator's key is.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Operator { role } => Some(*role),
            Self::Api { .. } | Self::Admin { .. } | Self::Gateway { .. } => None,
        }
    }
}

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What it may act on.
    pub owner: KeyOwner,
    /// What its maker calls it.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to within a minute.
    pub last_used_at: Option<Timestamp>,
    /// Whether it works.
    pub status: KeyStatus,
    /// Whether somebody chose its secret, as `rollcall dev` lets people do: it may be guessed, so a
    /// development server alone knows it.
    pub literal: bool,
}

/// A key would have expired before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expires_at: {}", Self::MESSAGE)]
pub struct BornExpired;

impl BornExpired {
    /// What is wrong with the field `expires_at`.
    pub const MESSAGE: &'static str = "must be in the future";
}

impl ApiKey {
    /// A new key whose secret is random.
    pub fn create(
        id: ApiKeyId,
        owner: KeyOwner,
        name: String,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, BornExpired> {
        let key = Self {
            id,
            owner,
            name,
            created_at: now,
            expires_at,
            last_used_at: None,
            status: KeyStatus::Active,
            literal: false,
        };
        if key.is_expired_at(now) {
            return Err(BornExpired);
        }
        Ok(key)
    }

    /// What the audit trail shows of its creation; of an operator's, with which role.
    pub fn creation(&self) -> AuditEntry {
        let role = self.owner.role().map(Role::as_str);
        self.audit(AuditAction::ApiKeyCreated).with_details(role)
    }

    /// What the audit trail shows of its deletion. `operators` are all keys of the operator.
    pub fn removal(&self, operators: &[Self], now: Timestamp) -> Result<AuditEntry, Refusal> {
        self.can_end(operators, now)?;
        Ok(self.audit(AuditAction::ApiKeyDeleted))
    }

    /// Whether somebody else can still do everything once this is disabled or deleted.
    ///
    /// Another owner's key stands in for it if it works and will last as long: one that expires does not stand in for
    /// one that does not, nor one that only a development server takes for one that every server does. Otherwise the
    /// day would come when nobody can do anything any more.
    fn can_end(&self, operators: &[Self], now: Timestamp) -> Result<(), Refusal> {
        let stands_in = |other: &Self| {
            other.id != self.id
                && other.opens_everything_at(now)
                && (other.expires_at.is_none() || self.expires_at.is_some())
                && (!other.literal || self.literal)
        };
        if self.opens_everything_at(now) && !operators.iter().any(stands_in) {
            return Err(Refusal::LastOwner);
        }
        Ok(())
    }

    fn opens_everything_at(&self, now: Timestamp) -> bool {
        self.owner.role() == Some(Role::Owner) && self.works_at(now)
    }

    /// Whether its expiry has been reached.
    pub fn is_expired_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Whether it opens anything: it is enabled and has not expired.
    pub fn works_at(&self, now: Timestamp) -> bool {
        self.status == KeyStatus::Active && !self.is_expired_at(now)
    }

    /// Enables or disables it. `operators` are all keys of the operator.
    pub fn with_status(
        self,
        status: KeyStatus,
        operators: &[Self],
        now: Timestamp,
    ) -> Result<Decided<Self>, Refusal> {
        if self.status == status {
            return Ok(Decided::unchanged(self));
        }
        let action = match status {
            KeyStatus::Active => AuditAction::ApiKeyEnabled,
            KeyStatus::Disabled => {
                self.can_end(operators, now)?;
                AuditAction::ApiKeyDisabled
            }
        };
        let audit = self.audit(action);
        Ok(Decided::changed(Self { status, ..self }, audit))
    }

    fn audit(&self, action: AuditAction) -> AuditEntry {
        AuditEntry::new(action, TargetKind::ApiKey, self.id.as_str())
    }

    /// Whether console sessions that were begun with it go on. Those of a disabled key are over for good:
    /// enabling it again is no reason to trust whoever it was disabled for.
    pub fn keeps_sessions(&self) -> bool {
        match self.status {
            KeyStatus::Active => true,
            KeyStatus::Disabled => false,
        }
    }
}

/// The right to touch one organization's data. No tenant-side storage call can be made without one.
///
/// It comes from an authenticated key ([`OrganizationScope::of_key`]) or from an operator's explicit
/// choice ([`OperatorProof::choose`]), and from nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrganizationScope(OrganizationId);

impl OrganizationScope {
    /// The scope of an authenticated key; the operator's key has none of its own.
    pub fn of_key(key: &ApiKey) -> Option<Self> {
        key.owner.organization_id().cloned().map(Self)
    }

    /// The organization whose data may be touched.
    pub fn organization_id(&self) -> &OrganizationId {
        &self.0
    }
}

/// The right to touch every organization's data: an operator's key, the command line on the storage
/// itself, or one of Rollcall's own background tasks.
#[derive(Clone, Copy, Debug)]
pub struct OperatorProof(());

impl OperatorProof {
    /// The proof that an authenticated operator's key of this role gives, for what needs this right.
    pub fn of_role(role: Role, right: Right) -> Result<Self, RoleForbids> {
        role.may(right).map(|()| Self(()))
    }

    /// The proof that access to the storage itself gives: the command line and background tasks.
    pub fn of_storage_access() -> Self {
        Self(())
    }

    /// The scope of the organization the operator chose.
    pub fn choose(self, organization_id: OrganizationId) -> OrganizationScope {
        OrganizationScope(organization_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway_policy::Passage;

    #[test]
    fn a_change_of_an_organization_names_the_fields_that_differ() {
        let before = Organization {
            id: OrganizationId::parse("org_1").unwrap(),
            name: "A".into(),
            created_at: Timestamp::EPOCH,
            rate_limit_rpm: Some(5),
            status: OrganizationStatus::Active,
            switches: OrganizationSwitches::default(),
            gateway_policy: GatewayPolicy::default(),
        };
        let same = OrganizationPatch {
            name: Some("A".into()),
            rate_limit_rpm: Some(Some(5)),
            status: Some(OrganizationStatus::Active),
            enrollment_links: Some(EnrollmentLinks::Enabled),
            data_controls: Some(DataControlsApproval::Open),
            gateway_policy: GatewayPolicyPatch {
                banned: Some(Passage::Deny),
                ..GatewayPolicyPatch::default()
            },
        };
        assert_eq!(before.update(&same), Decided::unchanged(before.clone()));
        let patch = OrganizationPatch {
            rate_limit_rpm: Some(None),
            status: Some(OrganizationStatus::OnHold),
            enrollment_links: Some(EnrollmentLinks::Disabled),
            data_controls: Some(DataControlsApproval::NotApproved),
            ..same
        };
        let decided = before.update(&patch);
        let after = Organization {
            rate_limit_rpm: None,
            status: OrganizationStatus::OnHold,
            switches: OrganizationSwitches {
                enrollment_links: EnrollmentLinks::Disabled,
                data_controls: DataControlsApproval::NotApproved,
            },
            ..before
        };
        assert_eq!(decided.value, after);
        assert_eq!(decided.audit[0].action, AuditAction::OrganizationUpdated);
        assert_eq!(
            decided.audit[0].details,
            [
                "rate_limit_rpm",
                "status",
                "enrollment_links",
                "data_controls"
            ]
        );
        assert_eq!(decided.audit.len(), 1);
        let patch = OrganizationPatch {
            gateway_policy: GatewayPolicyPatch {
                missing: Some(Passage::Deny),
                trust_client_header: Some(true),
                ..GatewayPolicyPatch::default()
            },
            ..OrganizationPatch::default()
        };
        let decided = after.update(&patch);
        assert!(decided.changed && decided.value.gateway_policy.trust_client_header);
        let [entry] = &decided.audit[..] else {
            panic!("{:?}", decided.audit)
        };
        assert_eq!(entry.action, AuditAction::GatewayPolicyUpdated);
        assert_eq!(entry.details, ["trust_client_header", "missing"]);
    }
    #[test]
    fn the_last_owner_s_key_that_lasts_can_be_neither_disabled_nor_deleted() {
        let now = Timestamp::from_micros(5).unwrap();
        let key = |id: &str, role: Role, expires_at: Option<i64>| ApiKey {
            id: ApiKeyId::parse(id).unwrap(),
            owner: KeyOwner::Operator { role },
            name: "K".into(),
            created_at: Timestamp::EPOCH,
            expires_at: expires_at.and_then(Timestamp::from_micros),
            last_used_at: None,
            status: KeyStatus::Active,
            literal: false,
        };
        let lasting = key("apikey_lasting", Role::Owner, None);
        let other = key("apikey_other", Role::Owner, None);
        let expiring = key("apikey_expiring", Role::Owner, Some(9));
        let sooner = key("apikey_sooner", Role::Owner, Some(7));
        let expired = key("apikey_expired", Role::Owner, Some(5));
        let reviewer = key("apikey_reviewer", Role::Reviewer, None);
        let disabled = ApiKey {
            status: KeyStatus::Disabled,
            ..other.clone()
        };
        let literal = ApiKey {
            literal: true,
            ..other.clone()
        };
        for (ended, others, can) in [
            (&lasting, vec![], false),
            (&lasting, vec![&other], true),
            (&lasting, vec![&disabled, &reviewer, &expired], false),
            (&lasting, vec![&expiring], false),
            (&lasting, vec![&literal], false),
            (&literal, vec![&lasting], true),
            (&expiring, vec![&lasting], true),
            (&expiring, vec![&sooner], true),
            (&sooner, vec![&expired], false),
            (&expired, vec![], true),
            (&disabled, vec![], true),
            (&reviewer, vec![], true),
        ] {
            let others = others.into_iter().chain([ended]).cloned();
            let operators: Vec<_> = others.collect();
            let refused = Some(Refusal::LastOwner).filter(|_| !can);
            let removal = ended.removal(&operators, now);
            assert_eq!(removal.err(), refused, "{ended:?} of {operators:?}");
            if ended.status == KeyStatus::Active {
                let disabling = ended
                    .clone()
                    .with_status(KeyStatus::Disabled, &operators, now);
                assert_eq!(disabling.err(), refused, "{ended:?} of {operators:?}");
            }
        }
        let enabling = disabled.with_status(KeyStatus::Active, &[], now);
        assert!(enabling.unwrap().changed);
    }
}
