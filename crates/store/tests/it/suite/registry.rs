//! The operator's side: whole records, exports, expiries and search.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt as _, SeedableRng as _};
use rollcall_domain::audit::AuditAction;
use rollcall_domain::clock::Timestamp;
use rollcall_domain::enforcement::{
    ActionKind, Enforcement, EnforcementAction, EnforcementStatus, Reason,
};
use rollcall_domain::id::{EnforcementActionId, OrganizationId, ProfileId};
use rollcall_domain::page::{Limit, StatusFilter};
use rollcall_domain::profile::{
    AccessType, LeftOut, PartialAction, Profile, ProfileRecord, Relationship, Unmatched,
};
use rollcall_domain::program::{Cyber, ProgramName, ProgramStanding, ProgramStatus};
use rollcall_domain::search::{ProfileSearch, SearchPage};
use rollcall_domain::text::{Country, Name, OpaqueHash, ReferenceId};
use rollcall_store::Changed;
use rollcall_store::audit::AuditFilter;
use rollcall_store::registry::{Put, PutMode};

use crate::world::{World, act_at, at, proof, restriction, whole};

pub(crate) async fn records_are_put_created_replaced_or_refused_each_alone(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let org = scope.organization_id();
    let first = world.draft(at(1), Some("A"));
    let second = world.draft(at(2), None);
    let records = vec![
        (org.clone(), first.clone()),
        (OrganizationId::parse("nobody").unwrap(), second.clone()),
        (org.clone(), second.clone()),
    ];
    let act = act_at(at(9));
    let results = world
        .store
        .put_profiles(proof(), &act, whole(records), PutMode::default())
        .await
        .unwrap();
    assert_eq!(
        results,
        [Put::Created, Put::UnknownOrganization, Put::Created]
    );

    let mut moved = Profile {
        created_at: at(50),
        updated_at: at(60),
        ..first.clone()
    };
    let action = EnforcementActionId::parse("enac_x").unwrap();
    let ban = EnforcementAction::new(action.clone(), at(1), Reason::HighHarm, ActionKind::Ban);
    moved.enforcement = Enforcement::new(vec![ban.unwrap()], vec![]);
    let thief = Profile {
        enforcement: moved.enforcement.clone(),
        ..second.clone()
    };
    let records = vec![
        (other.organization_id().clone(), first.clone()),
        (org.clone(), moved.clone()),
        (org.clone(), moved.clone()),
        (org.clone(), thief.clone()),
    ];
    let results = world
        .store
        .put_profiles(proof(), &act, whole(records), PutMode::default())
        .await
        .unwrap();
    assert_eq!(
        results,
        [
            Put::ForeignProfile,
            Put::Replaced,
            Put::Unchanged,
            Put::ForeignAction(action)
        ]
    );
    let found = world
        .store
        .locate_profile(proof(), &first.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.organization_id, found.document.decode().unwrap()),
        (org.clone(), moved.clone())
    );
    // What one gives up another may have, in the very same call.
    moved.enforcement = Enforcement::default();
    let records = vec![(org.clone(), moved), (org.clone(), thief)];
    let results = world
        .store
        .put_profiles(proof(), &act, whole(records), PutMode::default())
        .await
        .unwrap();
    assert_eq!(results, [Put::Replaced, Put::Replaced]);
    let report = world.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!((report.profiles, report.problems), (2, vec![]));
}

