//! From what storage found to what a gateway is told: the profile's document is looked at, and one rule of the
//! domain judges it. Who asks is not known here: a gateway, the inference stub, or an operator who wants to
//! know what a gateway would be told.

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::EnforcementStatus;
use rollcall_domain::gateway::{self, Decision, Found, Standing};
use rollcall_domain::profile::AccessType;
use rollcall_domain::program::ProgramName;
use rollcall_domain::tenant::Organization;
use rollcall_record::document::{DamagedDocument, ProfileDocument};
use rollcall_wire::gateway::Named;

/// What is asked.
pub(crate) struct Asked {
    /// Whose request it is, if that was said.
    pub(crate) who: Option<Named>,
    /// The program that must be active.
    pub(crate) program: Option<ProgramName>,
}

/// The answer.
pub(crate) struct Judged {
    pub(crate) decision: Decision,
    /// The instant that it holds for.
    pub(crate) at: Timestamp,
    /// The profile, if there is one.
    pub(crate) profile: Option<Judgeable>,
}

/// What is told of a profile.
pub(crate) struct Judgeable {
    pub(crate) id: String,
    pub(crate) enforcement: EnforcementStatus,
    pub(crate) access_type: AccessType,
    /// The active ones, separated by commas.
    pub(crate) programs: String,
    /// When the next action that is open ends by itself.
    pub(crate) next_expiry: Option<Timestamp>,
    standing: Standing,
}

impl Judgeable {
    fn of(
        document: &ProfileDocument,
        program: Option<&ProgramName>,
        now: Timestamp,
    ) -> Result<Self, DamagedDocument> {
        let view = document.view()?;
        let enforcement = view.enforcement_status(now)?;
        let mut programs = String::new();
        let mut has_program = false;
        for name in view.active_programs() {
            has_program |= program.is_some_and(|wanted| wanted.as_str() == name);
            if !programs.is_empty() {
                programs.push(',');
            }
            programs.push_str(name);
        }
        Ok(Self {
            id: view.id.trim_matches('"').to_owned(),
            enforcement,
            access_type: view.relationship().access_type(),
            programs,
            next_expiry: view.next_expiry(now)?,
            standing: Standing {
                enforcement,
                account: view.account_status(),
                has_program,
            },
        })
    }
}

/// Judges what was found under the name that was given.
pub(crate) fn judged(
    organization: &Organization,
    asked: &Asked,
    document: Option<&ProfileDocument>,
    now: Timestamp,
) -> Result<Judged, DamagedDocument> {
    let program = asked.program.as_ref();
    let profile = document.map(|document| Judgeable::of(document, program, now));
    let profile = profile.transpose()?;
    let found = match (&profile, &asked.who) {
        (Some(profile), _) => Found::Profile(profile.standing),
        (None, None) => Found::NotNamed,
        (None, Some(Named::Id(_))) => Found::UnknownId,
        (None, Some(Named::Reference(_))) => Found::UnknownReference,
    };
    Ok(Judged {
        decision: gateway::decide(organization, found, program.is_some()),
        at: now,
        profile,
    })
}
