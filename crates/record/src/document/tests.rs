use super::write::write_wire_action;
use super::*;
use crate::writing::write_time;
use proptest::prelude::*;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::data_controls::{
    BucketLabel, BucketReference, CheckName, ControlUpdate, DataControlsApproval,
    DataControlsUpdate, ExternalKeyId, FailedCheck, LearnedFacts, Region, RegionReport, Report,
    Validator,
};
use rollcall_domain::enforcement::{
    ActionKind, Enforcement, EnforcementAction, IdentityCheck, PastAction, Reason, Resolution,
};
use rollcall_domain::id::{EnforcementActionId, ProfileId};
use rollcall_domain::profile::{
    AccountStatus, EntityType, ExternalUserDetails, ProfileDraft, Relationship,
};
use rollcall_domain::program::{
    Cyber, Efs, EfsFeatures, ProgramName, ProgramStatus, Programs, Requirements, Tiers,
};
use rollcall_domain::text::{
    Country, Explanation, Metadata, MetadataKey, MetadataValue, Name, OpaqueHash, ReferenceId,
    ResourceName,
};

fn text(limit: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(
        any::<char>().prop_filter("no NUL", |c| *c != '\0'),
        1..limit,
    )
    .prop_map(|characters| characters.into_iter().collect())
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros())
        .prop_map(|micros| Timestamp::from_micros(micros).unwrap())
}

fn details() -> impl Strategy<Value = ExternalUserDetails> {
    (
        prop::option::of(prop::sample::select(AccountStatus::ALL)),
        prop::option::of("[A-Z]{2}".prop_map(|text| Country::parse(&text).unwrap())),
        prop::option::of(text(8).prop_map(|text| OpaqueHash::parse(&text).unwrap())),
        prop::option::of(prop::sample::select(EntityType::ALL)),
        prop::option::of(timestamp()),
        prop::option::of(text(8).prop_map(|text| ReferenceId::parse(&text).unwrap())),
    )
        .prop_map(
            |(account_status, country, hash, entity_type, onboarded_at, reference_id)| {
                ExternalUserDetails {
                    account_status,
                    country,
                    email_hash: hash.clone(),
                    entity_type,
                    name_hash: hash,
                    onboarded_at,
                    reference_id,
                }
            },
        )
}

fn programs() -> impl Strategy<Value = Programs> {
    let status = || prop::sample::select(ProgramStatus::ALL);
    let cyber = (status(), any::<(bool, bool, bool)>(), any::<(bool, bool)>()).prop_map(
        |(status, (a, b, c), (data_retention, human_review))| {
            let tiers = Tiers { a, b, c };
            Cyber::new(
                status,
                tiers,
                Some(Requirements {
                    data_retention,
                    human_review,
                }),
            )
            .unwrap_or(Cyber::without_tiers(status))
        },
    );
    let efs = (status(), any::<(bool, bool, bool)>()).prop_map(|(status, flags)| {
        let (data_retention_exemption, cmek, storage) = flags;
        Efs {
            status,
            features: EfsFeatures {
                data_retention_exemption,
                cmek,
                storage,
            },
        }
    });
    let own = prop::collection::btree_map(
        "own-[a-z]{1,4}".prop_map(|name| match ProgramName::parse(&name).unwrap() {
            ProgramName::Own(name) => name,
            ProgramName::Cyber | ProgramName::Efs => unreachable!(),
        }),
        status(),
        0..3,
    );
    (prop::option::of(cyber), prop::option::of(efs), own).prop_map(|(cyber, efs, own)| Programs {
        cyber,
        efs,
        own,
    })
}

fn action() -> impl Strategy<Value = EnforcementAction> {
    let check = prop::sample::select(vec![
        IdentityCheck::NotOffered,
        IdentityCheck::Offered,
        IdentityCheck::Submitted,
    ]);
    let kind = prop_oneof![
        Just(ActionKind::Ban),
        (prop::option::of(timestamp()), check)
            .prop_map(|(expires_at, check)| ActionKind::Restriction { expires_at, check }),
    ];
    (
        "enac_[a-z0-9]{12}",
        timestamp(),
        prop::sample::select(Reason::ALL),
        kind,
    )
        .prop_map(|(id, opened_at, reason, kind)| {
            let id = EnforcementActionId::parse(&id).unwrap();
            EnforcementAction::new(id.clone(), opened_at, reason, kind).unwrap_or_else(|_| {
                EnforcementAction::new(id, opened_at, Reason::Unspecified, kind).unwrap()
            })
        })
}