pub(crate) async fn records_are_matched_by_their_reference_and_tried_without_a_trace(world: World) {
    let scope = world.organization("org").await;
    let org = scope.organization_id().clone();
    world.organization("other").await;
    let other = OrganizationId::parse("other").unwrap();
    let reference = |text: &str| Some(ReferenceId::parse(text).unwrap());
    let record = |name: Option<&str>, with: Option<ReferenceId>| {
        let mut profile = world.draft(at(1), name);
        profile.details.reference_id = with;
        let mut record = ProfileRecord::from(profile);
        record.left_out.id = true;
        record
    };
    let put = async |records: Vec<(OrganizationId, ProfileRecord)>, dry_run: bool| {
        let mode = PutMode {
            match_reference: true,
            dry_run,
        };
        let act = act_at(at(9));
        let put = world.store.put_profiles(proof(), &act, records, mode);
        put.await.unwrap()
    };
    let trail = async || {
        let all = AuditFilter::default();
        let trail = world
            .store
            .list_audit_events(proof(), &all, None, Limit::LARGEST);
        let counts = world.store.count_profiles(proof()).await.unwrap();
        (counts, trail.await.unwrap().events.len())
    };
    let two = || {
        vec![
            (org.clone(), record(Some("Ana"), reference("user_1"))),
            (other.clone(), record(Some("Ben"), reference("user_1"))),
        ]
    };
    let before = trail().await;
    assert_eq!(put(two(), true).await, [Put::Created, Put::Created]);
    assert_eq!(trail().await, before, "a dry run leaves no trace");
    assert_eq!(put(two(), false).await, [Put::Created, Put::Created]);
    let after = trail().await;
    assert_ne!(after, before);
    assert_eq!(put(two(), false).await, [Put::Unchanged, Put::Unchanged]);
    assert_eq!(trail().await, after, "the same again changes nothing");

    let changed = || vec![(org.clone(), record(Some("Anna"), reference("user_1")))];
    assert_eq!(put(changed(), true).await, [Put::Replaced]);
    assert_eq!(trail().await, after);
    assert_eq!(put(changed(), false).await, [Put::Replaced]);
    let nobody = vec![(org.clone(), record(None, None))];
    let unmatched = [Put::Unmatched(Unmatched::NoReference)];
    assert_eq!(put(nobody, false).await, unmatched);
    // Two have it, whoever made the second.
    let mut twin = world.draft(at(2), None);
    twin.details.reference_id = reference("user_1");
    let (twin, act) = (whole(vec![(org.clone(), twin)]), act_at(at(9)));
    let mode = PutMode::default();
    let stored = world.store.put_profiles(proof(), &act, twin, mode).await;
    assert_eq!(stored.unwrap(), [Put::Created]);
    assert_eq!(
        put(changed(), false).await,
        [Put::Unmatched(Unmatched::Several)]
    );
    // With a third one, each is found by its id.
    let mut third = world.draft(at(3), None);
    third.details.reference_id = reference("user_1");
    for result in [Put::Created, Put::Unchanged] {
        let (record, act) = (whole(vec![(org.clone(), third.clone())]), act_at(at(9)));
        let mode = PutMode {
            match_reference: result == Put::Unchanged,
            dry_run: false,
        };
        let stored = world.store.put_profiles(proof(), &act, record, mode).await;
        assert_eq!(stored.unwrap(), [result]);
    }
    let report = world.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!((report.profiles, report.problems), (4, vec![]));
}

pub(crate) async fn imports_at_once_make_one_profile_of_a_reference(world: World) {
    const IMPORTS: usize = 6;
    let scope = world.organization("org").await;
    let org = scope.organization_id().clone();
    let import = |number: usize| {
        let mut records: Vec<_> = (0..20)
            .map(|user| {
                let mut profile = world.draft(at(1), None);
                let reference = format!("user_{user}");
                profile.details.reference_id = Some(ReferenceId::parse(&reference).unwrap());
                let mut record = ProfileRecord::from(profile);
                record.left_out.id = true;
                (org.clone(), record)
            })
            .collect();
        if number % 2 == 1 {
            records.reverse();
        }
        let store = Arc::clone(&world.store);
        async move {
            let mode = PutMode {
                match_reference: true,
                dry_run: false,
            };
            let act = act_at(at(9));
            store.put_profiles(proof(), &act, records, mode).await
        }
    };
    let imports: Vec<_> = (0..IMPORTS)
        .map(|number| tokio::spawn(import(number)))
        .collect();
    for import in imports {
        assert_eq!(import.await.unwrap().unwrap().len(), 20);
    }
    let report = world.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!((report.profiles, report.problems), (20, vec![]));
}

