//! The database goes away and comes back: no acknowledged write is lost, none is applied twice, and no
//! call outlives its limit.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rollcall_domain::decision::Decided;
use rollcall_domain::id::{Ids, ProfileId};
use rollcall_domain::page::{Order, OrderBy};
use rollcall_domain::profile::{Profile, ProfileDraft, ProfilePatch};
use rollcall_domain::tenant::OrganizationScope;
use rollcall_domain::text::Name;
use rollcall_scratch_postgres::{self as server, Server};
use rollcall_store::postgres::{PostgresSettings, PostgresStore};
use rollcall_store::{Check, Profiles, StoreError, Tenants, Transfer as _};

use super::proxy::{Proxy, Traffic};
use super::{migrated_database, open_at};
use crate::world::{Collected, World, act_at, at, listing, proof};

/// What became of many creates at once.
#[derive(Default)]
struct Tally {
    acknowledged: parking_lot::Mutex<BTreeSet<ProfileId>>,
    refused: parking_lot::Mutex<BTreeSet<ProfileId>>,
    unknown: AtomicU64,
    slowest: parking_lot::Mutex<Duration>,
}

impl Tally {
    fn took(&self, time: Duration) {
        let mut slowest = self.slowest.lock();
        *slowest = time.max(*slowest);
    }
}

/// Settings under which a lost answer is given up on soon.
fn impatient() -> PostgresSettings {
    PostgresSettings {
        pool_size: 8,
        connect_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(2),
        ..PostgresSettings::default()
    }
}

