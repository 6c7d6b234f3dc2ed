//! Whose request is it, and may it pass? What a gateway asks before each request for inference, and what
//! the inference stub of a development server asks itself: one function for both.
//!
//! The function reads nothing. Whoever asks looks up the profile that was named and says what was found;
//! where the answer is [`Verdict::Create`], it stores [`first_use`] and asks again.

use crate::clock::Timestamp;
use crate::decision::Decided;
use crate::enforcement::EnforcementStatus;
use crate::gateway_policy::{ForUnknown, GatewayPolicy, Passage};
use crate::id::ProfileId;
use crate::profile::{AccountStatus, ExternalUserDetails, Profile, ProfileDraft};
use crate::tenant::{Organization, OrganizationStatus};
use crate::text::ReferenceId;

crate::text_enum! {
    /// What a decision rests on. Each but the first is a row of the contract's table.
    Reason {
        /// Nothing stands against it.
        GoodStanding = "good_standing",
        /// The operator holds the organization.
        OrganizationOnHold = "organization_on_hold",
        /// No profile was named.
        Missing = "missing",
        /// The organization has no such profile.
        Unknown = "unknown",
        /// The profile is banned.
        Banned = "banned",
        /// The profile is restricted.
        Restricted = "restricted",
        /// The profile's identity check is under review.
        Pending = "pending",
        /// The platform has blocked the account.
        AccountBlocked = "account_blocked",
        /// The platform has suspended the account.
        AccountSuspended = "account_suspended",
        /// The program that was asked for is not active.
        ProgramRequired = "program_required",
    }
}

/// What becomes of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Allow,
    /// It is refused.
    Deny,
    /// The profile is to be made, and the question to be asked again.
    Create,
}

/// A verdict and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of the request.
    pub verdict: Verdict,
    /// Why; of a request that passes, what would have spoken against it under another policy.
    pub reason: Reason,
}

/// What was found under the name that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No name was given.
    NotNamed,
    /// The organization has no profile with the id.
    UnknownId,
    /// The organization has no profile with the reference.
    UnknownReference,
    /// A profile.
    Profile(Standing),
}

/// What of a profile decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What its open actions come to now.
    pub enforcement: EnforcementStatus,
    /// What the platform itself decided about the account.
    pub account: Option<AccountStatus>,
    /// Whether the program that was asked for is active; of no meaning when none was.
    pub has_program: bool,
}

/// Whether a request passes. `asks_for_program` says whether one was asked for.
///
/// The first reason that refuses counts, in the order of the contract's table; where none does, the first
/// that there is.
pub fn decide(organization: &Organization, found: Found, asks_for_program: bool) -> Decision {
    match organization.status {
        OrganizationStatus::Active => {}
        OrganizationStatus::OnHold => {
            return Decision {
                verdict: Verdict::Deny,
                reason: Reason::OrganizationOnHold,
            };
        }
    }
    let policy = organization.gateway_policy;
    let (who, has_program) = match found {
        Found::NotNamed => ([Some((Reason::Missing, policy.missing)), None], false),
        Found::UnknownId | Found::UnknownReference => match (policy.unknown, found) {
            // A new profile has no program, so none is made to be refused.
            (ForUnknown::Create, Found::UnknownReference) if !asks_for_program => {
                return Decision {
                    verdict: Verdict::Create,
                    reason: Reason::Unknown,
                };
            }
            (ForUnknown::Allow, _) | (ForUnknown::Create, Found::UnknownReference) => {
                ([Some((Reason::Unknown, Passage::Allow)), None], false)
            }
            (ForUnknown::Deny | ForUnknown::Create, _) => {
                ([Some((Reason::Unknown, Passage::Deny)), None], false)
            }
        },
        Found::Profile(standing) => {
            let reasons = [
                enforcement(&policy, standing.enforcement),
                standing.account.and_then(|status| account(&policy, status)),
            ];
            (reasons, standing.has_program)
        }
    };
    let [first, second] = who;
    let lacks = asks_for_program && !has_program;
    let program = lacks.then_some((Reason::ProgramRequired, Passage::Deny));
    let reasons = [first, second, program].into_iter().flatten();
    let refusing = reasons
        .clone()
        .find(|(_, passage)| *passage == Passage::Deny);
    match refusing {
        Some((reason, _)) => Decision {
            verdict: Verdict::Deny,
            reason,
        },
        None => Decision {
            verdict: Verdict::Allow,
            reason: reasons
                .map(|(reason, _)| reason)
                .next()
                .unwrap_or(Reason::GoodStanding),
        },
    }
}

