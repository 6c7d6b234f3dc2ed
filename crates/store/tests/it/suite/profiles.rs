//! One profile: found, changed, removed, by its own organization alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use rollcall_domain::decision::{Decided, Refusal};
use rollcall_domain::enforcement::ActionKind;
use rollcall_domain::gateway::first_use;
use rollcall_domain::page::{Order, OrderBy};
use rollcall_domain::profile::ProfilePatch;
use rollcall_domain::text::{
    InvalidMetadata, MetadataKey, MetadataPatch, MetadataValue, Name, ReferenceId,
};
use rollcall_store::{Changed, StoreError};

use crate::world::{World, act_at, at, listing, proof};

pub(crate) async fn what_is_inserted_is_found_by_its_own_organization_alone(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let profile = world.draft(at(1), Some("Ana 🌱"));
    world.insert(&scope, &profile).await;
    let found = world
        .store
        .find_profile(&scope, &profile.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.decode().unwrap(), profile);
    assert_eq!(
        world.store.find_profile(&other, &profile.id).await.unwrap(),
        None
    );
    let unknown = world.ids.profile(at(1));
    assert_eq!(
        world.store.find_profile(&scope, &unknown).await.unwrap(),
        None
    );
    let nobody = proof().choose(rollcall_domain::id::OrganizationId::parse("nobody").unwrap());
    assert_eq!(
        world
            .store
            .find_profile(&nobody, &profile.id)
            .await
            .unwrap(),
        None
    );

    let rename: rollcall_store::Decide = Box::new(|profile| {
        let name = Some(Name::parse("B").unwrap());
        profile.update(
            &ProfilePatch {
                name,
                ..ProfilePatch::default()
            },
            at(2),
        )
    });
    assert_eq!(
        world.change(&other, &profile.id, at(2), rename).await,
        Changed::Missing
    );
    assert!(
        !world
            .store
            .remove_profile(&other, &act_at(at(2)), &profile.id)
            .await
            .unwrap()
    );
    assert!(
        world
            .store
            .find_profile(&scope, &profile.id)
            .await
            .unwrap()
            .is_some()
    );
}

fn metadata(key: &str, value: &str) -> MetadataPatch {
    let pair = (
        MetadataKey::parse(key).unwrap(),
        Some(MetadataValue::parse(value).unwrap()),
    );
    MetadataPatch::parse(BTreeMap::from([pair])).unwrap()
}

pub(crate) async fn concurrent_merges_lose_no_key(world: World) {
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), None).await;
    let world = Arc::new(world);
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let (world, scope, id) = (Arc::clone(&world), scope.clone(), id.clone());
            tokio::spawn(async move {
                let key = format!("key{number}");
                let decide: rollcall_store::Decide = Box::new(move |profile| {
                    let metadata = metadata(&key, "v");
                    profile.update(
                        &ProfilePatch {
                            metadata,
                            ..ProfilePatch::default()
                        },
                        at(2),
                    )
                });
                world.change(&scope, &id, at(2), decide).await
            })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), Changed::Done(_)));
    }
    let found = world
        .store
        .find_profile(&scope, &id)
        .await
        .unwrap()
        .unwrap()
        .decode()
        .unwrap();
    assert_eq!(found.metadata.len(), 16);
    let last = at(2).as_micros() + 15;
    assert_eq!(
        found.updated_at.as_micros(),
        last,
        "each update is later than the one before"
    );
}

pub(crate) async fn a_refusal_and_an_unchanged_decision_store_nothing(world: World) {
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), None).await;
    let before = world
        .store
        .find_profile(&scope, &id)
        .await
        .unwrap()
        .unwrap();
    let refusal = Refusal::Metadata(InvalidMetadata::TooManyAfterMerge(17));
    let refused = refusal.clone();
    let refuse: rollcall_store::Decide = Box::new(move |_| Err(refused.clone()));
    assert_eq!(
        world.change(&scope, &id, at(2), refuse).await,
        Changed::Refused(refusal)
    );
    let leave: rollcall_store::Decide = Box::new(|profile| Ok(Decided::unchanged(profile.clone())));
    assert_eq!(
        world.change(&scope, &id, at(2), leave).await,
        Changed::Done(before.clone())
    );
    assert_eq!(
        world.store.find_profile(&scope, &id).await.unwrap(),
        Some(before)
    );
}

