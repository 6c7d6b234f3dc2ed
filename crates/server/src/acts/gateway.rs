//! What a gateway would be told now. Asking makes nothing and leaves no trace.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::gateway::fresh_for;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::tenant::Organization;
use rollcall_wire::gateway::Named;
use rollcall_wire::operator::gateway::{DecisionRequest, JudgedProfile};

use super::{Desk, organizations};
use crate::app::Operation::{FindByReference, FindProfile};
use crate::gateway::{Asked, Judged, judged};
use crate::http::error::Failure;

/// What would be told, and by which policy.
pub(crate) struct Told {
    pub(crate) judged: Judged,
    organization: Organization,
    now: Timestamp,
}

impl Told {
    /// What would be told of the profile, if there is one.
    pub(crate) fn profile(&self) -> Option<JudgedProfile<'_>> {
        let profile = self.judged.profile.as_ref()?;
        Some(JudgedProfile {
            id: &profile.id,
            enforcement_status: profile.enforcement,
            access_type: profile.access_type,
            programs: &profile.programs,
            cache_seconds: fresh_for(
                &self.organization.gateway_policy,
                profile.next_expiry,
                self.now,
            ),
        })
    }
}

pub(crate) async fn decide(
    desk: &Desk<'_>,
    organization_id: &OrganizationId,
    request: DecisionRequest,
) -> Result<Told, Failure> {
    let organization = organizations::find(desk, organization_id).await?;
    let scope = desk.scope(organization_id);
    let DecisionRequest { who, program } = request;
    let document = match &who {
        None | Some(Named::Id(None)) => None,
        Some(Named::Id(Some(id))) => {
            let find = desk.store().find_profile(&scope, id);
            desk.read(FindProfile, find).await?
        }
        Some(Named::Reference(reference)) => {
            let find = desk.store().find_by_reference(&scope, reference);
            desk.read(FindByReference, find).await?
        }
    };
    let now = desk.app().clock.now();
    let asked = Asked { who, program };
    let judged = judged(&organization, &asked, document.as_ref(), now)?;
    Ok(Told {
        judged,
        organization,
        now,
    })
}
