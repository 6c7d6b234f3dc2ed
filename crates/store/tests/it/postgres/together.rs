//! Creates that share a transaction: one that fails, fails alone; what became of a lost commit is known of none of
//! them; and nobody waits for a turn without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rollcall_domain::id::{Ids, OrganizationId, ProfileId};
use rollcall_domain::page::{Order, OrderBy};
use rollcall_domain::profile::{Profile, ProfileDraft};
use rollcall_domain::tenant::OrganizationScope;
use rollcall_scratch_postgres as server;
use rollcall_store::postgres::{Fault, Faults, PostgresSettings, PostgresStore};
use rollcall_store::{Check as _, Profiles as _, Store, StoreError, Stored};
use tokio::task::JoinHandle;

use super::migrated_database;
use super::proxy::{Proxy, Traffic};
use crate::world::{World, act_at, at, listing, proof};

/// How many transactions of creates are under way at once.
const TURNS: usize = 2;

/// A storage whose turns are taken by creates that wait for a lock, so that others queue.
struct Crowd {
    url: String,
    store: Arc<PostgresStore>,
    world: World,
    scope: OrganizationScope,
    locking: Option<tokio_postgres::Client>,
    first: Vec<(ProfileId, JoinHandle<Stored<ProfileId>>)>,
}

fn patient() -> PostgresSettings {
    PostgresSettings {
        connect_timeout: Duration::from_mins(1),
        statement_timeout: Duration::from_mins(1),
        ..PostgresSettings::default()
    }
}

impl Crowd {
    async fn gather(url: String, store: PostgresStore) -> Self {
        let store = Arc::new(store);
        let world = World::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::new(Ids::default()),
        );
        let scope = world.organization("org").await;
        let locking = server::client(&url).await.unwrap();
        let lock = "BEGIN; LOCK TABLE profile_ids IN EXCLUSIVE MODE";
        locking.batch_execute(lock).await.unwrap();
        let mut crowd = Self {
            url,
            store,
            world,
            scope,
            locking: Some(locking),
            first: Vec::new(),
        };
        let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                       WHERE NOT l.granted AND d.datname = current_database()";
        for turn in 1..=TURNS {
            let id = crowd.id();
            let create = crowd.create(&crowd.scope, id.clone());
            crowd.first.push((id, create));
            // Before the next comes, which would else share the turn of this one.
            server::wait_for(&crowd.url, waiting, &turn.to_string()).await;
        }
        crowd
    }

    fn id(&self) -> ProfileId {
        self.world.ids.profile(at(1))
    }

    fn create(&self, scope: &OrganizationScope, id: ProfileId) -> JoinHandle<Stored<ProfileId>> {
        let (store, scope) = (Arc::clone(&self.store), scope.clone());
        tokio::spawn(async move {
            let decided = Profile::create(id.clone(), ProfileDraft::default(), at(1));
            let created = store.insert_profile(&scope, &act_at(at(1)), decided).await;
            created.map(|_| id)
        })
    }

    /// Waits until so many creates wait for a turn.
    async fn wait_for_queue(&self, length: u64) {
        for _ in 0..6_000 {
            if self.store.write_figures().queued == length {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}, not {length}", self.store.write_figures());
    }

    /// Lets everything go on; the creates that had the turns.
    async fn unlock(&mut self) -> Vec<(ProfileId, Stored<ProfileId>)> {
        let locking = self.locking.take().unwrap();
        locking.batch_execute("ROLLBACK").await.unwrap();
        let mut first = Vec::new();
        for (id, create) in self.first.drain(..) {
            first.push((id, create.await.unwrap()));
        }
        first
    }

    /// The same, where nothing keeps those from being stored.
    async fn unlock_all(&mut self) -> Vec<ProfileId> {
        let first = self.unlock().await;
        first
            .into_iter()
            .map(|(_, stored)| stored.unwrap())
            .collect()
    }
}

async fn stored(world: &World, scope: &OrganizationScope) -> Vec<String> {
    let pages = listing(OrderBy::CreatedAt, Order::Ascending, 100);
    let mut ids = world.walk_ids(scope, pages, at(9)).await;
    ids.sort();
    ids
}