fn enforcement(policy: &GatewayPolicy, status: EnforcementStatus) -> Option<(Reason, Passage)> {
    match status {
        EnforcementStatus::Unrestricted => None,
        EnforcementStatus::Banned => Some((Reason::Banned, policy.banned)),
        EnforcementStatus::Restricted => Some((Reason::Restricted, policy.restricted)),
        EnforcementStatus::Pending => Some((Reason::Pending, policy.pending)),
    }
}

fn account(policy: &GatewayPolicy, status: AccountStatus) -> Option<(Reason, Passage)> {
    match status {
        AccountStatus::Active => None,
        AccountStatus::Blocked => Some((Reason::AccountBlocked, policy.account_blocked)),
        AccountStatus::Suspended => Some((Reason::AccountSuspended, policy.account_suspended)),
    }
}

/// The profile of a reference that is used for the first time.
pub fn first_use(id: ProfileId, reference: ReferenceId, now: Timestamp) -> Decided<Profile> {
    let details = ExternalUserDetails {
        reference_id: Some(reference),
        ..ExternalUserDetails::default()
    };
    let draft = ProfileDraft {
        details,
        ..ProfileDraft::default()
    };
    Profile::create(id, draft, now)
}

/// How many whole seconds a gateway may go on with what it was told `now`: never past the next expiry of
/// an open action.
pub fn fresh_for(policy: &GatewayPolicy, next_expiry: Option<Timestamp>, now: Timestamp) -> u16 {
    let most = policy.cache_seconds.get();
    let Some(expiry) = next_expiry else {
        return most;
    };
    let left = expiry.as_micros().saturating_sub(now.as_micros()) / 1_000_000;
    most.min(u16::try_from(left.max(0)).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway_policy::{CacheSeconds, GatewayPolicyPatch};
    use crate::id::OrganizationId;
    use crate::tenant::OrganizationSwitches;

    fn organization(patch: GatewayPolicyPatch) -> Organization {
        Organization {
            id: OrganizationId::parse("org_1").unwrap(),
            name: "A".into(),
            created_at: Timestamp::EPOCH,
            rate_limit_rpm: None,
            status: OrganizationStatus::Active,
            switches: OrganizationSwitches::default(),
            gateway_policy: GatewayPolicy::default().patched(&patch),
        }
    }

    fn standing(enforcement: EnforcementStatus, account: Option<AccountStatus>) -> Found {
        Found::Profile(Standing {
            enforcement,
            account,
            has_program: false,
        })
    }

    /// `allow banned`, `deny unknown`, …
    fn said(decision: Decision) -> String {
        let verdict = match decision.verdict {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
            Verdict::Create => "create",
        };
        format!("{verdict} {}", decision.reason)
    }

    #[test]
    fn every_row_of_the_contract_has_its_default_and_its_other_values() {
        use AccountStatus::{Active, Blocked, Suspended};
        use EnforcementStatus::{Banned, Pending, Restricted, Unrestricted};
        let (allow, deny) = (Some(Passage::Allow), Some(Passage::Deny));
        let none = GatewayPolicyPatch::default();
        let unknown = |unknown| GatewayPolicyPatch {
            unknown: Some(unknown),
            ..none
        };
        #[rustfmt::skip]
        let table: &[(Found, GatewayPolicyPatch, &str)] = &[
            (standing(Unrestricted, None), none, "allow good_standing"),
            (standing(Unrestricted, Some(Active)), none, "allow good_standing"),
            (Found::NotNamed, none, "allow missing"),
            (Found::NotNamed, GatewayPolicyPatch { missing: deny, ..none }, "deny missing"),
            (Found::UnknownId, none, "deny unknown"),
            (Found::UnknownReference, none, "deny unknown"),
            (Found::UnknownId, unknown(ForUnknown::Allow), "allow unknown"),
            (Found::UnknownReference, unknown(ForUnknown::Allow), "allow unknown"),
            (Found::UnknownId, unknown(ForUnknown::Create), "deny unknown"),
            (Found::UnknownReference, unknown(ForUnknown::Create), "create unknown"),
            (standing(Banned, None), none, "deny banned"),
            (standing(Banned, None), GatewayPolicyPatch { banned: allow, ..none }, "allow banned"),
            (standing(Restricted, None), none, "allow restricted"),
            (standing(Restricted, None), GatewayPolicyPatch { restricted: deny, ..none }, "deny restricted"),
            (standing(Pending, None), none, "allow pending"),
            (standing(Pending, None), GatewayPolicyPatch { pending: deny, ..none }, "deny pending"),
            (standing(Unrestricted, Some(Blocked)), none, "deny account_blocked"),
            (standing(Unrestricted, Some(Blocked)), GatewayPolicyPatch { account_blocked: allow, ..none }, "allow account_blocked"),
            (standing(Unrestricted, Some(Suspended)), none, "deny account_suspended"),
            (standing(Unrestricted, Some(Suspended)), GatewayPolicyPatch { account_suspended: allow, ..none }, "allow account_suspended"),
            // What refuses is told before what passes, and of two that refuse the first.
            (standing(Restricted, Some(Blocked)), none, "deny account_blocked"),
            (standing(Banned, Some(Blocked)), none, "deny banned"),
            (standing(Restricted, Some(Blocked)), GatewayPolicyPatch { account_blocked: allow, ..none }, "allow restricted"),
        ];
        for (found, patch, expected) in table {
            let organization = organization(*patch);
            let decided = said(decide(&organization, *found, false));
            assert_eq!(decided, *expected, "{found:?} {patch:?}");
            let held = Organization {
                status: OrganizationStatus::OnHold,
                ..organization
            };
            let decided = said(decide(&held, *found, false));
            assert_eq!(decided, "deny organization_on_hold", "{found:?}");
        }
    }

    #[test]
    fn a_program_that_is_asked_for_must_be_active() {
        let usual = organization(GatewayPolicyPatch::default());
        let with = |has_program| {
            Found::Profile(Standing {
                enforcement: EnforcementStatus::Unrestricted,
                account: None,
                has_program,
            })
        };
        assert_eq!(
            said(decide(&usual, with(true), true)),
            "allow good_standing"
        );
        assert_eq!(
            said(decide(&usual, with(false), true)),
            "deny program_required"
        );
        // Nobody is in no program.
        assert_eq!(
            said(decide(&usual, Found::NotNamed, true)),
            "deny program_required"
        );
        assert_eq!(said(decide(&usual, Found::UnknownId, true)), "deny unknown");
        for unknown in [ForUnknown::Allow, ForUnknown::Create] {
            let lenient = organization(GatewayPolicyPatch {
                unknown: Some(unknown),
                ..GatewayPolicyPatch::default()
            });
            assert_eq!(
                said(decide(&lenient, Found::UnknownReference, true)),
                "deny program_required"
            );
        }
    }

    #[test]
    fn an_answer_is_not_kept_past_the_next_expiry() {
        let policy = GatewayPolicy::default().patched(&GatewayPolicyPatch {
            cache_seconds: Some(CacheSeconds::new(60).unwrap()),
            ..GatewayPolicyPatch::default()
        });
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        let now = at(1_000_000);
        assert_eq!(fresh_for(&policy, None, now), 60);
        assert_eq!(fresh_for(&policy, Some(at(3_900_000)), now), 2);
        assert_eq!(fresh_for(&policy, Some(at(1_999_999)), now), 0);
        assert_eq!(fresh_for(&policy, Some(at(500_000)), now), 0);
        assert_eq!(fresh_for(&policy, Some(at(i64::MAX / 100)), now), 60);
        assert!(CacheSeconds::new(301).is_err());
    }
}
