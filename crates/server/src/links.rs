//! The URL behind which an end user enrolls: made alike for a platform and for the operator. Its token exists in the
//! answer alone; what is stored is its hash.

use std::fmt;

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enrollment::EnrollmentUrl;
use rollcall_domain::id::{OrganizationId, ProfileId};

use crate::app::App;
use crate::secrets::Secret;

/// A URL, and what is to be stored of it.
pub(crate) struct Link {
    pub(crate) stored: EnrollmentUrl,
    pub(crate) url: String,
}

// Whoever has the URL can enroll.
impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Link(of {})", self.stored.profile_id)
    }
}

impl Link {
    /// A new URL of a profile. It opens nothing before it is stored.
    pub(crate) fn new(
        app: &App,
        organization_id: &OrganizationId,
        profile_id: ProfileId,
        now: Timestamp,
    ) -> Self {
        let token = Secret::enrollment_token(&app.ids);
        let base = &app.settings.public_base_url;
        Self {
            stored: EnrollmentUrl {
                token_hash: token.hash(),
                organization_id: organization_id.clone(),
                profile_id,
                created_at: now,
                expires_at: now.saturating_add(app.settings.enrollment_url_lifetime),
                enrollment_id: None,
            },
            url: format!("{base}/user-profiles/enrollment/{}", token.expose()),
        }
    }
}