fn sorted(ids: impl IntoIterator<Item = ProfileId>) -> Vec<String> {
    let mut ids: Vec<_> = ids.into_iter().map(|id| id.as_str().to_owned()).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_creates_that_share_a_transaction_those_that_fail_fail_alone() {
    let url = migrated_database().await;
    let ids = Arc::new(Ids::default());
    let store = PostgresStore::open(&url, patient(), ids).await.unwrap();
    let there = World::new(
        Arc::new(super::open_at(&url).await),
        Arc::new(Ids::default()),
    );
    let other = there.organization("other").await;
    let taken = there.create(&other, at(1), None).await;
    let mut crowd = Crowd::gather(url, store).await;
    let nobodys = proof().choose(OrganizationId::parse("nobody").unwrap());
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for number in 0..12 {
        match number {
            3 => bad.push(crowd.create(&nobodys, crowd.id())),
            7 => bad.push(crowd.create(&crowd.scope, taken.clone())),
            _ => good.push(crowd.create(&crowd.scope, crowd.id())),
        }
        crowd.wait_for_queue(number + 1).await;
    }
    let mut created = crowd.unlock_all().await;
    let outcomes = [bad.remove(0).await.unwrap(), bad.remove(0).await.unwrap()];
    assert_eq!(
        outcomes[0],
        Err(StoreError::Unavailable(
            "the organization was removed".into()
        ))
    );
    assert!(
        matches!(outcomes[1], Err(StoreError::Failed(_))),
        "{outcomes:?}"
    );
    for create in good {
        created.push(create.await.unwrap().unwrap());
    }
    assert_eq!(stored(&crowd.world, &crowd.scope).await, sorted(created));
    assert_eq!(stored(&there, &other).await, sorted([taken]));
    let report = crowd.store.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creates_that_wait_are_one_transaction() {
    let url = migrated_database().await;
    let ids = Arc::new(Ids::default());
    let store = PostgresStore::open(&url, patient(), ids).await.unwrap();
    let mut crowd = Crowd::gather(url, store).await;
    let before = crowd.store.write_figures();
    let waiting: Vec<_> = (0..20)
        .map(|_| crowd.create(&crowd.scope, crowd.id()))
        .collect();
    // One whom nobody waits for any more is not stored.
    let gone = crowd.create(&crowd.scope, crowd.id());
    crowd.wait_for_queue(21).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let mut created = crowd.unlock_all().await;
    for create in waiting {
        created.push(create.await.unwrap().unwrap());
    }
    let after = crowd.store.write_figures();
    assert_eq!(after.commits - before.commits, 3, "{after:?}");
    assert_eq!(after.committed - before.committed, 22, "{after:?}");
    assert_eq!(after.batches[5], 1, "17 to 32 in one: {after:?}");
    assert_eq!(stored(&crowd.world, &crowd.scope).await, sorted(created));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_gets_no_turn_in_time_is_refused_and_not_stored() {
    let url = migrated_database().await;
    let settings = PostgresSettings {
        connect_timeout: Duration::from_secs(5),
        ..patient()
    };
    let ids = Arc::new(Ids::default());
    let store = PostgresStore::open(&url, settings, ids).await.unwrap();
    let mut crowd = Crowd::gather(url, store).await;
    let late = crowd.create(&crowd.scope, crowd.id());
    let refused = late.await.unwrap();
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    let created = crowd.unlock_all().await;
    assert_eq!(stored(&crowd.world, &crowd.scope).await, sorted(created));
}

/// Loses the first commit once it is armed, and with the next attempt the way to the database.
#[derive(Debug)]
struct LosesOne {
    armed: AtomicBool,
    fault: Fault,
    proxy: Arc<Proxy>,
}

impl Faults for LosesOne {
    fn at_commit(&self, name: &'static str, attempt: u32) -> Option<Fault> {
        if name != "insert_profile" || !self.armed.load(Ordering::Relaxed) {
            return None;
        }
        if attempt == 1 {
            return Some(self.fault);
        }
        self.proxy.set(Traffic::Cut);
        None
    }
}

/// What is stored of creates that shared a commit whose outcome nobody could learn.
async fn after_a_lost_commit(fault: Fault) -> (Vec<String>, Vec<String>) {
    let url = migrated_database().await;
    let port = server::port_of(&url);
    let proxy = Arc::new(Proxy::before(port).await);
    let through = url.replace(&format!(":{port}/"), &format!(":{}/", proxy.port));
    let settings = PostgresSettings {
        connect_timeout: Duration::from_mins(1),
        statement_timeout: Duration::from_secs(15),
        ..PostgresSettings::default()
    };
    let loses = Arc::new(LosesOne {
        armed: AtomicBool::new(false),
        fault,
        proxy: Arc::clone(&proxy),
    });
    let store = PostgresStore::open(&through, settings, Arc::new(Ids::default())).await;
    let faults = Arc::clone(&loses) as Arc<dyn Faults>;
    let mut crowd = Crowd::gather(url.clone(), store.unwrap().with_faults(faults)).await;
    let mut sent = Vec::new();
    let creates: Vec<_> = (0..6)
        .map(|_| {
            let id = crowd.id();
            sent.push(id.clone());
            crowd.create(&crowd.scope, id)
        })
        .collect();
    crowd.wait_for_queue(6).await;
    loses.armed.store(true, Ordering::Relaxed);
    // One that had a turn may be cut off as well, before its answer came.
    let first = crowd.unlock().await;
    let first = sorted(first.into_iter().map(|(id, _)| id));
    for create in creates {
        let outcome = create.await.unwrap();
        assert!(
            matches!(outcome, Err(StoreError::OutcomeUnknown(_))),
            "{outcome:?}"
        );
    }
    // Past the proxy.
    let beside = super::open_at(&url).await;
    let report = beside.check(proof(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    let world = World::new(Arc::new(beside), Arc::new(Ids::default()));
    let mut found = stored(&world, &crowd.scope).await;
    found.retain(|id| !first.contains(id));
    (found, sorted(sent))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_a_commit_that_was_lost_are_told_that_nobody_knows_and_all_are_there() {
    let (found, sent) = after_a_lost_commit(Fault::AnswerLost).await;
    assert_eq!(found, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_a_commit_that_never_arrived_are_told_that_nobody_knows_and_none_is_there() {
    let (found, _) = after_a_lost_commit(Fault::RequestLost).await;
    assert_eq!(found, Vec::<String>::new());
}