pub(crate) async fn records_of_calls_under_way_at_once_are_written_in_the_order_of_the_calls(
    world: World,
) {
    let scope = world.organization("org").await;
    let org = scope.organization_id();
    let profiles: Vec<_> = (1..=20).map(|n| world.draft(at(n), None)).collect();
    let named = |call: u64| {
        let name = Name::parse(&format!("call {call}")).unwrap();
        let profiles = profiles.iter().map(|profile| Profile {
            name: Some(name.clone()),
            ..profile.clone()
        });
        // One that all have in common is enough to keep them in order.
        let profiles = profiles.take(if call < 15 { 20 } else { 1 });
        whole(profiles.map(|profile| (org.clone(), profile)))
    };
    let act = act_at(at(90));
    let calls = (0..16).map(|call| {
        let mode = PutMode::default();
        world.store.put_profiles(proof(), &act, named(call), mode)
    });
    let stored = futures_util::future::join_all(calls).await;
    for (call, stored) in stored.into_iter().enumerate() {
        let expected = if call == 0 {
            Put::Created
        } else {
            Put::Replaced
        };
        assert!(stored.unwrap().iter().all(|put| *put == expected), "{call}");
    }
    for (number, profile) in profiles.iter().enumerate() {
        let found = world.store.find_profile(&scope, &profile.id).await;
        let name = found.unwrap().unwrap().decode().unwrap().name.unwrap();
        let last = if number == 0 { "call 15" } else { "call 14" };
        assert_eq!(name.as_str(), last);
    }
}

pub(crate) async fn an_export_walks_every_organization_and_resumes_anywhere(world: World) {
    let mut expected = Vec::new();
    for (name, profiles) in [("b", 5), ("a", 3), ("c", 0), ("d", 4)] {
        let scope = world.organization(name).await;
        for second in 0..profiles {
            let id = world.create(&scope, at(second), None).await;
            expected.push((name.to_owned(), at(second), id.to_string()));
        }
    }
    expected.sort();
    for limit in [1, 2, 3, 12, 50] {
        for only in [None, Some("b"), Some("c")] {
            let only_id = only.map(|name| OrganizationId::parse(name).unwrap());
            let mut exported = Vec::new();
            let mut after = None;
            loop {
                let page = world
                    .store
                    .export_profiles(proof(), only_id.as_ref(), after.as_ref(), limit)
                    .await
                    .unwrap();
                for found in page.profiles {
                    let profile = found.document.decode().unwrap();
                    let owner = found.organization_id.to_string();
                    exported.push((owner, profile.created_at, profile.id.to_string()));
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let mut wanted = expected.clone();
            wanted.retain(|(owner, ..)| only.is_none_or(|only| only == owner));
            assert_eq!(exported, wanted, "limit {limit}, {only:?}");
        }
    }
}

pub(crate) async fn expiries_are_found_when_due_and_no_more_once_recorded(world: World) {
    let scope = world.organization("org").await;
    let first = world.create(&scope, at(1), None).await;
    let second = world.create(&scope, at(2), None).await;
    assert_eq!(world.store.next_expiry(proof(), at(3)).await.unwrap(), None);
    world
        .open_action(&scope, &first, restriction(Some(at(50))), at(3))
        .await;
    world
        .open_action(&scope, &first, restriction(Some(at(40))), at(3))
        .await;
    world
        .open_action(&scope, &second, restriction(Some(at(60))), at(3))
        .await;
    assert_eq!(
        world.store.next_expiry(proof(), at(3)).await.unwrap(),
        Some(at(40))
    );
    assert_eq!(
        world
            .store
            .due_expiries(proof(), None, at(39), 10)
            .await
            .unwrap(),
        []
    );
    let due = world.store.due_expiries(proof(), None, at(50), 10);
    let due = due.await.unwrap();
    let times: Vec<_> = due.iter().map(|due| due.expires_at).collect();
    assert_eq!(times, [at(40), at(50)]);
    for due in &due {
        assert_eq!(due.organization_id, *scope.organization_id());
        assert_eq!(due.profile_id, first);
    }
    let rest = world.store.due_expiries(proof(), due.first(), at(50), 10);
    assert_eq!(rest.await.unwrap(), due[1..]);
    assert_eq!(
        world.store.next_expiry(proof(), at(40)).await.unwrap(),
        Some(at(50))
    );

    let now = at(50);
    let changed = world
        .change(
            &scope,
            &first,
            now,
            Box::new(move |p| Ok(p.expire_actions(now))),
        )
        .await;
    let Changed::Done(document) = changed else {
        panic!("{changed:?}")
    };
    assert_eq!(document.decode().unwrap().enforcement.past().len(), 2);
    assert_eq!(
        world
            .store
            .due_expiries(proof(), None, at(50), 10)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        world.store.next_expiry(proof(), at(50)).await.unwrap(),
        Some(at(60))
    );
}

pub(crate) async fn nothing_falls_due_in_a_tenancy_that_ends(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    for scope in [&scope, &other] {
        let id = world.create(scope, at(1), None).await;
        let kind = restriction(Some(at(40)));
        world.open_action(scope, &id, kind, at(3)).await;
    }
    let due = async || {
        let due = world.store.due_expiries(proof(), None, at(50), 10).await;
        due.unwrap().into_iter().map(|due| due.organization_id)
    };
    assert_eq!(due().await.len(), 2);
    let org = scope.organization_id();
    world.hold(org).await;
    let act = act_at(at(20));
    let begun = world.store.begin_removal(proof(), &act, org).await;
    assert_eq!(begun.unwrap(), Some(Ok(())));
    let left: Vec<_> = due().await.collect();
    assert_eq!(left, [other.organization_id().clone()]);
}

pub(crate) async fn actions_lead_to_their_profile(world: World) {
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), None).await;
    let action = world.open_action(&scope, &id, ActionKind::Ban, at(2)).await;
    let owner = Some((scope.organization_id().clone(), id.clone()));
    assert_eq!(
        world.store.locate_action(proof(), &action).await.unwrap(),
        owner
    );
    let resolved = action.clone();
    let resolve: rollcall_store::Decide =
        Box::new(move |profile| profile.resolve_action(&resolved, at(3)));
    assert!(matches!(
        world.change(&scope, &id, at(3), resolve).await,
        Changed::Done(_)
    ));
    assert_eq!(
        world.store.locate_action(proof(), &action).await.unwrap(),
        owner
    );
    let unknown = EnforcementActionId::parse("enac_unknown").unwrap();
    assert_eq!(
        world.store.locate_action(proof(), &unknown).await.unwrap(),
        None
    );
}

