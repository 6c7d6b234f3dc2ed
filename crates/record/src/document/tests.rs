use super::write::write_wire_action;
use super::*;
use proptest::prelude::*;
use rollcall_domain::clock::Timestamp;
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
    Country, Metadata, MetadataKey, MetadataValue, Name, OpaqueHash, ReferenceId,
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

/// Any profile there can be.
pub(crate) fn profile() -> impl Strategy<Value = Profile> {
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
