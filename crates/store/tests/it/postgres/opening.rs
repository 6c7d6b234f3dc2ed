//! Opening: what is refused, with which line, and what is waited for.

use std::sync::Arc;
use std::time::Duration;

use rollcall_domain::id::Ids;
use rollcall_scratch_postgres::{self as server, Server};
use rollcall_store::postgres::{PostgresSettings, PostgresStore};
use rollcall_store::{Check, Leases, Profiles};

use super::{migrated_database, open_at, refusal};
use crate::keyed::{awkward_profiles, with_keys};
use crate::world::{World, at, proof};

#[tokio::test]
async fn a_wrong_password_is_refused_at_once_and_not_repeated() {
    let word = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(word.path(), "right-word\n").unwrap();
    server::run(
        std::process::Command::new("chmod")
            .arg("644")
            .arg(word.path()),
    );
    let password = format!("--pwfile={}", word.path().display());
    let options = ["--auth=scram-sha-256", &password];
    let server = Server::start_with(&[], &options).await;
    let url = |word: &str| {
        format!(
            "postgres://rollcall:{word}@127.0.0.1:{}/postgres",
            server.port
        )
    };
    let refused = refusal(&url("wrong-word")).await;
    assert!(refused.contains("check user and password"), "{refused}");
    assert!(!refused.contains("wrong-word"), "{refused}");
    open_at(&url("right-word")).await.close().await;
    let missing = refusal(&url("right-word").replace("/postgres", "/nowhere")).await;
    assert!(missing.contains("create it first"), "{missing}");
    let tls = refusal(&format!("{}?sslmode=verify-full", url("right-word"))).await;
    assert!(tls.contains("TLS"), "{tls}");
}

#[tokio::test]
async fn a_database_that_rollcall_cannot_use_is_refused_with_the_reason() {
    let url = migrated_database().await;
    let insert = "INSERT INTO rollcall_migrations (number, name, checksum) VALUES (999, 'x', 'x')";
    server::execute(&url, &[insert]).await;
    let newer = refusal(&url).await;
    assert!(newer.contains("run a newer rollcall"), "{newer}");

    let url = migrated_database().await;
    let change = "UPDATE rollcall_migrations SET checksum = 'x' WHERE number = 1";
    server::execute(&url, &[change]).await;
    let changed = refusal(&url).await;
    assert!(changed.contains("applied in another form"), "{changed}");

    let url = server::fresh_database().await;
    server::execute(&url, &["CREATE TABLE profiles (id INTEGER)"]).await;
    let foreign = refusal(&url).await;
    assert!(foreign.contains("a database of its own"), "{foreign}");

    let url = server::fresh_database().await;
    let name = server::database_of(&url);
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    server::execute(&url, &[&read_only]).await;
    let refused = refusal(&url).await;
    assert!(refused.contains("it is read-only"), "{refused}");
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for_up_to_a_limit() {
    let mut server = Server::start(&[]).await;
    let url = server.url("postgres");
    server.kill();
    let patience = |seconds| PostgresSettings {
        patience: Duration::from_secs(seconds),
        ..PostgresSettings::default()
    };
    let ids = || Arc::new(Ids::default());
    let refused = PostgresStore::open(&url, patience(1), ids()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("cannot open the database at"), "{refused}");
    assert!(
        refused.contains("Start it, or correct the database URL"),
        "{refused}"
    );
    let opening = tokio::spawn(async move { PostgresStore::open(&url, patience(60), ids()).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.go_on().await;
    opening.await.unwrap().unwrap().ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_nodes_that_start_at_once_migrate_once() {
    let url = server::fresh_database().await;
    let nodes: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { open_at(&url).await })
        })
        .collect();
    for node in nodes {
        let report = node.await.unwrap().check(proof(), &|_| {}).await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
    }
    let missing = "SELECT max(number) - count(*) FROM rollcall_migrations";
    assert_eq!(server::ask(&url, missing).await, "0");
}

#[tokio::test]
async fn who_waits_for_another_nodes_migrations_in_vain_is_told_until_when() {
    let url = migrated_database().await;
    let held = [
        "DELETE FROM rollcall_migrations WHERE number = (SELECT max(number) FROM rollcall_migrations)",
        "UPDATE rollcall_leases SET owner = 'other', expires_at = 4102444800000000 \
         WHERE name = 'migrations'",
    ];
    server::execute(&url, &held).await;
    let settings = PostgresSettings {
        migration_patience: Duration::from_millis(300),
        ..PostgresSettings::default()
    };
    let refused = PostgresStore::open(&url, settings, Arc::new(Ids::default())).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("until 2100-01-01T00:00:00Z"), "{refused}");
}

