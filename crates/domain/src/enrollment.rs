//! Enrollment: the URL that lets an end user apply, what they submit, and what the operator decides.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::decision::Refusal;
use crate::id::{EnrollmentId, OrganizationId, ProfileId};
use crate::program::ProgramName;
use crate::tenant::SecretHash;

/// How long an enrollment or action URL works, exactly.
pub const URL_LIFETIME: Duration = Duration::from_mins(15);

/// An enrollment or action URL, without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrollmentUrl {
    /// The SHA-256 of its token.
    pub token_hash: SecretHash,
    /// The organization that asked for it.
    pub organization_id: OrganizationId,
    /// The profile it is for.
    pub profile_id: ProfileId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// What was submitted through it; a URL takes one submission.
    pub enrollment_id: Option<EnrollmentId>,
}

crate::text_enum! {
    /// What became of an application.
    EnrollmentStatus {
        /// Nobody has decided yet.
        Pending = "pending",
        /// The operator approved.
        Approved = "approved",
        /// The operator rejected.
        Rejected = "rejected",
    }
}

/// What an end user submitted, and what was decided on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// The organization of the profile.
    pub organization_id: OrganizationId,
    /// The profile it was submitted for.
    pub profile_id: ProfileId,
    /// The program applied for.
    pub program: ProgramName,
    /// What became of it.
    pub status: EnrollmentStatus,
    /// The form's fields, in the form's order.
    pub submitted: Vec<(String, String)>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// The operator's words to the end user.
    pub note: Option<String>,
}

impl Enrollment {
    /// This application, decided; deciding twice is refused.
    pub fn decided(
        &self,
        status: EnrollmentStatus,
        note: Option<String>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        match self.status {
            EnrollmentStatus::Pending => Ok(Self {
                status,
                note,
                decided_at: Some(now),
                ..self.clone()
            }),
            EnrollmentStatus::Approved | EnrollmentStatus::Rejected => Err(Refusal::AlreadyDecided),
        }
    }
}
