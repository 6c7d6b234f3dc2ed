//! Every dialect's answer for every sort of profile. A dialect that is added is picked up here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rollcall_domain::enforcement::Enforcement;
use rollcall_domain::enforcement::{
    ActionKind, EnforcementAction, IdentityCheck, PastAction, Reason, Resolution,
};
use rollcall_domain::id::EnforcementActionId;
use rollcall_domain::profile::Profile;
use rollcall_domain::program::{Cyber, ProgramName, ProgramStatus, Programs, Tiers};
use rollcall_domain::text::{MetadataKey, MetadataPatch, MetadataValue, Name};
use rollcall_wire::dialect::Answer;
use rollcall_wire::dialects;

use crate::example::{ana, at, ban, nordlicht, now, restriction, unset, written};

fn own(
    names: &[(&str, ProgramStatus)],
) -> BTreeMap<rollcall_domain::program::OwnProgramName, ProgramStatus> {
    let own = names
        .iter()
        .map(|(name, status)| match ProgramName::parse(name).unwrap() {
            ProgramName::Own(name) => (name, *status),
            ProgramName::Cyber | ProgramName::Efs => panic!("{name} is built in"),
        });
    own.collect()
}

fn awkward() -> Profile {
    let key = MetadataKey::parse("quote\"d ключ").unwrap();
    let value = MetadataValue::parse("line\nbreak \u{7f} 𝔸").unwrap();
    let patch = MetadataPatch::parse([(key, Some(value))].into()).unwrap();
    Profile {
        name: Some(Name::parse("\\ \"Ana\"\u{1}").unwrap()),
        metadata: unset().metadata.merged(&patch).unwrap(),
        ..unset()
    }
}

fn compromised() -> Profile {
    let action = EnforcementAction::new(
        EnforcementActionId::parse("enac_compromise").unwrap(),
        at("2026-10-01T00:00:00Z"),
        Reason::AccountCompromise,
        ActionKind::Restriction {
            expires_at: None,
            check: IdentityCheck::NotOffered,
        },
    );
    ana(vec![
        restriction(IdentityCheck::Submitted, None),
        action.unwrap(),
    ])
}

fn resolved() -> Profile {
    let past = PastAction {
        action: ban(),
        resolved_at: at("2026-11-05T00:00:00Z"),
        resolution: Resolution::Operator,
    };
    Profile {
        enforcement: Enforcement::new(Vec::new(), vec![past]),
        ..ana(Vec::new())
    }
}

fn states() -> Vec<(&'static str, Profile)> {
    let expired = restriction(IdentityCheck::Offered, Some(now()));
    let ends_later = restriction(IdentityCheck::NotOffered, Some(at("2026-12-01T00:00:00Z")));
    let tiers = Tiers {
        b: true,
        c: true,
        ..Tiers::default()
    };
    vec![
        ("nothing supplied", unset()),
        ("everything supplied, in both programs", nordlicht()),
        ("characters that need care", awkward()),
        (
            "restricted, a check is offered",
            ana(vec![restriction(IdentityCheck::Offered, None)]),
        ),
        (
            "pending, a check was submitted",
            ana(vec![restriction(IdentityCheck::Submitted, None)]),
        ),
        ("submitted check beside a compromise", compromised()),
        ("restricted until later", ana(vec![ends_later])),
        (
            "the only action expires at this instant",
            ana(vec![expired.clone()]),
        ),
        (
            "banned, an expired action not yet recorded",
            ana(vec![ban(), expired]),
        ),
        ("resolved", resolved()),
        (
            "own programs alone",
            Profile {
                programs: Programs {
                    own: own(&[
                        ("zeta", ProgramStatus::Rejected),
                        ("alpha", ProgramStatus::Active),
                    ]),
                    ..Programs::default()
                },
                ..unset()
            },
        ),
        (
            "tiers without requirements, own program",
            Profile {
                programs: Programs {
                    cyber: Some(Cyber::new(ProgramStatus::Active, tiers, None).unwrap()),
                    own: own(&[("lab", ProgramStatus::Pending)]),
                    ..Programs::default()
                },
                ..unset()
            },
        ),
        (
            "rejected",
            Profile {
                programs: Programs {
                    cyber: Some(Cyber::without_tiers(ProgramStatus::Rejected)),
                    ..Programs::default()
                },
                ..unset()
            },
        ),
    ]
}

#[test]
fn every_dialect_shows_every_sort_of_profile() {
    for dialect in dialects::ALL {
        let mut shown = String::new();
        for (state, profile) in states() {
            let get = written(dialect, &profile, Answer::Get, now());
            let other = written(dialect, &profile, Answer::Other, now());
            for answer in [&get, &other] {
                serde_json::from_str::<serde_json::Value>(answer).unwrap();
            }
            writeln!(shown, "# {state}\nget: {get}").unwrap();
            if other == get {
                writeln!(shown, "other: the same\n").unwrap();
            } else {
                writeln!(shown, "other: {other}\n").unwrap();
            }
        }
        insta::assert_snapshot!(dialect.short_name(), shown);
    }
}