#[tokio::test]
async fn a_pool_that_has_no_connection_for_reads_is_refused() {
    let settings = PostgresSettings {
        pool_size: 1,
        ..PostgresSettings::default()
    };
    let url = "postgres://rollcall@127.0.0.1:1/postgres";
    let refused = PostgresStore::open(url, settings, Arc::new(Ids::default())).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("pool_size must be at least 2"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_migration_that_was_broken_off_is_run_again() {
    let url = server::fresh_database().await;
    open_at(&url).await.close().await;
    let broken = [
        "DELETE FROM rollcall_migrations",
        "DROP TABLE audit_events",
        "DROP INDEX search_name",
    ];
    server::execute(&url, &broken).await;
    let store = open_at(&url).await;
    let report = store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    let index = "SELECT count(*) FROM pg_indexes WHERE indexname = 'search_name'";
    assert_eq!(server::ask(&url, index).await, "1");
}

#[tokio::test]
async fn documents_with_keys_lose_them_and_nothing_else() {
    let url = migrated_database().await;
    let store = Arc::new(open_at(&url).await);
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    let profiles = awkward_profiles(&world, &scope).await;
    let mut before = Vec::new();
    for id in &profiles {
        let document = store.find_profile(&scope, id).await.unwrap();
        let keyed = with_keys(document.as_ref().unwrap()).replace('\'', "''");
        let id = id.as_str();
        let keep = format!("UPDATE profiles SET document = '{keyed}' WHERE id = '{id}'");
        server::execute(&url, &[&keep]).await;
        before.push(document);
    }
    store.close().await;
    let forget = "DELETE FROM rollcall_migrations WHERE number >= 4";
    server::execute(&url, &[forget]).await;

    let again = open_at(&url).await;
    for (id, document) in profiles.iter().zip(before) {
        assert_eq!(again.find_profile(&scope, id).await.unwrap(), document);
    }
    let report = again.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_lease_has_one_owner_and_a_number_that_grows_with_each() {
    let url = migrated_database().await;
    let (one, two) = (open_at(&url).await, open_at(&url).await);
    let ten = Duration::from_secs(10);
    assert_eq!(
        one.claim_lease("sweep", "one", ten, at(0)).await,
        Ok(Some(1))
    );
    assert_eq!(two.claim_lease("sweep", "two", ten, at(5)).await, Ok(None));
    let owner = Ok(Some("one".to_owned()));
    assert_eq!(two.lease_owner("sweep", at(5)).await, owner);
    assert_eq!(two.lease_owner("sweep", at(10)).await, Ok(None));
    assert_eq!(
        one.claim_lease("sweep", "one", ten, at(9)).await,
        Ok(Some(1))
    );
    assert_eq!(two.claim_lease("sweep", "two", ten, at(18)).await, Ok(None));
    assert_eq!(
        two.claim_lease("sweep", "two", ten, at(19)).await,
        Ok(Some(2))
    );
    assert_eq!(one.claim_lease("sweep", "one", ten, at(20)).await, Ok(None));
    one.release_lease("sweep", "one").await.unwrap();
    assert_eq!(one.claim_lease("sweep", "one", ten, at(20)).await, Ok(None));
    two.release_lease("sweep", "two").await.unwrap();
    assert_eq!(
        one.claim_lease("sweep", "one", ten, at(20)).await,
        Ok(Some(3))
    );
}