pub(crate) async fn a_removed_profile_is_gone_everywhere(world: World) {
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), Some("A")).await;
    let action = world.open_action(&scope, &id, ActionKind::Ban, at(2)).await;
    assert!(
        world
            .store
            .remove_profile(&scope, &act_at(at(3)), &id)
            .await
            .unwrap()
    );
    assert!(
        !world
            .store
            .remove_profile(&scope, &act_at(at(3)), &id)
            .await
            .unwrap()
    );
    assert_eq!(world.store.find_profile(&scope, &id).await.unwrap(), None);
    assert_eq!(
        world.store.locate_profile(proof(), &id).await.unwrap(),
        None
    );
    assert_eq!(
        world.store.locate_action(proof(), &action).await.unwrap(),
        None
    );
    for order_by in [OrderBy::CreatedAt, OrderBy::Name] {
        let page = world
            .page(&scope, &listing(order_by, Order::Ascending, 5), at(9))
            .await;
        assert_eq!(page, (vec![], None));
    }
    let report = world.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!((report.profiles, report.problems), (0, vec![]));
}

pub(crate) async fn a_decision_that_panics_costs_nobody_else_anything(world: World) {
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), None).await;
    let panics: rollcall_store::Decide = Box::new(|_| panic!("a defect"));
    let failed = world
        .store
        .change_profile(&scope, &act_at(at(2)), &id, panics)
        .await;
    assert!(matches!(failed, Err(StoreError::Failed(_))), "{failed:?}");
    world.create(&scope, at(3), None).await;
    assert!(
        world
            .store
            .find_profile(&scope, &id)
            .await
            .unwrap()
            .is_some()
    );
}

fn reference(text: &str) -> ReferenceId {
    ReferenceId::parse(text).unwrap()
}

pub(crate) async fn a_reference_finds_the_oldest_that_has_it(world: World) {
    let scope = world.organization("org").await;
    let other = world.organization("other").await;
    let wanted = reference("customer-1");
    let find = async |scope| {
        let found = world.store.find_by_reference(scope, &wanted).await.unwrap();
        found.map(|document| document.decode().unwrap().id)
    };
    assert_eq!(find(&scope).await, None);
    let mut made = Vec::new();
    for (owner, second) in [(&other, 1), (&scope, 3), (&scope, 2)] {
        let id = world.ids.profile(at(second));
        let decided = first_use(id.clone(), wanted.clone(), at(second));
        let act = act_at(at(second));
        world
            .store
            .insert_profile(owner, &act, decided)
            .await
            .unwrap();
        made.push(id);
    }
    assert_eq!(find(&scope).await.as_ref(), Some(&made[2]));
    assert_eq!(find(&other).await.as_ref(), Some(&made[0]));
    let again = first_use(world.ids.profile(at(4)), wanted.clone(), at(4));
    let found = world
        .store
        .find_or_insert_by_reference(&scope, &act_at(at(4)), &wanted, again)
        .await
        .unwrap();
    assert_eq!(found.decode().unwrap().id, made[2]);
    world
        .store
        .remove_profile(&scope, &act_at(at(5)), &made[2])
        .await
        .unwrap();
    assert_eq!(find(&scope).await.as_ref(), Some(&made[1]));
}

pub(crate) async fn simultaneous_first_uses_store_one_profile(world: World) {
    let scope = world.organization("org").await;
    let world = Arc::new(world);
    for round in 0..3 {
        let uses: Vec<_> = (0..40)
            .map(|number| {
                let (world, scope) = (Arc::clone(&world), scope.clone());
                tokio::spawn(async move {
                    // Two references at a time, which do not come into each other's way.
                    let wanted = reference(&format!("round-{round}-{}", number % 2));
                    let now = at(1);
                    let decided = first_use(world.ids.profile(now), wanted.clone(), now);
                    let act = act_at(now);
                    let used = world
                        .store
                        .find_or_insert_by_reference(&scope, &act, &wanted, decided);
                    used.await.unwrap().decode().unwrap().id
                })
            })
            .collect();
        let mut ids = std::collections::BTreeSet::new();
        for used in uses {
            ids.insert(used.await.unwrap());
        }
        assert_eq!(ids.len(), 2);
    }
    let counted = world.store.count_profiles(proof()).await.unwrap();
    let profiles = counted.iter().map(|(_, profiles)| profiles).sum::<u64>();
    assert_eq!(profiles, 6);
    let report = world.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}