fn enforcement() -> impl Strategy<Value = Enforcement> {
    let past = (action(), timestamp(), prop::sample::select(Resolution::ALL)).prop_map(
        |(action, resolved_at, resolution)| PastAction {
            action,
            resolved_at,
            resolution,
        },
    );
    (
        prop::collection::vec(action(), 0..3),
        prop::collection::vec(past, 0..3),
    )
        .prop_map(|(open, past)| Enforcement::new(open, past))
}

/// Something that happens to the data controls of a profile.
#[derive(Clone, Debug)]
enum Step {
    Update(DataControlsUpdate),
    Report(Region, RegionReport),
}

fn step() -> impl Strategy<Value = Step> {
    let region = || prop::sample::select(Region::ALL);
    let key = prop::option::of("ekey_[a-c]".prop_map(|id| ExternalKeyId::parse(&id).unwrap()));
    let bucket = prop::option::of(
        "bucket-[a-c]".prop_map(|name| BucketReference::parse(&name, "1").unwrap()),
    );
    let keys = prop_oneof![
        1 => Just(ControlUpdate::Disabled),
        4 => prop::collection::btree_map(region(), key, 1..4).prop_map(ControlUpdate::Enabled),
    ];
    let buckets = prop_oneof![
        1 => Just(ControlUpdate::Disabled),
        4 => prop::collection::btree_map(region(), bucket, 1..4).prop_map(ControlUpdate::Enabled),
    ];
    let update = (prop::option::of(keys), prop::option::of(buckets))
        .prop_map(|(cmek, storage)| Step::Update(DataControlsUpdate { cmek, storage }));
    let explanation = || text(9).prop_map(|text| Explanation::parse(&text).unwrap());
    let name = || text(9).prop_map(|text| ResourceName::parse(&text).unwrap());
    let name = move || prop::option::of(prop::option::of(name()));
    let error = explanation().prop_flat_map(|error| {
        prop_oneof![
            Just(Report::Pending(None)),
            Just(Report::Pending(Some(error.clone()))),
            Just(Report::Active(None, ())),
            Just(Report::Active(Some(error.clone()), ())),
            Just(Report::Failed(Some(error))),
            Just(Report::Suspended),
        ]
    });
    let check = (
        prop::sample::select(CheckName::ALL),
        explanation(),
        prop::option::of(prop::sample::select(
            rollcall_domain::data_controls::AccessRole::ALL,
        )),
    )
        .prop_map(|(check, message, role)| FailedCheck {
            check,
            message,
            role,
        });
    let facts =
        (name(), name(), name()).prop_map(|(kms_key_name, location, project_id)| LearnedFacts {
            kms_key_name,
            location,
            project_id,
        });
    let checks = (prop::collection::vec(check, 0..3), facts).prop_flat_map(|(checks, facts)| {
        prop_oneof![
            Just(Report::Pending(checks.clone())),
            Just(Report::Active(checks.clone(), facts)),
            Just(Report::Failed(checks)),
            Just(Report::Suspended),
        ]
    });
    let report = prop_oneof![
        error.prop_map(RegionReport::Cmek),
        checks.prop_map(RegionReport::Storage),
    ];
    prop_oneof![
        update,
        (region(), report).prop_map(|(region, report)| Step::Report(region, report)),
    ]
}

/// The profile after the steps, and with a label of its own or not.
fn with_steps(profile: Profile, steps: &[(Step, Timestamp)], label: Option<u128>) -> Profile {
    let (approval, validator) = (DataControlsApproval::Open, Validator::Operator);
    let mut profile = profile;
    profile.data_controls.label =
        label.map(|label| BucketLabel::parse(&format!("{label:032x}")).unwrap());
    for (step, now) in steps {
        let decided = match step {
            Step::Update(update) => profile.update_data_controls(update, approval, validator, *now),
            Step::Report(region, report) => {
                profile.report_on_region(*region, report, validator, *now)
            }
        };
        if let Ok(decided) = decided {
            profile = decided.value;
        }
    }
    profile
}

/// Any profile there can be.
pub(crate) fn profile() -> impl Strategy<Value = Profile> {
    let steps = prop_oneof![
        1 => Just(Vec::new()),
        2 => prop::collection::vec((step(), timestamp()), 0..12),
    ];
    (plain_profile(), steps, prop::option::of(any::<u128>()))
        .prop_map(|(profile, steps, label)| with_steps(profile, &steps, label))
}

