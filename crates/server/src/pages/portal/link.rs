//! What a link leads to: whose it is, and how its end user stands.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::{ActionKind, IdentityCheck};
use rollcall_domain::enrollment::{Enrollment, EnrollmentStatus, EnrollmentUrl};
use rollcall_domain::id::{EnforcementActionId, OrganizationId, ProfileId};
use rollcall_domain::page::{Limit, Order};
use rollcall_domain::profile::Profile;
use rollcall_domain::program::{ProgramName, ProgramStatus};
use rollcall_domain::tenant::OperatorProof;
use rollcall_store::enrollments::EnrollmentFilter;

use super::views::{Check, Moment, Standing, TEXTS};
use crate::app::Operation;
use crate::config::ProgramConfig;
use crate::http::error::Failure;
use crate::http::exchange::Exchange;
use crate::secrets;

/// A link that works.
pub(super) struct Link {
    pub(super) url: EnrollmentUrl,
    pub(super) platform: String,
    pub(super) profile: Profile,
    /// What was submitted through it.
    submitted: Option<Enrollment>,
    /// The profile's newest applications, newest first.
    applications: Vec<Enrollment>,
    now: Timestamp,
}

pub(super) enum Opened {
    Unknown,
    Over,
    Link(Box<Link>),
}

/// Reads everything a link leads to. What does not exist costs the same as what does.
pub(super) async fn open(exchange: &Exchange<'_>) -> Result<Opened, Failure> {
    let app = exchange.app;
    let now = app.clock.now();
    let hash = secrets::hash(exchange.params.get("token").as_bytes());
    let find = app.store.find_enrollment_url(&hash);
    let url = exchange.read(Operation::FindEnrollmentUrl, find).await?;
    let url = url.filter(|url| secrets::same(&url.token_hash, &hash));
    let (organization_id, profile_id) = match &url {
        Some(url) => (
            Some(url.organization_id.clone()),
            Some(url.profile_id.clone()),
        ),
        None => (
            OrganizationId::parse("nobody").ok(),
            ProfileId::parse("uprof_nobody").ok(),
        ),
    };
    let (Some(organization_id), Some(profile_id)) = (organization_id, profile_id) else {
        return Ok(Opened::Unknown);
    };
    let proof = OperatorProof::of_storage_access();
    let scope = proof.choose(organization_id.clone());
    let find = app.store.find_profile(&scope, &profile_id);
    let document = exchange.read(Operation::FindProfile, find).await?;
    let find = app.store.find_organization(proof, &organization_id);
    let organization = exchange.read(Operation::ReadTenants, find).await?;
    let filter = EnrollmentFilter {
        profile_id: Some(profile_id),
        ..EnrollmentFilter::default()
    };
    let newest = Order::Descending;
    let list = app
        .store
        .list_enrollments(proof, &filter, newest, None, Limit::DEFAULT);
    let applications = exchange.read(Operation::ReadEnrollments, list).await?.items;
    let submitted = match url.as_ref().and_then(|url| url.enrollment_id.as_ref()) {
        None => None,
        // It may be older than the newest ones.
        Some(id) => {
            let find = app.store.find_enrollment(proof, id);
            exchange.read(Operation::ReadEnrollments, find).await?
        }
    };
    Ok(match (url, document, organization) {
        (None, _, _) => Opened::Unknown,
        (Some(url), Some(document), Some(organization)) if !url.is_expired_at(now) => {
            Opened::Link(Box::new(Link {
                url,
                platform: organization.name,
                profile: document.decode()?,
                submitted,
                applications,
                now,
            }))
        }
        (Some(_), _, _) => Opened::Over,
    })
}

impl Link {
    /// What was submitted through this link.
    pub(super) fn submitted(&self) -> Option<&Enrollment> {
        self.submitted.as_ref()
    }

    /// The open restriction that an identity check can clear.
    pub(super) fn checkable(&self) -> Option<EnforcementActionId> {
        let mut open = self.profile.enforcement.open_at(self.now);
        let offered = open.find(|action| match action.kind() {
            ActionKind::Restriction { check, .. } => check == IdentityCheck::Offered,
            ActionKind::Ban => false,
        });
        offered.map(|action| action.id().clone())
    }

    pub(super) fn check(&self) -> Check {
        let is_waiting = self.profile.enforcement.open_at(self.now).any(|action| {
            matches!(
                action.kind(),
                ActionKind::Restriction {
                    check: IdentityCheck::Submitted,
                    ..
                }
            )
        });
        match self.checkable() {
            Some(_) => Check::Offered,
            None if is_waiting => Check::Waiting,
            None => Check::None,
        }
    }

    /// The newest application for a program.
    pub(super) fn application_for(&self, program: &ProgramName) -> Option<&Enrollment> {
        self.applications.iter().find(|it| it.program == *program)
    }

    /// How the end user stands in a program; nothing where there is nothing to tell.
    pub(super) fn standing(&self, program: &ProgramConfig) -> Option<Standing> {
        let name = ProgramName::parse(&program.name).ok()?;
        let status = self.profile.programs.status(&name)?;
        let mut standing = self.standing_of(&program.title, status, self.application_for(&name));
        // This link has not been used: nobody needs another one.
        if status == ProgramStatus::Rejected {
            TEXTS.declined_before_text.clone_into(&mut standing.text);
        }
        Some(standing)
    }

    /// With which words the end user is invited to apply for a program; with none while an application is
    /// being read, and once there is nothing more to get.
    pub(super) fn invitation(&self, program: &ProgramConfig) -> Option<&'static str> {
        let name = ProgramName::parse(&program.name).ok()?;
        let newest = self.application_for(&name);
        if newest.is_some_and(|it| it.status == EnrollmentStatus::Pending) {
            return None;
        }
        match self.profile.programs.status(&name) {
            None | Some(ProgramStatus::Pending) => Some(TEXTS.apply),
            Some(ProgramStatus::Rejected) => Some(TEXTS.apply_again),
            Some(ProgramStatus::Active) => {
                let cyber = self.profile.programs.cyber;
                let tiers = cyber.map(|cyber| cyber.tiers()).unwrap_or_default();
                let mut offered = program.tiers.iter();
                let lacks = offered.any(|tier| !tiers.has(&tier.name));
                lacks.then_some(TEXTS.apply_for_more)
            }
        }
    }

    pub(super) fn standing_of(
        &self,
        title: &str,
        status: ProgramStatus,
        application: Option<&Enrollment>,
    ) -> Standing {
        let (look, status_text, text) = match status {
            ProgramStatus::Pending => ("wait", TEXTS.under_review, TEXTS.under_review_text),
            ProgramStatus::Active => ("good", TEXTS.admitted, TEXTS.admitted_text),
            ProgramStatus::Rejected => ("bad", TEXTS.declined, TEXTS.declined_text),
        };
        Standing {
            program: title.to_owned(),
            look,
            status: status_text,
            text: text.replace("{platform}", &self.platform),
            note: application.and_then(|it| it.note.clone()),
            sent_at: application.map(|it| Moment::of(it.submitted_at)),
        }
    }
}