/// A profile with a bit of everything that can be searched for.
fn searchable(world: &World, random: &mut StdRng) -> Profile {
    let names = [
        None,
        Some("Nord"),
        Some("nordlicht"),
        Some("Norä"),
        Some("Süd"),
        Some("nor\u{10ffff}"),
    ];
    let created_at = at(random.random_range(0..12));
    let mut profile = world.draft(created_at, *names.choose(random).unwrap());
    profile.relationship = *Relationship::ALL.choose(random).unwrap();
    profile.details.country = [None, Some("DE"), Some("PT")]
        .choose(random)
        .unwrap()
        .map(|c| Country::parse(c).unwrap());
    profile.details.reference_id = [None, Some("r1"), Some("r2")]
        .choose(random)
        .unwrap()
        .map(|r| ReferenceId::parse(r).unwrap());
    profile.details.email_hash = [None, Some("h1")]
        .choose(random)
        .unwrap()
        .map(|h| OpaqueHash::parse(h).unwrap());
    if random.random_bool(0.5) {
        let status = *ProgramStatus::ALL.choose(random).unwrap();
        let standing = ProgramStanding::Cyber(Cyber::without_tiers(status));
        profile = profile.set_program(standing, created_at).unwrap().value;
    }
    if random.random_bool(0.4) {
        let kind = [
            ActionKind::Ban,
            restriction(None),
            restriction(Some(at(30))),
        ];
        let kind = *kind.choose(random).unwrap();
        let id = world.ids.enforcement_action(created_at);
        let action = EnforcementAction::new(id, created_at, Reason::HighHarm, kind).unwrap();
        profile = profile.open_action(action, created_at).unwrap().value;
    }
    profile
}

fn matches(
    search: &ProfileSearch,
    owner: &OrganizationId,
    profile: &Profile,
    now: Timestamp,
) -> bool {
    let details = &profile.details;
    let program = |(name, wanted): &(ProgramName, Option<ProgramStatus>)| {
        profile
            .programs
            .status(name)
            .is_some_and(|status| wanted.is_none_or(|w| w == status))
    };
    let folded = profile
        .name
        .as_ref()
        .map(rollcall_domain::text::Name::folded)
        .unwrap_or_default();
    search.organization_id.as_ref().is_none_or(|id| id == owner)
        && search
            .reference_id
            .as_ref()
            .is_none_or(|r| details.reference_id.as_ref() == Some(r))
        && search
            .email_hash
            .as_ref()
            .is_none_or(|h| details.email_hash.as_ref() == Some(h))
        && search
            .country
            .is_none_or(|country| details.country == Some(country))
        && search
            .access_type
            .is_none_or(|a| profile.relationship.access_type() == a)
        && search
            .enforcement_status
            .is_none_or(|wanted| wanted.matches(profile.enforcement.status_at(now)))
        && search
            .name_prefix
            .as_ref()
            .is_none_or(|prefix| folded.starts_with(prefix.as_str()) && profile.name.is_some())
        && search.program.as_ref().is_none_or(program)
        && search
            .created_after
            .is_none_or(|after| profile.created_at > after)
        && search
            .created_before
            .is_none_or(|before| profile.created_at < before)
}

