//! The contract's examples as files, and the profiles they show.

use std::path::{Path, PathBuf};

use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::{
    ActionKind, Enforcement, EnforcementAction, IdentityCheck, Reason,
};
use rollcall_domain::id::{EnforcementActionId, OrganizationId, ProfileId};
use rollcall_domain::profile::{
    AccountStatus, EntityType, ExternalUserDetails, Profile, ProfileDraft, Relationship,
};
use rollcall_domain::program::{
    Cyber, Efs, EfsFeatures, ProgramStatus, Programs, Requirements, Tiers,
};
use rollcall_domain::text::{
    Country, Metadata, MetadataKey, MetadataValue, Name, OpaqueHash, ReferenceId,
};
use rollcall_record::document::ProfileDocument;
use rollcall_record::time;
use rollcall_wire::cursor::{CursorKeys, Cursors};
use rollcall_wire::dialect::{Answer, Dialect};
use rollcall_wire::dialects;

/// The example `name`, as compact JSON with its members in their order.
pub(crate) fn compact(name: &str) -> String {
    let text =
        std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    serde_json::to_string(&value).unwrap()
}

fn path(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/contract");
    directory.join(format!("{name}.json"))
}

pub(crate) fn at(text: &str) -> Timestamp {
    time::parse(text).unwrap()
}

/// The time of the contract's update examples.
pub(crate) fn now() -> Timestamp {
    at("2026-11-20T14:03:27.650118Z")
}

pub(crate) fn organization() -> OrganizationId {
    OrganizationId::parse("0b6f2f6e-6a53-4a0e-9d0c-6f4f0a6c2f11").unwrap()
}

pub(crate) fn cursors() -> Cursors {
    Cursors::new(CursorKeys::new([7; 32]))
}

pub(crate) fn dialect(name: &str) -> &'static Dialect {
    dialects::by_short_name(name).unwrap()
}

/// Every dialect, oldest first.
pub(crate) fn every_dialect() -> impl Iterator<Item = &'static str> {
    dialects::names().rev()
}

/// Those that are older than what a request gets that names none.
pub(crate) fn legacy_dialects() -> impl Iterator<Item = &'static str> {
    every_dialect().take_while(|name| *name != dialects::DEFAULT.short_name())
}

/// Those of which the contract has examples.
pub(crate) fn dialects_with_examples() -> impl Iterator<Item = &'static str> {
    let has_examples = |name: &&str| path(&format!("create.{name}")).exists();
    every_dialect().filter(has_examples)
}

/// The answer that holds `profile` alone.
pub(crate) fn written(
    dialect: &Dialect,
    profile: &Profile,
    answer: Answer,
    now: Timestamp,
) -> String {
    let document = ProfileDocument::encode(profile);
    let mut out = Vec::new();
    dialect
        .write_profile(&mut out, &document.view().unwrap(), answer, now)
        .unwrap();
    String::from_utf8(out).unwrap()
}

fn metadata(pairs: &[(&str, &str)]) -> Metadata {
    let pairs = pairs.iter().map(|(key, value)| {
        (
            MetadataKey::parse(key).unwrap(),
            MetadataValue::parse(value).unwrap(),
        )
    });
    Metadata::parse(pairs.collect()).unwrap()
}

fn profile(id: &str, draft: ProfileDraft, created_at: &str, updated_at: &str) -> Profile {
    Profile {
        updated_at: at(updated_at),
        ..Profile::new(ProfileId::parse(id).unwrap(), draft, at(created_at))
    }
}

/// The customer of the examples: resold, with everything but an e-mail hash, in both programs.
pub(crate) fn nordlicht() -> Profile {
    let draft = ProfileDraft {
        relationship: Some(Relationship::Resold),
        name: Some(Name::parse("Nordlicht Analytics GmbH").unwrap()),
        metadata: metadata(&[("plan", "team"), ("region", "eu-north")]),
        details: ExternalUserDetails {
            account_status: Some(AccountStatus::Active),
            country: Some(Country::parse("DE").unwrap()),
            email_hash: None,
            entity_type: Some(EntityType::Business),
            name_hash: Some(OpaqueHash::parse("sha256:5d1c0b7e").unwrap()),
            onboarded_at: Some(at("2025-01-20T11:45:00Z")),
            reference_id: Some(ReferenceId::parse("acct_88213").unwrap()),
        },
    };
    let tiers = Tiers {
        a: true,
        ..Tiers::default()
    };
    let requirements = Requirements {
        data_retention: true,
        human_review: false,
    };
    let efs = Efs {
        status: ProgramStatus::Active,
        features: EfsFeatures {
            cmek: true,
            ..EfsFeatures::default()
        },
    };
    Profile {
        programs: Programs {
            cyber: Some(Cyber::new(ProgramStatus::Active, tiers, Some(requirements)).unwrap()),
            efs: Some(efs),
            ..Programs::default()
        },
        ..profile(
            "uprof_011CbeBHspRT5JW7RnPynu5d",
            draft,
            "2026-06-02T09:14:31.482913Z",
            "2026-11-04T06:12:09.120004Z",
        )
    }
}

/// The restriction of the examples, at any point of its identity check.
pub(crate) fn restriction(
    check: IdentityCheck,
    expires_at: Option<Timestamp>,
) -> EnforcementAction {
    EnforcementAction::new(
        EnforcementActionId::parse("enac_011CgYtEdis35bAPd4Ls8CRd").unwrap(),
        at("2026-10-30T18:20:11Z"),
        Reason::FraudOrAbuse,
        ActionKind::Restriction { expires_at, check },
    )
    .unwrap()
}

pub(crate) fn ban() -> EnforcementAction {
    EnforcementAction::new(
        EnforcementActionId::parse("enac_011CghNqVAgU1igejhfmgPkf").unwrap(),
        at("2026-11-04T06:00:00Z"),
        Reason::HighHarm,
        ActionKind::Ban,
    )
    .unwrap()
}

/// The restricted user of the examples, under these actions.
pub(crate) fn ana(open: Vec<EnforcementAction>) -> Profile {
    let draft = ProfileDraft {
        name: Some(Name::parse("Ana Ferreira").unwrap()),
        details: ExternalUserDetails {
            country: Some(Country::parse("PT").unwrap()),
            entity_type: Some(EntityType::Individual),
            reference_id: Some(ReferenceId::parse("user_4410").unwrap()),
            ..ExternalUserDetails::default()
        },
        ..ProfileDraft::default()
    };
    Profile {
        programs: Programs {
            cyber: Some(Cyber::without_tiers(ProgramStatus::Pending)),
            ..Programs::default()
        },
        enforcement: Enforcement::new(open, Vec::new()),
        ..profile(
            "uprof_011Caw7UBvkeMCpZkHRpjtPh",
            draft,
            "2026-05-11T16:40:02Z",
            "2026-10-28T10:00:00Z",
        )
    }
}

/// The profile of the examples with nothing supplied.
pub(crate) fn unset() -> Profile {
    let draft = ProfileDraft {
        relationship: Some(Relationship::Internal),
        metadata: metadata(&[("internal", "true")]),
        ..ProfileDraft::default()
    };
    let created_at = "2026-04-20T07:05:55.007Z";
    profile(
        "uprof_011CaEbhivHY29q9fRj77raw",
        draft,
        created_at,
        created_at,
    )
}
