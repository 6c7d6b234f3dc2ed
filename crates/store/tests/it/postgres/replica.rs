//! A streaming standby: lists read from it, and it takes over when the primary dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rollcall_domain::id::Ids;
use rollcall_domain::page::{Order, OrderBy};
use rollcall_scratch_postgres::{self as server, Server};
use rollcall_store::postgres::{PostgresSettings, PostgresStore};
use rollcall_store::{Check, StoreError};

use super::{migrated_database, open_at, refusal};
use crate::world::{World, act_at, at, listing, proof};

fn reading_from(url: String) -> PostgresSettings {
    PostgresSettings {
        connect_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(3),
        read_url: Some(url),
        ..PostgresSettings::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_come_from_the_replica_and_from_the_primary_while_it_is_away() {
    let primary = Server::start(&[]).await;
    let url = primary.url("postgres");
    open_at(&url).await.close().await;
    let mut standby = primary.standby().await;
    let refused = refusal(&standby.url("postgres")).await;
    assert!(refused.contains("it is read-only"), "{refused}");
    let settings = reading_from(standby.url("postgres"));
    let store = PostgresStore::open(&url, settings.clone(), Arc::new(Ids::default()));
    let store = Arc::new(store.await.unwrap());
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    let elsewhere = PostgresStore::open(&url, settings, Arc::new(Ids::default()));
    let elsewhere = World::new(Arc::new(elsewhere.await.unwrap()), Arc::new(Ids::default()));
    // A replica that stands still shows others what it has; who wrote, and a find, see what was acknowledged.
    let pause = "SELECT pg_wal_replay_pause()";
    let caught_up = listing(OrderBy::CreatedAt, Order::Ascending, 5);
    let first = world.create(&scope, at(1), None).await;
    let started = Instant::now();
    let (page, _) = world.page(&scope, &caught_up, at(9)).await;
    assert_eq!(page, [first.to_string()], "who wrote waits for no replica");
    while elsewhere.page(&scope, &caught_up, at(9)).await.0.is_empty() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "never caught up"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server::ask(&standby.url("postgres"), pause).await;
    let paused = "SELECT pg_get_wal_replay_pause_state()";
    while server::ask(&standby.url("postgres"), paused).await != "paused" {
        assert!(started.elapsed() < Duration::from_secs(20), "never paused");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = world.create(&scope, at(2), None).await;
    let found = world.store.find_profile(&scope, &second).await.unwrap();
    assert!(found.is_some());
    let (page, _) = elsewhere.page(&scope, &caught_up, at(9)).await;
    assert_eq!(page, [first.to_string()]);
    let both = [first.to_string(), second.to_string()];
    assert_eq!(world.page(&scope, &caught_up, at(9)).await.0, both);
    server::ask(&standby.url("postgres"), "SELECT pg_wal_replay_resume()").await;
    while elsewhere.page(&scope, &caught_up, at(9)).await.0 != both {
        assert!(
            started.elapsed() < Duration::from_secs(40),
            "never caught up"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Once it has played that in, the replica answers those who wrote, too.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.page(&scope, &caught_up, at(9)).await.0, both);
    server::ask(&standby.url("postgres"), pause).await;
    while server::ask(&standby.url("postgres"), paused).await != "paused" {
        assert!(started.elapsed() < Duration::from_mins(1), "never paused");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let third = elsewhere.create(&scope, at(3), None).await;
    assert_eq!(world.page(&scope, &caught_up, at(9)).await.0, both);
    assert_eq!(elsewhere.page(&scope, &caught_up, at(9)).await.0.len(), 3);
    tokio::task::block_in_place(|| standby.kill());
    let (page, _) = world.page(&scope, &caught_up, at(9)).await;
    assert_eq!(page, [&both[..], &[third.to_string()]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_promoted_under_load_has_what_was_acknowledged() {
    let mut primary = Server::start(&[]).await;
    let standby = primary.standby().await;
    let hosts = format!(
        "postgres://rollcall@127.0.0.1:{},127.0.0.1:{}/postgres?sslmode=disable",
        primary.port, standby.port
    );
    // As Patroni's strict synchronous mode has it: a commit is answered when the standby has it too.
    let synchronous = [
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
        "SELECT pg_reload_conf()",
    ];
    server::execute(&primary.url("postgres"), &synchronous).await;
    let settings = PostgresSettings {
        connect_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(3),
        ..PostgresSettings::default()
    };
    let store = PostgresStore::open(&hosts, settings, Arc::new(Ids::default()));
    let store = Arc::new(store.await.unwrap());
    let world = Arc::new(World::new(store.clone(), Arc::new(Ids::default())));
    let scope = world.organization("org").await;
    let (writing, writer) = (Arc::clone(&world), scope.clone());
    let failed_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&failed_over);
    let creates = tokio::spawn(async move {
        let (mut acknowledged, mut after_failover) = (Vec::new(), 0);
        let ids = Ids::default();
        let started = Instant::now();
        while after_failover < 30 {
            assert!(started.elapsed() < Duration::from_secs(90), "no failover");
            let profile = rollcall_domain::profile::Profile::create(
                ids.profile(at(1)),
                rollcall_domain::profile::ProfileDraft::default(),
                at(1),
            );
            let id = profile.value.id.clone();
            let act = act_at(at(1));
            match writing.store.insert_profile(&writer, &act, profile).await {
                Ok(_) => {
                    acknowledged.push(id);
                    after_failover += usize::from(over.load(Ordering::Relaxed));
                }
                Err(StoreError::Failed(error)) => panic!("{error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        acknowledged
    });
    tokio::time::sleep(Duration::from_millis(800)).await;
    tokio::task::block_in_place(|| {
        primary.kill();
        standby.promote();
    });
    failed_over.store(true, Ordering::Relaxed);
    let acknowledged = creates.await.unwrap();
    for id in &acknowledged {
        let found = world.store.find_profile(&scope, id).await.unwrap();
        assert!(found.is_some(), "{id} was acknowledged");
    }
    let report = store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    let page = listing(OrderBy::CreatedAt, Order::Ascending, 100);
    let listed = world.walk_ids(&scope, page, at(9)).await;
    assert!(listed.len() >= acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_writes_the_other_lists_and_cursors_cross_over() {
    let url = migrated_database().await;
    let nodes = [open_at(&url).await, open_at(&url).await];
    let [one, two] = nodes.map(|node| World::new(Arc::new(node), Arc::new(Ids::default())));
    let scope = one.organization("org").await;
    let mut created = Vec::new();
    for second in 0..25 {
        let node = if second % 2 == 0 { &one } else { &two };
        created.push(node.create(&scope, at(second), None).await.to_string());
    }
    let mut pages = listing(OrderBy::CreatedAt, Order::Ascending, 4);
    let mut listed = Vec::new();
    loop {
        let node = if listed.len() % 8 == 0 { &one } else { &two };
        let (page, next) = node.page(&scope, &pages, at(99)).await;
        listed.extend(page);
        match next {
            Some(position) => pages.start = rollcall_domain::page::Start::after(position),
            None => break,
        }
    }
    assert_eq!(listed, created);
    one.store.close().await;
    two.create(&scope, at(30), None).await;
}
