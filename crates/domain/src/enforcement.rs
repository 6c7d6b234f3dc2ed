//! Enforcement actions: restrictions and bans, and the status that follows from the open ones.
//!
//! The status is derived whenever it is read and never stored as a fact of its own (contract,
//! *Enforcement*). An action whose expiry is not after *now* is not open, whether or not a background
//! task has recorded its end, so everything here takes *now*.

use thiserror::Error;

use crate::clock::Timestamp;
use crate::id::EnforcementActionId;

/// The most actions that can be open on one profile at once.
pub const OPEN_ACTIONS: usize = 100;

crate::text_enum! {
    /// Why an action was taken.
    Reason {
        /// The entity is in a region that is not served.
        UnsupportedRegion = "unsupported_region",
        /// Fraud or abuse.
        FraudOrAbuse = "fraud_or_abuse",
        /// Potential for high harm.
        HighHarm = "high_harm",
        /// A breach of the usage policy.
        UsagePolicyViolation = "usage_policy_violation",
        /// The account is in the hands of another.
        AccountCompromise = "account_compromise",
        /// Not stated.
        Unspecified = "unspecified",
    }
}

crate::text_enum! {
    /// What the open actions of a profile come to.
    EnforcementStatus {
        /// No action is open.
        Unrestricted = "unrestricted",
        /// A submitted identity check is under review.
        Pending = "pending",
        /// An action is open.
        Restricted = "restricted",
        /// A ban is open.
        Banned = "banned",
    }
}

crate::text_enum! {
    /// What became of an identity check.
    CheckState {
        /// The end user handed it in; its review has not ended.
        Submitted = "submitted",
        /// The review cleared the end user.
        Passed = "passed",
        /// The review did not clear the end user.
        Failed = "failed",
    }
}

crate::text_enum! {
    /// How an action ended.
    Resolution {
        /// The operator resolved it.
        Operator = "operator",
        /// An identity check was passed.
        IdentityCheck = "identity_check",
        /// Its expiry was reached.
        Expired = "expired",
    }
}

/// Whether an identity check can clear a restriction, and how far one has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityCheck {
    /// No check can clear it.
    NotOffered,
    /// The end user can clear it now by a check.
    Offered,
    /// A check was submitted and is being reviewed.
    Submitted,
}

/// Restriction or ban, with what only that kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// Limits that may end by themselves or by an identity check.
    Restriction {
        /// When it ends by itself.
        expires_at: Option<Timestamp>,
        /// Whether an identity check can clear it.
        check: IdentityCheck,
    },
    /// Exclusion until the operator resolves it.
    Ban,
}

/// One enforcement action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnforcementAction {
    id: EnforcementActionId,
    opened_at: Timestamp,
    reason: Reason,
    kind: ActionKind,
}

/// Why an action cannot be; written as `field: message`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidAction {
    /// Access after an account compromise comes back by the operator's decision alone.
    #[error("expires_at: must be null when reason is account_compromise")]
    CompromiseExpires,
    /// An identity check cannot clear an account compromise.
    #[error("action: must be null when reason is account_compromise")]
    CompromiseCheck,
    /// Nor can one that was handed in.
    #[error("identity_check: must be null when reason is account_compromise")]
    CompromiseChecked,
}

impl EnforcementAction {
    /// An action opened at `opened_at`.
    pub fn new(
        id: EnforcementActionId,
        opened_at: Timestamp,
        reason: Reason,
        kind: ActionKind,
    ) -> Result<Self, InvalidAction> {
        if let (Reason::AccountCompromise, ActionKind::Restriction { expires_at, check }) =
            (reason, kind)
        {
            if expires_at.is_some() {
                return Err(InvalidAction::CompromiseExpires);
            }
            match check {
                IdentityCheck::NotOffered => {}
                IdentityCheck::Offered => return Err(InvalidAction::CompromiseCheck),
                IdentityCheck::Submitted => return Err(InvalidAction::CompromiseChecked),
            }
        }
        Ok(Self {
            id,
            opened_at,
            reason,
            kind,
        })
    }

    /// Its id, stable while it is open.
    pub fn id(&self) -> &EnforcementActionId {
        &self.id
    }

    /// When it was opened.
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// Why it was taken.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Restriction or ban.
    pub fn kind(&self) -> ActionKind {
        self.kind
    }

