//! Enrollment: the URL that lets an end user apply, what they submit, and what the operator decides.
//!
//! Both steps concern two things at once, the enrollment and the profile's program, so both decide
//! on both: [`EnrollmentUrl::submit`] and [`Enrollment::decide`] answer with an [`Enrolled`], which
//! storage keeps whole.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::audit::{AuditAction, AuditEntry, TargetKind};
use crate::clock::Timestamp;
use crate::decision::{Decided, Refusal};
use crate::id::{EnrollmentId, OrganizationId, ProfileId};
use crate::profile::Profile;
use crate::program::{ProgramName, ProgramStanding, ProgramStatus};
use crate::tenant::SecretHash;

/// How long an enrollment or action URL works, unless the operator says otherwise.
pub const URL_LIFETIME: Duration = Duration::from_hours(1);

/// What the operator can say: long enough to open it and short enough not to be forgotten in a mailbox.
pub const URL_LIFETIMES: RangeInclusive<Duration> =
    Duration::from_mins(5)..=Duration::from_hours(7 * 24);

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

/// What an end user fills in.
#[derive(Clone, PartialEq, Eq)]
pub struct Application {
    /// The program applied for.
    pub program: ProgramName,
    /// The form's fields, in the form's order.
    pub submitted: Vec<(String, String)>,
}

// The answers are personal data: they must not reach a log through `{:?}`.
impl std::fmt::Debug for Application {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Application")
            .field("program", &self.program)
            .field("submitted", &self.submitted.len())
            .finish()
    }
}

/// An enrollment after a step, and the profile it concerns after the same step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The enrollment.
    pub enrollment: Enrollment,
    /// The profile, with the events and audit entries of the whole step.
    pub profile: Decided<Profile>,
}

impl EnrollmentUrl {
    /// What the audit trail shows of its creation: the profile, since it has no id of its own.
    pub fn creation(&self) -> AuditEntry {
        let action = AuditAction::EnrollmentUrlCreated;
        AuditEntry::new(action, TargetKind::UserProfile, self.profile_id.as_str())
    }

    /// Whether it has stopped working.
    pub fn is_expired_at(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }

    /// Submits an application through this URL, which takes one; `profile` is the one it is for.
    pub fn submit(
        &self,
        profile: &Profile,
        id: EnrollmentId,
        application: Application,
        now: Timestamp,
    ) -> Result<Enrolled, Refusal> {
        if self.enrollment_id.is_some() {
            return Err(Refusal::AlreadySubmitted);
        }
        let mut profile = profile.apply_for(&application.program, now)?;
        let enrollment = Enrollment {
            id,
            organization_id: self.organization_id.clone(),
            profile_id: self.profile_id.clone(),
            program: application.program,
            status: EnrollmentStatus::Pending,
            submitted: application.submitted,
            submitted_at: now,
            decided_at: None,
            note: None,
        };
        profile
            .audit
            .insert(0, enrollment.audit(AuditAction::EnrollmentSubmitted));
        Ok(Enrolled {
            enrollment,
            profile,
        })
    }
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
#[derive(Clone, PartialEq, Eq)]
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

// What was submitted is personal data: it must not reach a log through `{:?}`.
impl std::fmt::Debug for Enrollment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Enrollment")
            .field("id", &self.id)
            .field("program", &self.program)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// What the operator decides on an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The profile gets this standing, which is an active one in the enrollment's program.
    Approved(ProgramStanding),
    /// The profile is rejected in the enrollment's program.
    Rejected,
}

impl Enrollment {
    /// Decides on this application; deciding twice is refused. `profile` is the one it is for.
    ///
    /// An approval that names no tier and no feature takes none away from a profile that is active
    /// already.
    pub fn decide(
        &self,
        profile: &Profile,
        verdict: &Verdict,
        note: Option<String>,
        now: Timestamp,
    ) -> Result<Enrolled, Refusal> {
        if self.status != EnrollmentStatus::Pending {
            return Err(Refusal::AlreadyDecided);
        }
        let bare = |status| ProgramStanding::bare(&self.program, status);
        let is_active = profile.programs.status(&self.program) == Some(ProgramStatus::Active);
        let (status, action, mut profile) = match verdict {
            Verdict::Approved(standing)
                if is_active && *standing == bare(ProgramStatus::Active) =>
            {
                let unchanged = Decided::unchanged(profile.clone());
                (
                    EnrollmentStatus::Approved,
                    AuditAction::EnrollmentApproved,
                    unchanged,
                )
            }
            Verdict::Approved(standing) => (
                EnrollmentStatus::Approved,
                AuditAction::EnrollmentApproved,
                profile.set_program(standing.clone(), now)?,
            ),
            Verdict::Rejected => (
                EnrollmentStatus::Rejected,
                AuditAction::EnrollmentRejected,
                profile.set_program(bare(ProgramStatus::Rejected), now)?,
            ),
        };
        profile.audit.insert(0, self.audit(action));
        let enrollment = Self {
            status,
            note,
            decided_at: Some(now),
            ..self.clone()
        };
        Ok(Enrolled {
            enrollment,
            profile,
        })
    }

