//! Checks, resets, and the end.

use rollcall_domain::enforcement::ActionKind;
use rollcall_domain::id::OrganizationId;
use rollcall_domain::program::{Cyber, ProgramStanding, ProgramStatus};
use rollcall_store::StoreError;
use rollcall_store::registry::PutMode;

use rollcall_domain::page::{Order, OrderBy};

use crate::world::{World, act_at, at, listing, proof, restriction, whole};

pub(crate) async fn a_check_of_a_busy_storage_finds_nothing(world: World) {
    let scope = world.organization("org").await;
    for second in 0..30 {
        let id = world
            .create(&scope, at(second), (second % 2 == 0).then_some("Name"))
            .await;
        let kind = if second % 3 == 0 {
            ActionKind::Ban
        } else {
            restriction(Some(at(500)))
        };
        world.open_action(&scope, &id, kind, at(40)).await;
        if second % 4 == 0 {
            let standing = ProgramStanding::Cyber(Cyber::without_tiers(ProgramStatus::Active));
            let decide: rollcall_store::Decide =
                Box::new(move |profile| profile.set_program(standing.clone(), at(50)));
            world.change(&scope, &id, at(50), decide).await;
        }
        if second % 5 == 0 {
            world
                .store
                .remove_profile(&scope, &act_at(at(60)), &id)
                .await
                .unwrap();
        }
    }
    let report = world.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!((report.profiles, report.problems), (24, vec![]));
}

pub(crate) async fn a_bulk_load_ends_with_everything_in_place(world: World) {
    let scope = world.organization("org").await;
    world.create(&scope, at(1), Some("before")).await;
    world.store.begin_bulk_load(proof()).await.unwrap();
    let records = (2..50).map(|second| {
        (
            scope.organization_id().clone(),
            world.draft(at(second), Some("during")),
        )
    });
    world
        .store
        .put_profiles(proof(), &act_at(at(60)), whole(records), PutMode::default())
        .await
        .unwrap();
    world.store.finish_bulk_load(proof()).await.unwrap();
    let by_name = listing(OrderBy::Name, Order::Ascending, 20);
    assert_eq!(world.walk_ids(&scope, by_name, at(60)).await.len(), 49);
    let report = world.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!((report.profiles, report.problems), (49, vec![]));
}

pub(crate) async fn a_reset_leaves_nothing_behind(world: World) {
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), None).await;
    world.store.reset(proof()).await.unwrap();
    assert_eq!(world.store.find_profile(&scope, &id).await.unwrap(), None);
    let org = OrganizationId::parse("org").unwrap();
    assert_eq!(
        world.store.find_organization(proof(), &org).await.unwrap(),
        None
    );
    let scope = world.organization("org").await;
    world.create(&scope, at(1), None).await;
    assert_eq!(
        world.store.check(proof(), &|_| {}).await.unwrap().problems,
        Vec::<String>::new()
    );
}

pub(crate) async fn a_closed_storage_takes_no_more_writes(world: World) {
    let scope = world.organization("org").await;
    world.store.ping().await.unwrap();
    world.store.close().await;
    let refused = world
        .store
        .remove_profile(&scope, &act_at(at(1)), &world.ids.profile(at(1)))
        .await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
}