    /// When it ends by itself.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self.kind {
            ActionKind::Restriction { expires_at, .. } => expires_at,
            ActionKind::Ban => None,
        }
    }

    /// Whether its expiry, if it has one, is still to come.
    pub fn is_open_at(&self, now: Timestamp) -> bool {
        self.expires_at().is_none_or(|expires_at| expires_at > now)
    }

    /// The same action opened at another time.
    #[must_use]
    pub(crate) fn with_opened_at(&self, opened_at: Timestamp) -> Self {
        Self {
            opened_at,
            ..self.clone()
        }
    }

    /// The same action with its identity check at another point.
    #[must_use]
    pub(crate) fn with_check(&self, check: IdentityCheck) -> Self {
        let kind = match self.kind {
            ActionKind::Restriction { expires_at, .. } => {
                ActionKind::Restriction { expires_at, check }
            }
            ActionKind::Ban => ActionKind::Ban,
        };
        Self {
            kind,
            ..self.clone()
        }
    }
}

/// An action that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastAction {
    /// The action as it last was.
    pub action: EnforcementAction,
    /// When it ended.
    pub resolved_at: Timestamp,
    /// How it ended.
    pub resolution: Resolution,
}

/// What a profile's enforcement status can become with no further decision.
///
/// It is what an index by status can rely on: without an expiry ahead the status is certain; with
/// one it has to be worked out when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The status stays as it is until someone decides otherwise.
    Certain(EnforcementStatus),
    /// An expiry will change it, or already has.
    Changing,
}

/// All of a profile's enforcement actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enforcement {
    open: Vec<EnforcementAction>,
    past: Vec<PastAction>,
}

impl Enforcement {
    /// These actions, put in order: open ones oldest first, past ones by when they ended.
    pub fn new(mut open: Vec<EnforcementAction>, mut past: Vec<PastAction>) -> Self {
        open.sort_by(|left, right| (left.opened_at, &left.id).cmp(&(right.opened_at, &right.id)));
        past.sort_by(|left, right| {
            (left.resolved_at, &left.action.id).cmp(&(right.resolved_at, &right.action.id))
        });
        Self { open, past }
    }

    /// The actions not recorded as ended, oldest first; some may have reached their expiry.
    pub fn unresolved(&self) -> &[EnforcementAction] {
        &self.open
    }

    /// The actions recorded as ended, in the order they ended.
    pub fn past(&self) -> &[PastAction] {
        &self.past
    }

    /// The actions open at `now`, oldest first by opening, then by id.
    pub fn open_at(&self, now: Timestamp) -> impl Iterator<Item = &EnforcementAction> {
        self.open
            .iter()
            .filter(move |action| action.is_open_at(now))
    }

    /// What the actions open at `now` come to.
    pub fn status_at(&self, now: Timestamp) -> EnforcementStatus {
        status_of(self.open_at(now))
    }

    /// When the next unresolved action ends by itself.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.open
            .iter()
            .filter_map(EnforcementAction::expires_at)
            .min()
    }

    /// What the status can become with no further decision.
    pub fn outlook(&self) -> Outlook {
        let now = status_of(self.open.iter());
        let mut expiries = self.open.iter().filter_map(EnforcementAction::expires_at);
        if expiries.all(|expiry| self.status_at(expiry) == now) {
            Outlook::Certain(now)
        } else {
            Outlook::Changing
        }
    }
}

/// What of the open actions decides the status, gathered one action at a time, so that the rules can
/// be asked without a list of actions.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own that a rule asks for"
)]
pub struct StatusRules {
    any: bool,
    banned: bool,
    submitted: bool,
    compromised: bool,
}

impl StatusRules {
    /// Takes one more open action into account.
    pub fn see(&mut self, reason: Reason, kind: ActionKind) {
        self.any = true;
        self.compromised |= reason == Reason::AccountCompromise;
        match kind {
            ActionKind::Ban => self.banned = true,
            ActionKind::Restriction { check, .. } => {
                self.submitted |= check == IdentityCheck::Submitted;
            }
        }
    }

    /// The contract's four rules, first that holds.
    pub fn status(self) -> EnforcementStatus {
        if self.banned {
            EnforcementStatus::Banned
        } else if self.submitted && !self.compromised {
            EnforcementStatus::Pending
        } else if self.any {
            EnforcementStatus::Restricted
        } else {
            EnforcementStatus::Unrestricted
        }
    }
}

