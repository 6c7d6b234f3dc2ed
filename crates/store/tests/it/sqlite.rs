//! The embedded backend, on disk and in memory.

use std::sync::Arc;

use rollcall_domain::id::Ids;
use rollcall_domain::page::{Order, OrderBy};
use rollcall_store::registry::PutMode;
use rollcall_store::sqlite::{SqliteSettings, SqliteStore};
use rollcall_store::{Check, Opening, Profiles, Store};
use tempfile::TempDir;

use crate::keyed::{awkward_profiles, with_keys};
use crate::world::{Opened, World, act_at, at, ids, proof, whole};

struct OnDisk {
    store: Arc<SqliteStore>,
    directory: TempDir,
}

impl Opened for OnDisk {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }
}

#[expect(clippy::unused_async, reason = "the suite opens every backend alike")]
async fn on_disk(ids: Arc<Ids>) -> OnDisk {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(directory.path(), SqliteSettings::default(), ids).unwrap();
    OnDisk {
        store: Arc::new(store),
        directory,
    }
}

struct InMemory(Arc<SqliteStore>);

impl Opened for InMemory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0) as Arc<dyn Store>
    }
}

#[expect(clippy::unused_async, reason = "the suite opens every backend alike")]
async fn in_memory(ids: Arc<Ids>) -> InMemory {
    InMemory(Arc::new(SqliteStore::open_in_memory(ids).unwrap()))
}

mod disk {
    crate::store_suite!(super::on_disk);
}

mod memory {
    crate::store_suite!(super::in_memory);
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_directory() {
    let opened = on_disk(ids()).await;
    let second = SqliteStore::open(opened.directory.path(), SqliteSettings::default(), ids());
    let message = second.unwrap_err().to_string();
    assert!(
        message.contains("in use by another rollcall process"),
        "{message}"
    );
}

#[tokio::test]
async fn what_was_stored_is_there_after_opening_again() {
    let opened = on_disk(ids()).await;
    let world = World::new(opened.store(), ids());
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), Some("A")).await;
    world.store.close().await;
    let OnDisk { store, directory } = opened;
    drop((world, store));
    let again = SqliteStore::open(directory.path(), SqliteSettings::default(), ids()).unwrap();
    let world = World::new(Arc::new(again), ids());
    assert!(
        world
            .store
            .find_profile(&scope, &id)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        world.store.check(proof(), &|_| {}).await.unwrap().profiles,
        1
    );
}

#[tokio::test]
async fn documents_with_keys_lose_them_and_nothing_else() {
    let opened = on_disk(ids()).await;
    let world = World::new(opened.store(), ids());
    let scope = world.organization("org").await;
    let profiles = awkward_profiles(&world, &scope).await;
    let mut before = Vec::new();
    for id in &profiles {
        before.push(world.store.find_profile(&scope, id).await.unwrap());
    }
    world.store.close().await;
    let OnDisk { store, directory } = opened;
    drop((world, store));

    let file = directory.path().join(rollcall_store::sqlite::FILE_NAME);
    let connection = rusqlite::Connection::open(&file).unwrap();
    for (id, document) in profiles.iter().zip(&before) {
        let keyed = with_keys(document.as_ref().unwrap());
        connection
            .execute(
                "UPDATE profiles SET document = ?2 WHERE id = ?1",
                (id.as_str(), keyed),
            )
            .unwrap();
    }
    connection
        .execute_batch(
            "DROP INDEX enrollment_urls_by_profile;
             ALTER TABLE organization_figures DROP COLUMN profiles;
             ALTER TABLE api_keys DROP COLUMN literal;
             ALTER TABLE api_keys DROP COLUMN role;
             ALTER TABLE organizations DROP COLUMN enrollment_links;
             ALTER TABLE organizations DROP COLUMN data_controls;
             DROP INDEX profiles_by_reference;
             ALTER TABLE organizations DROP COLUMN gateway_policy;
             DROP INDEX audit_events_by_actor;
             ALTER TABLE audit_events DROP COLUMN actor_name;
             DROP INDEX organizations_in_removal;
             ALTER TABLE organizations DROP COLUMN removal;
             DROP INDEX profile_programs_by_organization;
             DROP INDEX enforcement_actions_by_organization;
             DROP INDEX profile_counts_by_organization;
             DROP INDEX enrollment_urls_by_organization;
             DROP INDEX webhook_deliveries_by_organization;
             DROP INDEX events_by_organization;
             DELETE FROM migrations WHERE number >= 6;
             PRAGMA user_version = 5;",
        )
        .unwrap();
    drop(connection);

    let again = SqliteStore::open(directory.path(), SqliteSettings::default(), ids()).unwrap();
    for (id, document) in profiles.iter().zip(before) {
        assert_eq!(again.find_profile(&scope, id).await.unwrap(), document);
    }
    let report = again.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}

