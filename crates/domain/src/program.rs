//! Programs: sets of capabilities the operator approves for the entity behind a profile.
//!
//! The legacy dialects call them trust grants. `cyber` has tiers with requirements, `efs` has
//! features; the operator may name further programs, which have a status and nothing else.

use std::collections::BTreeMap;

use thiserror::Error;

crate::text_enum! {
    /// How a profile stands in a program. No status at all is the absence of the program.
    ProgramStatus {
        /// The entity has the capabilities.
        Active = "active",
        /// Under review, or approved and not yet applied.
        Pending = "pending",
        /// The operator declined.
        Rejected = "rejected",
    }
}

/// The most programs of the operator's own that one profile can be in.
pub const OWN_PROGRAMS: usize = 32;

/// The name of a program of the operator's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnProgramName(Box<str>);

/// Which program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProgramName {
    /// Cyber capabilities.
    Cyber,
    /// `efs`: data retention, keys and storage.
    Efs,
    /// One of the operator's own.
    Own(OwnProgramName),
}

/// The text is not a program name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be a program name: 1 to 64 characters from a-z, 0-9, _ and -")]
pub struct InvalidProgramName;

impl ProgramName {
    /// Accepts 1 to 64 characters from `a–z 0–9 _ -`; `cyber` and `efs` are the built-in programs.
    pub fn parse(text: &str) -> Result<Self, InvalidProgramName> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
            });
        match text {
            _ if !fits => Err(InvalidProgramName),
            "cyber" => Ok(Self::Cyber),
            "efs" => Ok(Self::Efs),
            own => Ok(Self::Own(OwnProgramName(own.into()))),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Cyber => "cyber",
            Self::Efs => "efs",
            Self::Own(name) => name.as_str(),
        }
    }
}

impl OwnProgramName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The tiers of `cyber`: which are active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tiers {
    /// Tier `a`.
    pub a: bool,
    /// Tier `b`.
    pub b: bool,
    /// Tier `c`.
    pub c: bool,
}

impl Tiers {
    /// Whether any tier is active.
    pub fn any(self) -> bool {
        self.a || self.b || self.c
    }

    /// Whether the tier called `name` is active.
    pub fn has(self, name: &str) -> bool {
        match name {
            "a" => self.a,
            "b" => self.b,
            "c" => self.c,
            _ => false,
        }
    }
}

/// What at least one active tier of `cyber` requires and is not waived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Data is retained.
    pub data_retention: bool,
    /// A person reviews.
    pub human_review: bool,
}

/// A profile's standing in `cyber`.
///
/// Active with no active tier is valid: access to earlier models is no tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cyber {
    status: ProgramStatus,
    tiers: Tiers,
    requirements: Option<Requirements>,
}

/// Why a standing in `cyber` cannot be; written as `field: message`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidCyber {
    /// A tier is active and the status is another.
    #[error("status: must be active while a tier is active")]
    TierWithoutStatus,
    /// Requirements are stated and no tier has any.
    #[error("requirements: need an active tier")]
    RequirementsWithoutTier,
}

impl Cyber {
    /// A standing; with an active tier, requirements left out mean none.
    pub fn new(
        status: ProgramStatus,
        tiers: Tiers,
        requirements: Option<Requirements>,
    ) -> Result<Self, InvalidCyber> {
        if !tiers.any() {
            return match requirements {
                None => Ok(Self {
                    status,
                    tiers,
                    requirements,
                }),
                Some(_) => Err(InvalidCyber::RequirementsWithoutTier),
            };
        }
        if status != ProgramStatus::Active {
            return Err(InvalidCyber::TierWithoutStatus);
        }
        Ok(Self {
            status,
            tiers,
            requirements: Some(requirements.unwrap_or_default()),
        })
    }

    /// A standing without tiers.
    pub fn without_tiers(status: ProgramStatus) -> Self {
        Self {
            status,
            tiers: Tiers::default(),
            requirements: None,
        }
    }

    /// The status.
    pub fn status(&self) -> ProgramStatus {
        self.status
    }

    /// The tiers.
    pub fn tiers(&self) -> Tiers {
        self.tiers
    }

    /// The requirements; there are some exactly when a tier is active.
    pub fn requirements(&self) -> Option<Requirements> {
        self.requirements
    }
}

/// The features of `efs`: which are active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EfsFeatures {
    /// Exemption from data retention.
    pub data_retention_exemption: bool,
    /// Customer-managed encryption keys.
    pub cmek: bool,
    /// Storage.
    pub storage: bool,
}

