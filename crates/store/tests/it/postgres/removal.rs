//! The end of a tenancy, and who is under way when it begins.

use std::sync::Arc;

use rollcall_domain::id::{Ids, OrganizationId};
use rollcall_domain::profile::{Profile, ProfileDraft};
use rollcall_scratch_postgres as server;
use rollcall_store::postgres::PostgresStore;
use rollcall_store::registry::{Put, PutMode};
use rollcall_store::tenants::Left;
use rollcall_store::{Profiles, Registry, Tenants};

use super::{migrated_database, open_at};
use crate::world::{World, act_at, at, proof, whole};

/// Whether so many sessions wait for another.
fn waiting(many: u32) -> String {
    format!(
        "SELECT count(*) >= {many} FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
         AND datname = current_database()"
    )
}

/// Ends a tenancy, in pieces of 5.
async fn remove(store: Arc<PostgresStore>, org: OrganizationId) {
    let act = act_at(at(2));
    let begun = store.begin_removal(proof(), &act, &org).await.unwrap();
    assert_eq!(begun, Some(Ok(())));
    while store.go_on_removing(proof(), &org, at(2), 5).await.unwrap() == Left::More {}
}

/// A create that has found its organization and is not over when the end of the organization is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_under_way_when_a_tenancy_ends_leaves_nothing_behind() {
    let url = migrated_database().await;
    let store = Arc::new(open_at(&url).await);
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    let org = scope.organization_id().clone();
    world.hold(&org).await;
    // A create counts last, and waits here for whoever counts the same.
    let client = server::client(&url).await.unwrap();
    let counting = "BEGIN; INSERT INTO profile_counts (organization, day, slot, profiles) \
                    SELECT 'org', 20601, n, 1 FROM generate_series(0, 63) AS n";
    client.batch_execute(counting).await.unwrap();
    let new = Profile::create(world.ids.profile(at(1)), ProfileDraft::default(), at(1));
    let id = new.value.id.clone();
    let day = at(1).as_micros() / 86_400_000_000;
    assert_eq!(day, 20_601, "the day that is counted");
    let creating = {
        let (store, scope) = (store.clone(), scope.clone());
        tokio::spawn(async move { store.insert_profile(&scope, &act_at(at(1)), new).await })
    };
    server::wait_for(&url, &waiting(1), "t").await;
    let removing = tokio::spawn(remove(store.clone(), org.clone()));
    // It waits for the create, or is over without it.
    let over = format!(
        "SELECT ({}) OR NOT EXISTS (SELECT 1 FROM organizations)",
        waiting(2)
    );
    server::wait_for(&url, &over, "t").await;
    client.batch_execute("ROLLBACK").await.unwrap();
    creating.await.unwrap().unwrap();
    removing.await.unwrap();
    assert_eq!(store.locate_profile(proof(), &id).await.unwrap(), None);
    for table in ["profile_ids", "profiles", "profile_counts", "organizations"] {
        let left = server::ask(&url, &format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(left, "0", "{table}");
    }
    world.assert_sound().await;
}

/// A row that somebody changes while a piece takes it, without an entry in the audit trail: a key's last use, a count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_was_changed_while_its_piece_went_does_not_stay_behind() {
    let url = migrated_database().await;
    let store = Arc::new(open_at(&url).await);
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    let org = scope.organization_id().clone();
    let new = Profile::create(world.ids.profile(at(1)), ProfileDraft::default(), at(1));
    let stored = store.insert_profile(&scope, &act_at(at(1)), new).await;
    stored.unwrap();
    world.hold(&org).await;
    let begun = store.begin_removal(proof(), &act_at(at(2)), &org).await;
    assert_eq!(begun.unwrap(), Some(Ok(())));
    let client = server::client(&url).await.unwrap();
    let changing = "BEGIN; UPDATE profile_counts SET profiles = profiles";
    client.batch_execute(changing).await.unwrap();
    let removing = {
        let (store, org) = (store.clone(), org.clone());
        tokio::spawn(async move {
            while store
                .go_on_removing(proof(), &org, at(2), 250)
                .await
                .unwrap()
                == Left::More
            {}
        })
    };
    server::wait_for(&url, &waiting(1), "t").await;
    client.batch_execute("COMMIT").await.unwrap();
    removing.await.unwrap();
    for table in ["profile_ids", "profiles", "profile_counts", "organizations"] {
        let left = server::ask(&url, &format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(left, "0", "{table}");
    }
    world.assert_sound().await;
}

/// An import that has found both of its organizations and is not over when the end of one of them is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenancy_that_ends_fails_no_record_of_another() {
    let url = migrated_database().await;
    let store = Arc::new(open_at(&url).await);
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let (ending, lasting) = (
        world.organization("ending").await,
        world.organization("lasting").await,
    );
    let org = ending.organization_id().clone();
    world.hold(&org).await;
    let (one, other) = (world.draft(at(1), None), world.draft(at(1), None));
    // The import writes whose ids are whose before its entries in the trail, and waits here for who takes the same id.
    let client = server::client(&url).await.unwrap();
    let taking = format!(
        "BEGIN; INSERT INTO profile_ids (id, organization) VALUES ('{}', 'lasting')",
        other.id
    );
    client.batch_execute(&taking).await.unwrap();
    let putting = {
        let lasting = lasting.organization_id().clone();
        let (store, org) = (store.clone(), org.clone());
        let records = whole([(org, one), (lasting, other)]);
        let act = act_at(at(1));
        tokio::spawn(async move {
            let put = store.put_profiles(proof(), &act, records, PutMode::default());
            put.await
        })
    };
    server::wait_for(&url, &waiting(1), "t").await;
    let removing = tokio::spawn(remove(store.clone(), org.clone()));
    // It waits for the import, or has begun without it.
    let begun = format!(
        "SELECT ({}) OR count(*) < 2 FROM organizations WHERE removal IS NULL",
        waiting(2)
    );
    server::wait_for(&url, &begun, "t").await;
    client.batch_execute("ROLLBACK").await.unwrap();
    let put = putting.await.unwrap().unwrap();
    assert_eq!(put, [Put::Created, Put::Created]);
    removing.await.unwrap();
    let left = server::ask(&url, "SELECT string_agg(organization, ',') FROM profiles").await;
    assert_eq!(left, "lasting");
    world.assert_sound().await;
}
