//! The operator's search over all profiles, which the public API does not have (`operator.md`).
//!
//! Answers are ordered newest first by creation time, then by id; by folded name, then by id, where a
//! name prefix is what narrows the search down ([`ProfileSearch::is_by_name`]). To stay quick whatever is asked, one answer examines a bounded number of profiles, so
//! a page may hold fewer than were asked for and still go on.

use crate::clock::Timestamp;
use crate::enforcement::EnforcementStatus;
use crate::id::{OrganizationId, ProfileId};
use crate::page::{Limit, StatusFilter};
use crate::profile::AccessType;
use crate::program::{ProgramName, ProgramStatus};
use crate::text::{Country, OpaqueHash, ReferenceId};

/// What a profile must match; what is absent matches every profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileSearch {
    /// Belongs to this organization.
    pub organization_id: Option<OrganizationId>,
    /// Has exactly this reference.
    pub reference_id: Option<ReferenceId>,
    /// Has exactly this e-mail hash.
    pub email_hash: Option<OpaqueHash>,
    /// Has a name that, folded as listings fold it, begins with this folded text.
    pub name_prefix: Option<String>,
    /// Is in this country.
    pub country: Option<Country>,
    /// Has this access type.
    pub access_type: Option<AccessType>,
    /// Has one of these enforcement statuses now.
    pub enforcement_status: Option<StatusFilter>,
    /// Stands in this program, with this status if one is given.
    pub program: Option<(ProgramName, Option<ProgramStatus>)>,
    /// Was created after this instant.
    pub created_after: Option<Timestamp>,
    /// Was created before this instant.
    pub created_before: Option<Timestamp>,
}

impl ProfileSearch {
    /// Whether answers are ordered by name. They are not where something is asked for beside a name
    /// prefix that fewer profiles have: a reference, a program, an enforcement action.
    pub fn is_by_name(&self) -> bool {
        let narrower = self.reference_id.is_some()
            || self.email_hash.is_some()
            || self.program.is_some()
            || self.enforced().is_some();
        self.name_prefix.is_some() && !narrower
    }

    /// The statuses that are asked for, if only profiles under an enforcement action have them, which
    /// are few.
    pub fn enforced(&self) -> Option<StatusFilter> {
        self.enforcement_status
            .filter(|wanted| !wanted.matches(EnforcementStatus::Unrestricted))
    }
}

/// Where in a search's answers to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchPosition {
    /// In answers ordered by creation time.
    CreatedAt(Timestamp, ProfileId),
    /// In answers ordered by folded name.
    Name(String, ProfileId),
}

/// A request for one page of a search's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPage {
    /// What is searched for.
    pub search: ProfileSearch,
    /// How many profiles at the most.
    pub limit: Limit,
    /// Where to go on.
    pub after: Option<SearchPosition>,
}