fn plain_profile() -> impl Strategy<Value = Profile> {
    (
        ("uprof_[A-Za-z0-9_-]{1,20}", timestamp(), timestamp()),
        prop::sample::select(Relationship::ALL),
        prop::option::of(text(20)),
        prop::collection::btree_map(text(5), text(10), 0..4),
        details(),
        programs(),
        enforcement(),
    )
        .prop_map(
            |(
                (id, created_at, updated_at),
                relationship,
                name,
                metadata,
                details,
                programs,
                enforcement,
            )| {
                let pairs = metadata.into_iter().map(|(key, value)| {
                    (
                        MetadataKey::parse(&key).unwrap(),
                        MetadataValue::parse(&value).unwrap(),
                    )
                });
                Profile {
                    id: ProfileId::parse(&id).unwrap(),
                    created_at,
                    updated_at,
                    relationship,
                    name: name.map(|name| Name::parse(&name).unwrap()),
                    metadata: Metadata::parse(pairs.collect()).unwrap(),
                    details,
                    programs,
                    enforcement,
                    data_controls: rollcall_domain::data_controls::DataControls::default(),
                }
            },
        )
}

proptest! {
    #[test]
    fn a_document_holds_the_whole_profile(profile in profile()) {
        let document = ProfileDocument::encode(&profile);
        prop_assert_eq!(document.decode().unwrap(), profile);
    }

    #[test]
    fn the_parts_of_a_document_are_its_values(profile in profile()) {
        let document = ProfileDocument::encode(&profile);
        let view = document.view().unwrap();
        let whole: serde_json::Value = serde_json::from_str(document.as_str()).unwrap();
        let part = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let line = |name: &str| {
            let number = STORED_LINES.iter().position(|line| *line == name).unwrap();
            whole[number].clone()
        };
        prop_assert_eq!(part(view.id), line("id"));
        prop_assert_eq!(part(view.name), line("name"));
        prop_assert_eq!(part(view.metadata), line("metadata"));
        prop_assert_eq!(part(view.efs), line("efs"));
        prop_assert_eq!(part(view.onboarded_at), line("onboarded_at"));
        prop_assert_eq!(part(view.reference_id), line("reference_id"));
        let mut updated_at = String::new();
        write_time(&mut updated_at, profile.updated_at);
        prop_assert_eq!(view.updated_at, updated_at);
        let details = format!("{}}}", view.details_head);
        prop_assert_eq!(part(&details), line("external_user_details"));
        let status = view.cyber_status().map(|text| text.trim_matches('"').to_owned());
        let expected = profile.programs.cyber.map(|cyber| cyber.status().as_str().to_owned());
        prop_assert_eq!(status, expected);
        let active: Vec<_> = view.active_programs().collect();
        let all = profile.programs.statuses();
        let expected = all.filter(|(_, status)| *status == ProgramStatus::Active);
        prop_assert_eq!(active, expected.map(|(name, _)| name).collect::<Vec<_>>());
        prop_assert_eq!(view.relationship(), profile.relationship);
        let seen: Vec<_> = view.actions().map(|action| action.unwrap()).collect();
        let unresolved = profile.enforcement.unresolved();
        prop_assert_eq!(seen.len(), unresolved.len());
        for (seen, action) in seen.iter().zip(unresolved) {
            prop_assert_eq!((seen.reason, seen.kind), (action.reason(), action.kind()));
            let mut shown = String::new();
            write_wire_action(&mut shown, action);
            prop_assert_eq!(format!("{}}}", seen.shown), shown);
        }
        for now in unresolved.iter().filter_map(EnforcementAction::expires_at).chain([Timestamp::EPOCH]) {
            let status = view.enforcement_status(now).unwrap();
            prop_assert_eq!(status, profile.enforcement.status_at(now));
        }
    }
}

#[test]
fn a_damaged_document_is_told_from_a_whole_one() {
    let draft = ProfileDraft::default();
    let profile = Profile::new(
        ProfileId::parse("uprof_1").unwrap(),
        draft,
        Timestamp::EPOCH,
    );
    let whole = ProfileDocument::encode(&profile);
    for end in 0..whole.as_str().len() {
        let cut = ProfileDocument::from_stored(&whole.as_str()[..end]);
        assert!(cut.decode().is_err(), "cut at {end}");
    }
    let swapped = whole.as_str().replace("\"external\"", "null");
    assert_eq!(
        ProfileDocument::from_stored(swapped)
            .view()
            .unwrap_err()
            .to_string(),
        "a stored profile document is damaged: expected relationship on line 4"
    );
}

#[test]
fn a_profile_that_was_not_changed_does_not_repeat_its_time() {
    let id = ProfileId::parse("uprof_1").unwrap();
    let profile = Profile::new(id, ProfileDraft::default(), Timestamp::EPOCH);
    let document = ProfileDocument::encode(&profile);
    let view = document.view().unwrap();
    assert_eq!(view.updated_at, view.created_at);
    let repeated = document.as_str().replace(
        "\nnull,\n\"external\"",
        &format!("\n{},\n\"external\"", view.created_at),
    );
    let repeated = ProfileDocument::from_stored(repeated);
    assert_eq!(repeated.decode().unwrap(), profile);
    assert_ne!(repeated, document, "there are two forms of one profile");
}