/// A profile's standing in `efs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Efs {
    /// The status.
    pub status: ProgramStatus,
    /// The features.
    pub features: EfsFeatures,
}

/// A profile's standing in one program, named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramStanding {
    /// In `cyber`.
    Cyber(Cyber),
    /// In `efs`.
    Efs(Efs),
    /// In one of the operator's own.
    Own(OwnProgramName, ProgramStatus),
}

impl ProgramStanding {
    /// This status in the program `name`, with no tier and no feature active.
    pub fn bare(name: &ProgramName, status: ProgramStatus) -> Self {
        match name {
            ProgramName::Cyber => Self::Cyber(Cyber::without_tiers(status)),
            ProgramName::Efs => Self::Efs(Efs {
                status,
                features: EfsFeatures::default(),
            }),
            ProgramName::Own(name) => Self::Own(name.clone(), status),
        }
    }

    /// Which program.
    pub fn name(&self) -> ProgramName {
        match self {
            Self::Cyber(_) => ProgramName::Cyber,
            Self::Efs(_) => ProgramName::Efs,
            Self::Own(name, _) => ProgramName::Own(name.clone()),
        }
    }

    /// How the profile stands in it.
    pub fn status(&self) -> ProgramStatus {
        match self {
            Self::Cyber(cyber) => cyber.status(),
            Self::Efs(efs) => efs.status,
            Self::Own(_, status) => *status,
        }
    }
}

/// All of a profile's programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs {
    /// `cyber`, when the profile has a status in it.
    pub cyber: Option<Cyber>,
    /// `efs`, when the entity applied or the attestation is in place.
    pub efs: Option<Efs>,
    /// The operator's own, by name.
    pub own: BTreeMap<OwnProgramName, ProgramStatus>,
}

impl Programs {
    /// How the profile stands in the program `name`.
    pub fn status(&self, name: &ProgramName) -> Option<ProgramStatus> {
        match name {
            ProgramName::Cyber => self.cyber.map(|cyber| cyber.status),
            ProgramName::Efs => self.efs.map(|efs| efs.status),
            ProgramName::Own(name) => self.own.get(name).copied(),
        }
    }

    /// Every program the profile has a status in.
    pub fn statuses(&self) -> impl Iterator<Item = (&str, ProgramStatus)> {
        let cyber = self.cyber.iter().map(|cyber| ("cyber", cyber.status));
        let efs = self.efs.iter().map(|efs| ("efs", efs.status));
        cyber.chain(efs).chain(
            self.own
                .iter()
                .map(|(name, status)| (name.as_str(), *status)),
        )
    }

    /// These programs with one standing set.
    #[must_use]
    pub fn with(&self, standing: ProgramStanding) -> Self {
        let mut programs = self.clone();
        match standing {
            ProgramStanding::Cyber(cyber) => programs.cyber = Some(cyber),
            ProgramStanding::Efs(efs) => programs.efs = Some(efs),
            ProgramStanding::Own(name, status) => {
                programs.own.insert(name, status);
            }
        }
        programs
    }

    /// These programs without the one called `name`.
    #[must_use]
    pub fn without(&self, name: &ProgramName) -> Self {
        let mut programs = self.clone();
        match name {
            ProgramName::Cyber => programs.cyber = None,
            ProgramName::Efs => programs.efs = None,
            ProgramName::Own(name) => {
                programs.own.remove(name);
            }
        }
        programs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_exist_exactly_when_a_tier_is_active() {
        let a = Tiers {
            a: true,
            ..Tiers::default()
        };
        let none = Tiers::default();
        let some = Some(Requirements::default());
        let active = ProgramStatus::Active;
        assert_eq!(Cyber::new(active, a, None).unwrap().requirements(), some);
        assert_eq!(Cyber::new(active, none, None).unwrap().requirements(), None);
        assert_eq!(
            Cyber::new(active, none, some),
            Err(InvalidCyber::RequirementsWithoutTier)
        );
        assert_eq!(
            Cyber::new(ProgramStatus::Pending, a, None),
            Err(InvalidCyber::TierWithoutStatus)
        );
    }

    #[test]
    fn program_names_are_plain_and_lower_case() {
        assert_eq!(ProgramName::parse("cyber"), Ok(ProgramName::Cyber));
        assert!(matches!(
            ProgramName::parse("beta-lab"),
            Ok(ProgramName::Own(_))
        ));
        for text in ["", "Cyber", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(ProgramName::parse(text), Err(InvalidProgramName), "{text}");
        }
    }
}