async fn found(world: &World, search: &ProfileSearch, limit: u8, now: Timestamp) -> Vec<String> {
    let mut page = SearchPage {
        search: search.clone(),
        limit: Limit::new(limit).unwrap(),
        after: None,
    };
    let mut found = Vec::new();
    loop {
        let answer = world
            .store
            .search_profiles(proof(), &page, now)
            .await
            .unwrap();
        found.extend(
            answer
                .profiles
                .iter()
                .map(|owned| owned.document.decode().unwrap().id.to_string()),
        );
        match answer.next {
            None => return found,
            Some(position) => page.after = Some(position),
        }
    }
}

pub(crate) async fn every_filter_finds_what_the_model_finds(world: World) {
    let mut random = StdRng::seed_from_u64(5);
    let mut all: Vec<(OrganizationId, Profile)> = Vec::new();
    for name in ["one", "two", "three"] {
        let scope = world.organization(name).await;
        let profiles = (0..50).map(|_| {
            (
                scope.organization_id().clone(),
                searchable(&world, &mut random),
            )
        });
        all.extend(profiles);
    }
    world
        .store
        .put_profiles(
            proof(),
            &act_at(at(20)),
            whole(all.clone()),
            PutMode::default(),
        )
        .await
        .unwrap();
    for _ in 0..300 {
        let mut pick = |chance: f64| random.random_bool(chance);
        let search = ProfileSearch {
            organization_id: pick(0.4).then(|| OrganizationId::parse("two").unwrap()),
            reference_id: pick(0.15).then(|| ReferenceId::parse("r1").unwrap()),
            email_hash: pick(0.15).then(|| OpaqueHash::parse("h1").unwrap()),
            name_prefix: pick(0.2).then(|| {
                if pick(0.5) {
                    "nor".into()
                } else {
                    "nor\u{10ffff}".into()
                }
            }),
            country: pick(0.2).then(|| Country::parse("DE").unwrap()),
            access_type: pick(0.3).then_some(AccessType::Passthrough),
            enforcement_status: if pick(0.3) {
                let several = random.random_range(1..4);
                StatusFilter::any_of(EnforcementStatus::ALL.sample(&mut random, several).copied())
            } else {
                None
            },
            program: random.random_bool(0.3).then(|| {
                let status = ProgramStatus::ALL.choose(&mut random).copied();
                (
                    ProgramName::Cyber,
                    status.filter(|status| *status != ProgramStatus::Rejected),
                )
            }),
            created_after: random.random_bool(0.2).then(|| at(3)),
            created_before: random.random_bool(0.2).then(|| at(9)),
        };
        let now = at(random.random_range(20..40));
        let mut expected: Vec<&Profile> = all
            .iter()
            .filter(|(owner, profile)| matches(&search, owner, profile, now))
            .map(|(_, profile)| profile)
            .collect();
        let by_name = search.is_by_name();
        if by_name {
            expected.sort_by_key(|profile| {
                (
                    profile
                        .name
                        .as_ref()
                        .map(rollcall_domain::text::Name::folded),
                    profile.id.clone(),
                )
            });
        } else {
            expected.sort_by_key(|profile| (profile.created_at, profile.id.clone()));
            expected.reverse();
        }
        let expected: Vec<_> = expected
            .iter()
            .map(|profile| profile.id.to_string())
            .collect();
        let limit = random.random_range(1..30);
        assert_eq!(
            found(&world, &search, limit, now).await,
            expected,
            "{search:?}"
        );
    }
}

pub(crate) async fn a_search_examines_a_bounded_number_of_profiles(world: World) {
    let scope = world.organization("org").await;
    let mut records: Vec<(OrganizationId, Profile)> = (0..6_000)
        .map(|second| {
            (
                scope.organization_id().clone(),
                world.draft(at(second), None),
            )
        })
        .collect();
    records[0].1.details.country = Some(Country::parse("DE").unwrap());
    world
        .store
        .put_profiles(proof(), &act_at(at(9)), whole(records), PutMode::default())
        .await
        .unwrap();
    let search = ProfileSearch {
        organization_id: Some(scope.organization_id().clone()),
        country: Some(Country::parse("DE").unwrap()),
        ..ProfileSearch::default()
    };
    let page = SearchPage {
        search,
        limit: Limit::DEFAULT,
        after: None,
    };
    let first = world
        .store
        .search_profiles(proof(), &page, at(9))
        .await
        .unwrap();
    assert!(first.profiles.is_empty() && first.next.is_some());
    assert_eq!(found(&world, &page.search, 20, at(9)).await.len(), 1);
}