/// Stores a profile as a load does, and finds it as a server does.
async fn load_then_serve(directory: &std::path::Path) {
    let loading = SqliteSettings {
        loading: true,
        ..SqliteSettings::default()
    };
    let store = SqliteStore::open(directory, loading, ids()).unwrap();
    let world = World::new(Arc::new(store), ids());
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), Some("A")).await;
    world.store.close().await;
    drop(world);

    let served = SqliteStore::open(directory, SqliteSettings::default(), ids()).unwrap();
    let found = served.find_profile(&scope, &id).await.unwrap();
    assert!(found.is_some());
    let report = served.check(proof(), &|_| {}).await.unwrap();
    assert_eq!((report.profiles, report.problems.len()), (1, 0));
}

#[tokio::test]
async fn what_was_loaded_is_there_for_a_server() {
    let directory = TempDir::new().unwrap();
    load_then_serve(directory.path()).await;
}

#[tokio::test]
async fn a_load_goes_on_while_somebody_copies_the_file() {
    let OnDisk { store, directory } = on_disk(ids()).await;
    store.close().await;
    drop(store);
    let file = directory.path().join(rollcall_store::sqlite::FILE_NAME);
    let copying = rusqlite::Connection::open(&file).unwrap();
    copying
        .execute_batch("BEGIN; SELECT count(*) FROM organizations;")
        .unwrap();
    load_then_serve(directory.path()).await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_advice() {
    let opened = on_disk(ids()).await;
    opened.store.close().await;
    let OnDisk { store, directory } = opened;
    drop(store);
    let file = directory.path().join(rollcall_store::sqlite::FILE_NAME);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .pragma_update(None, "user_version", 9_999)
        .unwrap();
    drop(connection);
    let refused = SqliteStore::open(directory.path(), SqliteSettings::default(), ids());
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("run a newer rollcall"), "{message}");
}

#[tokio::test]
async fn a_foreign_database_is_not_touched() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join(rollcall_store::sqlite::FILE_NAME);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "application_id", 7).unwrap();
    drop(connection);
    let refused = SqliteStore::open(directory.path(), SqliteSettings::default(), ids());
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("not one of rollcall's")
    );
}

#[tokio::test]
async fn a_check_finds_what_was_changed_behind_its_back() {
    let opened = on_disk(ids()).await;
    let world = World::new(opened.store(), ids());
    let scope = world.organization("org").await;
    for second in 0..3 {
        world.create(&scope, at(second), Some("A")).await;
    }
    let file = opened
        .directory
        .path()
        .join(rollcall_store::sqlite::FILE_NAME);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute_batch(
            "UPDATE profiles SET folded_name = 'b' WHERE id = (SELECT min(id) FROM profiles);
             UPDATE profiles SET document = replace(document, '\"A\"', '7')
               WHERE id = (SELECT max(id) FROM profiles);
             UPDATE profile_counts SET profiles = 9;",
        )
        .unwrap();
    let report = world.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problem_count, 4, "{:?}", report.problems);
    let all = report.problems.join("\n");
    for expected in [
        "its columns differ",
        "expected name on line 5",
        "days whose count of profiles is wrong",
        "organizations whose count of profiles is wrong",
    ] {
        assert!(all.contains(expected), "{all}");
    }
}

