//! The end of a tenancy. It takes as long as there is much to remove, so it is begun, gone on with, and over: what has
//! begun is kept with the organization, and is gone on with by whoever comes next.

use std::collections::BTreeMap;

use crate::audit::{Act, Actor, AuditAction, AuditEntry, TargetKind};
use crate::clock::Timestamp;
use crate::decision::Refusal;
use crate::id::OrganizationId;
use crate::tenant::{Organization, OrganizationStatus};

/// The end of a tenancy that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Who asked for it first.
    pub actor: Actor,
    /// How much has gone so far, by what it was.
    pub gone: BTreeMap<String, u64>,
}

impl Removal {
    /// Begins the end of a tenancy, which must be held: whoever uses it has been refused for a while then.
    pub fn of(organization: &Organization, actor: Actor) -> Result<Self, Refusal> {
        match organization.status {
            OrganizationStatus::OnHold => Ok(Self {
                actor,
                gone: BTreeMap::new(),
            }),
            OrganizationStatus::Active => Err(Refusal::NotOnHold),
        }
    }

    /// Counts what went.
    pub fn count(&mut self, what: &str, rows: u64) {
        if rows > 0 {
            *self.gone.entry(what.to_owned()).or_default() += rows;
        }
    }

    /// Who did it, and when it is over.
    pub fn act(&self, now: Timestamp) -> Act {
        Act {
            actor: self.actor.clone(),
            at: now,
        }
    }

    /// What the audit trail shows of it, of all that it showed of the organization.
    pub fn entry(&self, id: &OrganizationId) -> AuditEntry {
        let gone = self.gone.iter();
        AuditEntry::new(
            AuditAction::OrganizationRemoved,
            TargetKind::Organization,
            id.as_str(),
        )
        .with_details(gone.map(|(what, rows)| format!("{rows} {what}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway_policy::GatewayPolicy;
    use crate::tenant::OrganizationSwitches;

    #[test]
    fn only_what_is_held_ends_and_its_end_says_how_much_it_was() {
        let mut organization = Organization {
            id: OrganizationId::parse("o").unwrap(),
            name: "O".into(),
            created_at: Timestamp::EPOCH,
            rate_limit_rpm: None,
            status: OrganizationStatus::Active,
            switches: OrganizationSwitches::default(),
            gateway_policy: GatewayPolicy::default(),
        };
        let begin = |of: &Organization| Removal::of(of, Actor::command_line());
        assert_eq!(begin(&organization), Err(Refusal::NotOnHold));
        organization.status = OrganizationStatus::OnHold;
        let mut removal = begin(&organization).unwrap();
        removal.count("workspaces", 0);
        removal.count("user_profiles", 250);
        removal.count("user_profiles", 7);
        removal.count("api_keys", 1);
        let entry = removal.entry(&organization.id);
        assert_eq!(entry.details, ["1 api_keys", "257 user_profiles"]);
    }
}