pub(crate) async fn counts_follow_every_way_of_writing(world: World) {
    let scope = world.organization("org").await;
    world.organization("empty").await;
    let day = 86_400;
    let first = world.create(&scope, at(1), None).await;
    let second = world.draft(at(day), None);
    let org = scope.organization_id();
    let put = |profile: Profile| vec![(org.clone(), profile)];
    let act = act_at(at(9));
    world
        .store
        .put_profiles(
            proof(),
            &act,
            whole(put(second.clone())),
            PutMode::default(),
        )
        .await
        .unwrap();
    let moved = Profile {
        created_at: at(3 * day),
        updated_at: at(3 * day),
        ..second
    };
    world
        .store
        .put_profiles(proof(), &act, whole(put(moved)), PutMode::default())
        .await
        .unwrap();
    world
        .store
        .remove_profile(&scope, &act, &first)
        .await
        .unwrap();
    let missing = ProfileId::parse("uprof_missing").unwrap();
    world
        .store
        .remove_profile(&scope, &act, &missing)
        .await
        .unwrap();
    let counts = world.store.count_profiles(proof()).await.unwrap();
    let empty = OrganizationId::parse("empty").unwrap();
    let mut expected = vec![(empty, 0), (org.clone(), 1)];
    expected.sort();
    let mut counts = counts;
    counts.sort();
    assert_eq!(counts, expected);
}

pub(crate) async fn what_a_record_leaves_out_stays(world: World) {
    let scope = world.organization("org").await;
    let org = scope.organization_id();
    let id = world.create(&scope, at(1), None).await;
    let ban = world.open_action(&scope, &id, ActionKind::Ban, at(2)).await;
    let made = EnforcementActionId::parse("enac_made").unwrap();
    let action = EnforcementAction::new(made.clone(), at(9), Reason::FraudOrAbuse, ActionKind::Ban);
    let mut record = ProfileRecord {
        profile: Profile {
            id: id.clone(),
            enforcement: Enforcement::new(vec![action.unwrap()], vec![]),
            ..world.draft(at(9), None)
        },
        left_out: LeftOut {
            id: false,
            created_at: true,
            updated_at: true,
            actions: vec![PartialAction {
                id: made,
                lacks_id: true,
                lacks_opened_at: true,
            }],
            ..LeftOut::default()
        },
    };
    let before = world.store.find_profile(&scope, &id).await.unwrap();
    let act = act_at(at(9));
    let put = |record: &ProfileRecord| {
        let records = vec![(org.clone(), record.clone())];
        world
            .store
            .put_profiles(proof(), &act, records, PutMode::default())
    };
    assert_eq!(put(&record).await.unwrap(), [Put::Unchanged]);
    let after = world.store.find_profile(&scope, &id).await.unwrap();
    assert_eq!(after, before);

    record.profile.details.country = Some(Country::parse("DE").unwrap());
    assert_eq!(put(&record).await.unwrap(), [Put::Replaced]);
    assert_eq!(put(&record).await.unwrap(), [Put::Unchanged]);
    let after = world.store.find_profile(&scope, &id).await.unwrap();
    let after = after.unwrap().decode().unwrap();
    assert_eq!((after.created_at, after.updated_at), (at(1), at(9)));
    let held = after.enforcement.unresolved().iter();
    let held: Vec<_> = held.map(|it| (it.id().clone(), it.opened_at())).collect();
    assert_eq!(held, [(ban, at(2))]);
    let filter = AuditFilter {
        action: Some(AuditAction::ProfileReplaced.to_string()),
        ..AuditFilter::default()
    };
    let trail = world
        .store
        .list_audit_events(proof(), &filter, None, Limit::DEFAULT)
        .await
        .unwrap();
    let details: Vec<_> = trail.events.iter().map(|it| &it.details).collect();
    assert_eq!(details, [&["external_user_details.country"]]);
    let report = world.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!((report.profiles, report.problems), (1, vec![]));
}