fn status_of<'a>(open: impl Iterator<Item = &'a EnforcementAction>) -> EnforcementStatus {
    let mut rules = StatusRules::default();
    for action in open {
        rules.see(action.reason, action.kind);
    }
    rules.status()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    fn action(number: u8, reason: Reason, kind: ActionKind) -> EnforcementAction {
        let id = EnforcementActionId::parse(&format!("enac_{number}")).unwrap();
        EnforcementAction::new(id, at(i64::from(number)), reason, kind).unwrap()
    }

    fn restriction(expires_at: Option<Timestamp>, check: IdentityCheck) -> ActionKind {
        ActionKind::Restriction { expires_at, check }
    }

    #[rstest]
    #[case::none(vec![], EnforcementStatus::Unrestricted)]
    #[case::restricted(
        vec![(Reason::HighHarm, restriction(None, IdentityCheck::NotOffered))],
        EnforcementStatus::Restricted
    )]
    #[case::offered_is_not_pending(
        vec![(Reason::FraudOrAbuse, restriction(None, IdentityCheck::Offered))],
        EnforcementStatus::Restricted
    )]
    #[case::submitted(
        vec![(Reason::FraudOrAbuse, restriction(None, IdentityCheck::Submitted))],
        EnforcementStatus::Pending
    )]
    #[case::compromise_beside_a_submitted_check(
        vec![
            (Reason::FraudOrAbuse, restriction(None, IdentityCheck::Submitted)),
            (Reason::AccountCompromise, restriction(None, IdentityCheck::NotOffered)),
        ],
        EnforcementStatus::Restricted
    )]
    #[case::ban_beats_all(
        vec![
            (Reason::FraudOrAbuse, restriction(None, IdentityCheck::Submitted)),
            (Reason::HighHarm, ActionKind::Ban),
        ],
        EnforcementStatus::Banned
    )]
    fn status_follows_the_first_rule_that_holds(
        #[case] actions: Vec<(Reason, ActionKind)>,
        #[case] expected: EnforcementStatus,
    ) {
        let open = actions
            .into_iter()
            .enumerate()
            .map(|(number, (reason, kind))| action(u8::try_from(number).unwrap(), reason, kind));
        let enforcement = Enforcement::new(open.collect(), vec![]);
        assert_eq!(enforcement.status_at(at(100)), expected);
        assert_eq!(enforcement.outlook(), Outlook::Certain(expected));
    }

    #[test]
    fn an_action_ends_at_the_very_instant_of_its_expiry() {
        let kind = restriction(Some(at(10)), IdentityCheck::NotOffered);
        let enforcement = Enforcement::new(vec![action(1, Reason::HighHarm, kind)], vec![]);
        assert_eq!(enforcement.status_at(at(9)), EnforcementStatus::Restricted);
        assert_eq!(
            enforcement.status_at(at(10)),
            EnforcementStatus::Unrestricted
        );
        assert_eq!(enforcement.outlook(), Outlook::Changing);
    }

    #[test]
    fn an_expiry_that_changes_nothing_leaves_the_status_certain() {
        let expiring = restriction(Some(at(10)), IdentityCheck::NotOffered);
        let open = vec![
            action(1, Reason::HighHarm, expiring),
            action(2, Reason::HighHarm, ActionKind::Ban),
        ];
        let outlook = Enforcement::new(open, vec![]).outlook();
        assert_eq!(outlook, Outlook::Certain(EnforcementStatus::Banned));
    }

    #[test]
    fn a_compromise_takes_neither_expiry_nor_check() {
        let id = EnforcementActionId::parse("enac_1").unwrap();
        let make =
            |kind| EnforcementAction::new(id.clone(), at(1), Reason::AccountCompromise, kind);
        assert_eq!(
            make(restriction(Some(at(2)), IdentityCheck::NotOffered)),
            Err(InvalidAction::CompromiseExpires)
        );
        assert_eq!(
            make(restriction(None, IdentityCheck::Offered)),
            Err(InvalidAction::CompromiseCheck)
        );
        assert_eq!(
            make(restriction(None, IdentityCheck::Submitted)),
            Err(InvalidAction::CompromiseChecked)
        );
        assert!(make(ActionKind::Ban).is_ok());
    }
}