#[tokio::test]
async fn a_backup_is_a_whole_storage_of_its_own() {
    let opened = on_disk(ids()).await;
    let world = World::new(opened.store(), ids());
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), None).await;
    let target = TempDir::new().unwrap();
    let file = target.path().join(rollcall_store::sqlite::FILE_NAME);
    let copy_database = rollcall_store::sqlite::copy_database;
    copy_database(opened.directory.path(), &file).unwrap();
    let copy = SqliteStore::open(target.path(), SqliteSettings::default(), ids()).unwrap();
    let copy = World::new(Arc::new(copy), ids());
    assert!(
        copy.store
            .find_profile(&scope, &id)
            .await
            .unwrap()
            .is_some()
    );
    assert!(copy_database(opened.directory.path(), &file).is_err());
}

#[tokio::test]
async fn an_interrupted_bulk_load_is_put_right_on_opening() {
    let opened = on_disk(ids()).await;
    let world = World::new(opened.store(), ids());
    let scope = world.organization("org").await;
    world.store.begin_bulk_load(proof()).await.unwrap();
    world.create(&scope, at(1), Some("A")).await;
    world.store.close().await;
    let OnDisk { store, directory } = opened;
    drop((world, store));
    let again = SqliteStore::open(directory.path(), SqliteSettings::default(), ids()).unwrap();
    let world = World::new(Arc::new(again), ids());
    let by_name = crate::world::listing(OrderBy::Name, Order::Ascending, 20);
    assert_eq!(world.walk_ids(&scope, by_name, at(60)).await.len(), 1);
}

#[tokio::test]
async fn an_index_that_was_built_before_its_note_was_removed_does_not_close_the_storage_for_ever() {
    let opened = on_disk(ids()).await;
    let world = World::new(opened.store(), ids());
    let scope = world.organization("org").await;
    world.store.begin_bulk_load(proof()).await.unwrap();
    world.create(&scope, at(1), Some("A")).await;
    world.store.close().await;
    let OnDisk { store, directory } = opened;
    drop((world, store));
    // What a kill leaves between the two, where they are two transactions.
    let file = directory.path().join(rollcall_store::sqlite::FILE_NAME);
    let connection = rusqlite::Connection::open(&file).unwrap();
    let definitions: String = connection
        .query_row(
            "SELECT group_concat(definition, ';') FROM suspended_indexes",
            [],
            |row| row.get(0),
        )
        .unwrap();
    connection.execute_batch(&definitions).unwrap();
    drop(connection);
    let again = SqliteStore::open(directory.path(), SqliteSettings::default(), ids()).unwrap();
    let world = World::new(Arc::new(again), ids());
    // And the next load begins as the first did.
    world.store.begin_bulk_load(proof()).await.unwrap();
    world.store.finish_bulk_load(proof()).await.unwrap();
    let report = world.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!((report.profiles, report.problems), (1, vec![]));
}

#[tokio::test]
async fn whoever_waits_for_a_rebuild_is_told_which_index_and_that_it_goes_on() {
    let opened = on_disk(ids()).await;
    let world = World::new(opened.store(), ids());
    let scope = world.organization("org").await;
    world.store.begin_bulk_load(proof()).await.unwrap();
    let records = (0..2_000).map(|second| {
        let draft = world.draft(at(second), Some("A"));
        (scope.organization_id().clone(), draft)
    });
    let records = whole(records);
    let act = act_at(at(1));
    let put = world
        .store
        .put_profiles(proof(), &act, records, PutMode::default());
    put.await.unwrap();
    world.store.close().await;
    let OnDisk { store, directory } = opened;
    drop((world, store));
    let opening = Arc::new(Opening::default());
    let settings = SqliteSettings::default();
    drop(SqliteStore::open_told(directory.path(), settings, ids(), &opening).unwrap());
    let last = opening.step().unwrap();
    let index = last.doing.strip_prefix("building the index ");
    assert!(index.is_some_and(|name| !name.is_empty()), "{last:?}");
    assert_eq!(last.done + 1, last.of);
    assert!(opening.work() > 0);
}
