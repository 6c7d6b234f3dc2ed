//! What folding leaves in the tables, and what a check makes of sums that are wrong.

use std::sync::Arc;

use rollcall_domain::id::Ids;
use rollcall_scratch_postgres as server;
use rollcall_store::registry::PutMode;
use rollcall_store::{Check, Overview, Registry};

use super::{migrated_database, open_at};
use crate::world::{World, act_at, at, proof, whole};

#[tokio::test]
async fn a_day_that_is_over_is_counted_in_one_row() {
    let url = migrated_database().await;
    let store = Arc::new(open_at(&url).await);
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    for second in 0..40 {
        world.create(&scope, at(second), None).await;
        world.create(&scope, at(200_000 + second), None).await;
    }
    while store.fold_counts(at(86_400), 5).await.unwrap() > 0 {}
    let folded = "SELECT string_agg(slot || ':' || profiles, ' ') FROM profile_counts \
        WHERE day = (SELECT min(day) FROM profile_counts)";
    assert_eq!(server::ask(&url, folded).await, "-1:40");
    let sum = "SELECT folded_profiles FROM organization_figures";
    assert_eq!(server::ask(&url, sum).await, "40");
    let later = "SELECT sum(profiles) FILTER (WHERE slot >= 0) FROM profile_counts \
        WHERE day > (SELECT min(day) FROM profile_counts)";
    assert_eq!(server::ask(&url, later).await, "40");
}

#[tokio::test]
async fn a_check_finds_a_sum_that_is_wrong() {
    let url = migrated_database().await;
    let store = Arc::new(open_at(&url).await);
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    world.create(&scope, at(1), None).await;
    while store.fold_counts(at(86_400), 5).await.unwrap() > 0 {}
    let wrong = "UPDATE organization_figures SET folded_profiles = 7";
    server::execute(&url, &[wrong]).await;
    let report = store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(
        report.problems,
        ["1 organizations whose sum of folded days is wrong"]
    );
}

#[tokio::test]
async fn records_of_days_that_are_over_are_counted_in_one_row_at_once() {
    let url = migrated_database().await;
    let store = Arc::new(open_at(&url).await);
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    let today = 200_000;
    let mut records: Vec<_> = (0..40)
        .flat_map(|second| [second, today + second])
        .map(|second| {
            let profile = world.draft(at(second), None);
            (scope.organization_id().clone(), profile)
        })
        .collect();
    let act = act_at(at(today + 50));
    for round in 0..2 {
        // The second time each record replaces what the first one made.
        for (_, profile) in &mut records {
            profile.updated_at = at(today + round);
        }
        let put = store.put_profiles(proof(), &act, whole(records.clone()), PutMode::default());
        put.await.unwrap();
        let rows = "SELECT string_agg(slot || ':' || profiles, ' ') FROM profile_counts \
            WHERE day = (SELECT min(day) FROM profile_counts)";
        assert_eq!(server::ask(&url, rows).await, "-1:40");
        let sums = "SELECT folded_profiles FROM organization_figures";
        assert_eq!(server::ask(&url, sums).await, "40");
        let counts = store.count_profiles(proof()).await.unwrap();
        assert_eq!(counts[0].1, 80);
        let report = store.check(proof(), &|_| {}).await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
    }
}