    /// What the audit trail shows: which profile, which program, and none of the answers.
    fn audit(&self, action: AuditAction) -> AuditEntry {
        AuditEntry::new(action, TargetKind::Enrollment, self.id.as_str())
            .with_details([self.profile_id.as_str(), self.program.as_str()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ProfileDraft;
    use crate::program::{Cyber, Tiers};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    fn profile() -> Profile {
        let id = ProfileId::parse("uprof_1").unwrap();
        Profile::new(id, ProfileDraft::default(), at(0))
    }

    fn url() -> EnrollmentUrl {
        EnrollmentUrl {
            token_hash: SecretHash([1; 32]),
            organization_id: OrganizationId::parse("org").unwrap(),
            profile_id: ProfileId::parse("uprof_1").unwrap(),
            created_at: at(0),
            expires_at: at(0).saturating_add(URL_LIFETIME),
            enrollment_id: None,
        }
    }

    fn submitted(profile: &Profile) -> Enrolled {
        let application = Application {
            program: ProgramName::Cyber,
            submitted: vec![("full_name".into(), "Ana".into())],
        };
        let id = EnrollmentId::parse("enr_1").unwrap();
        url().submit(profile, id, application, at(1)).unwrap()
    }

    fn tier_a() -> ProgramStanding {
        let tiers = Tiers {
            a: true,
            ..Tiers::default()
        };
        ProgramStanding::Cyber(Cyber::new(ProgramStatus::Active, tiers, None).unwrap())
    }

    #[test]
    fn submitting_makes_the_program_pending_unless_it_is_active() {
        let first = submitted(&profile());
        let status =
            |enrolled: &Enrolled| enrolled.profile.value.programs.status(&ProgramName::Cyber);
        assert_eq!(status(&first), Some(ProgramStatus::Pending));
        assert_eq!(
            (first.profile.events.len(), first.profile.audit.len()),
            (1, 2)
        );

        let active = profile().set_program(tier_a(), at(0)).unwrap().value;
        let second = submitted(&active);
        assert_eq!(status(&second), Some(ProgramStatus::Active));
        assert_eq!(
            (second.profile.events.len(), second.profile.audit.len()),
            (0, 1)
        );
    }

    #[test]
    fn a_url_takes_one_submission() {
        let used = EnrollmentUrl {
            enrollment_id: Some(EnrollmentId::parse("enr_0").unwrap()),
            ..url()
        };
        let application = Application {
            program: ProgramName::Cyber,
            submitted: Vec::new(),
        };
        let id = EnrollmentId::parse("enr_1").unwrap();
        assert_eq!(
            used.submit(&profile(), id, application, at(1)),
            Err(Refusal::AlreadySubmitted)
        );
    }

    #[test]
    fn a_decision_is_made_once() {
        let Enrolled {
            enrollment,
            profile,
        } = submitted(&profile());
        let approved = enrollment
            .decide(&profile.value, &Verdict::Approved(tier_a()), None, at(2))
            .unwrap();
        assert_eq!(approved.enrollment.status, EnrollmentStatus::Approved);
        assert_eq!(approved.enrollment.decided_at, Some(at(2)));
        let again =
            approved
                .enrollment
                .decide(&approved.profile.value, &Verdict::Rejected, None, at(3));
        assert_eq!(again, Err(Refusal::AlreadyDecided));
    }

    #[test]
    fn an_approval_without_tiers_takes_none_away() {
        let active = profile().set_program(tier_a(), at(0)).unwrap().value;
        let Enrolled {
            enrollment,
            profile,
        } = submitted(&active);
        let bare = ProgramStanding::bare(&ProgramName::Cyber, ProgramStatus::Active);
        let approved = enrollment
            .decide(&profile.value, &Verdict::Approved(bare), None, at(2))
            .unwrap();
        assert_eq!(approved.profile.value.programs, active.programs);
        assert!(!approved.profile.changed);
    }
}