/// Creates profiles from several tasks until told to stop.
fn create_on(
    store: &Arc<PostgresStore>,
    scope: &OrganizationScope,
    tally: &Arc<Tally>,
    stop: &Arc<AtomicBool>,
) -> Vec<tokio::task::JoinHandle<()>> {
    (0..8)
        .map(|_| {
            let (store, scope) = (Arc::clone(store), scope.clone());
            let (tally, stop) = (Arc::clone(tally), Arc::clone(stop));
            tokio::spawn(async move {
                let ids = Ids::default();
                while !stop.load(Ordering::Relaxed) {
                    let id = ids.profile(at(1));
                    let decided: Decided<Profile> =
                        Profile::create(id.clone(), ProfileDraft::default(), at(1));
                    let started = Instant::now();
                    let result = store.insert_profile(&scope, &act_at(at(1)), decided).await;
                    tally.took(started.elapsed());
                    match result {
                        Ok(_) => {
                            tally.acknowledged.lock().insert(id);
                        }
                        Err(StoreError::OutcomeUnknown(_)) => {
                            tally.unknown.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(StoreError::Unavailable(_)) => {
                            tally.refused.lock().insert(id);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        Err(StoreError::Failed(error)) => panic!("{error}"),
                    }
                }
            })
        })
        .collect()
}

async fn all_ids(store: &Arc<PostgresStore>, scope: &OrganizationScope) -> Vec<String> {
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let pages = listing(OrderBy::CreatedAt, Order::Ascending, 100);
    world.walk_ids(scope, pages, at(9)).await
}

/// Everything acknowledged is there once, nothing refused is, and the rest is sound.
async fn settle(store: &Arc<PostgresStore>, scope: &OrganizationScope, tally: &Tally) {
    let listed = all_ids(store, scope).await;
    let stored: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    assert_eq!(stored.len(), listed.len(), "nothing is there twice");
    let acknowledged = tally.acknowledged.lock().clone();
    assert!(acknowledged.len() > 20, "{} creates", acknowledged.len());
    for id in &acknowledged {
        assert!(stored.contains(id.as_str()), "{id} was acknowledged");
    }
    for id in tally.refused.lock().iter() {
        assert!(!stored.contains(id.as_str()), "{id} was refused");
    }
    let unknown = usize::try_from(tally.unknown.load(Ordering::Relaxed)).unwrap();
    assert!(stored.len() <= acknowledged.len() + unknown);
    let report = store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}

async fn wait_for_creates(tally: &Tally, more: usize) {
    let wanted = tally.acknowledged.lock().len() + more;
    let started = Instant::now();
    while tally.acknowledged.lock().len() < wanted {
        assert!(started.elapsed() < Duration::from_mins(1), "no recovery");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn wait_for_failures(tally: &Tally, more: usize) {
    let unknown = || usize::try_from(tally.unknown.load(Ordering::Relaxed)).unwrap();
    let failures = || tally.refused.lock().len() + unknown();
    let wanted = failures() + more;
    let started = Instant::now();
    while failures() < wanted {
        assert!(started.elapsed() < Duration::from_mins(1), "nobody notices");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until storage says that the database is away. The sessions of a killed server live until they
/// notice, and may well answer a question that arrives before.
async fn wait_until_away(store: &PostgresStore) {
    let started = Instant::now();
    loop {
        match store.ping().await {
            Ok(()) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(StoreError::Unavailable(_)) => return,
            Err(error) => panic!("{error}"),
        }
        assert!(started.elapsed() < Duration::from_mins(1), "not away");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_that_restarts_has_lost_nothing() {
    let mut server = Server::start(&[]).await;
    let url = server.url("postgres");
    let store = PostgresStore::open(&url, impatient(), Arc::new(Ids::default()));
    let store = Arc::new(store.await.unwrap());
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    let (tally, stop) = (Arc::new(Tally::default()), Arc::default());
    let tasks = create_on(&store, &scope, &tally, &stop);
    for _ in 0..2 {
        wait_for_creates(&tally, 50).await;
        tokio::task::block_in_place(|| server.kill());
        wait_until_away(&store).await;
        server.go_on().await;
    }
    wait_for_creates(&tally, 50).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    settle(&store, &scope, &tally).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_is_cut_delayed_or_silent_loses_nothing_and_hangs_nobody() {
    let url = migrated_database().await;
    let port = server::port_of(&url);
    let proxy = Proxy::before(port).await;
    let through = url.replace(&format!(":{port}/"), &format!(":{}/", proxy.port));
    let store = PostgresStore::open(&through, impatient(), Arc::new(Ids::default()));
    let store = Arc::new(store.await.unwrap());
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    let (tally, stop) = (Arc::new(Tally::default()), Arc::default());
    let tasks = create_on(&store, &scope, &tally, &stop);
    for traffic in [
        Traffic::Cut,
        Traffic::Delayed(Duration::from_millis(150)),
        Traffic::Answerless,
        Traffic::Cut,
    ] {
        wait_for_creates(&tally, 40).await;
        proxy.set(traffic);
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        proxy.set(Traffic::Passing);
    }
    wait_for_creates(&tally, 40).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let slowest = *tally.slowest.lock();
    assert!(slowest < Duration::from_secs(12), "{slowest:?}");
    assert!(proxy.connections() > 8, "connections were replaced");
    // Past the proxy: what the node says is what the database has.
    let beside = Arc::new(open_at(&url).await);
    settle(&beside, &scope, &tally).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_closed_in_one_direction_loses_nothing_and_hangs_nobody() {
    let url = migrated_database().await;
    let port = server::port_of(&url);
    let proxy = Proxy::before(port).await;
    let through = url.replace(&format!(":{port}/"), &format!(":{}/", proxy.port));
    let store = PostgresStore::open(&through, impatient(), Arc::new(Ids::default()));
    let store = Arc::new(store.await.unwrap());
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    let (tally, stop) = (Arc::new(Tally::default()), Arc::default());
    let tasks = create_on(&store, &scope, &tally, &stop);
    let directions = [Traffic::AnswersEnded, Traffic::RequestsEnded];
    for traffic in directions.into_iter().cycle().take(6) {
        wait_for_creates(&tally, 40).await;
        proxy.set(traffic);
        // Those under way find out, and those that come after them.
        wait_for_failures(&tally, 16).await;
        proxy.set(Traffic::Passing);
    }
    wait_for_creates(&tally, 40).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let slowest = *tally.slowest.lock();
    assert!(slowest < Duration::from_secs(12), "{slowest:?}");
    let beside = Arc::new(open_at(&url).await);
    settle(&beside, &scope, &tally).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_database_is_an_overload_and_recovers_by_itself() {
    let url = migrated_database().await;
    let port = server::port_of(&url);
    let proxy = Proxy::before(port).await;
    let through = url.replace(&format!(":{port}/"), &format!(":{}/", proxy.port));
    let store = PostgresStore::open(&through, impatient(), Arc::new(Ids::default()));
    let store = Arc::new(store.await.unwrap());
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    proxy.set(Traffic::Cut);
    let page = listing(OrderBy::CreatedAt, Order::Ascending, 5);
    let mut sink = Collected::default();
    let refused = store.list_profiles(&scope, &page, at(1), &mut sink).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    let id = scope.organization_id();
    let refused = store.go_on_removing(proof(), id, at(1), 10).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    proxy.set(Traffic::Passing);
    store.ping().await.unwrap();
    world.create(&scope, at(1), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_call_leaves_its_connection_fit_for_the_next() {
    let url = migrated_database().await;
    let one = PostgresSettings {
        pool_size: 2,
        ..impatient()
    };
    let store = PostgresStore::open(&url, one, Arc::new(Ids::default()));
    let store = Arc::new(store.await.unwrap());
    let world = World::new(store.clone(), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), Some("A")).await;
    for micros in (0..3_000).step_by(60) {
        // However far it got, a call that nobody waits for any more must not lend its transaction.
        let limit = Duration::from_micros(micros);
        let insert = world.create(&scope, at(2), None);
        let _ = tokio::time::timeout(limit, insert).await;
        let leave: rollcall_store::Decide = Box::new(|profile| {
            let patch = ProfilePatch {
                name: Some(Name::parse("B").unwrap()),
                ..ProfilePatch::default()
            };
            profile.update(&patch, at(3))
        });
        let change = world.change(&scope, &id, at(3), leave);
        let _ = tokio::time::timeout(limit, change).await;
        store.ping().await.unwrap();
    }
    world.create(&scope, at(4), None).await;
    let report = store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    let idle = "SELECT count(*) FROM pg_stat_activity \
        WHERE state = 'idle in transaction' AND datname = current_database()";
    assert_eq!(server::ask(&url, idle).await, "0");
}

#[tokio::test]
async fn a_table_that_is_counted_for_a_transfer_may_take_longer_than_other_statements() {
    let url = migrated_database().await;
    let settings = PostgresSettings {
        statement_timeout: Duration::from_secs(1),
        ..PostgresSettings::default()
    };
    let store = PostgresStore::open(&url, settings, Arc::default());
    let store = Arc::new(store.await.unwrap());
    let client = server::client(&url).await.unwrap();
    let locking = "BEGIN; LOCK TABLE workspaces IN ACCESS EXCLUSIVE MODE";
    client.batch_execute(locking).await.unwrap();
    let counting = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.count(proof(), "workspaces").await })
    };
    let for_long = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                    AND datname = current_database() AND now() - query_start > interval '3 s'";
    server::wait_for(&url, for_long, "1").await;
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(counting.await.unwrap().unwrap(), 0);
}
