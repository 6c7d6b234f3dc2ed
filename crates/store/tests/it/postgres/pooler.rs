//! Through `PgBouncer` in transaction mode: every statement may meet another server connection.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rollcall_domain::id::Ids;
use rollcall_domain::page::{Order, OrderBy};
use rollcall_domain::profile::ProfilePatch;
use rollcall_domain::text::Name;
use rollcall_scratch_postgres::{self as server, Server};
use rollcall_store::{Changed, Check};

use super::{migrated_database, open_at};
use crate::world::{World, at, listing, proof};

struct Pooler {
    child: Child,
    port: u16,
    _place: tempfile::TempDir,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn pooler_before(url: &str) -> Pooler {
    let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
        .into_iter()
        .map(std::path::Path::new)
        .find(|program| program.exists())
        .unwrap_or_else(|| panic!("this test needs PgBouncer: apt-get install pgbouncer"));
    let place = tempfile::TempDir::with_prefix("rollcall-pgbouncer-").unwrap();
    server::directory(place.path());
    let port = server::free_port();
    let (database, target) = (server::database_of(url), server::port_of(url));
    let settings = place.path().join("pgbouncer.ini");
    let text = format!(
        "[databases]\n{database} = host=127.0.0.1 port={target} user=rollcall\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\n\
         pool_mode = transaction\ndefault_pool_size = 3\nunix_socket_dir =\n"
    );
    std::fs::write(&settings, text).unwrap();
    server::run(Command::new("chmod").arg("644").arg(&settings));
    let child = server::unprivileged(program)
        .arg(&settings)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pooler = Pooler {
        child,
        port,
        _place: place,
    };
    let through = server::url(port, database);
    let started = std::time::Instant::now();
    while server::client(&through).await.is_err() {
        assert!(
            started.elapsed().as_secs() < 20,
            "the pooler does not come up"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    pooler
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_changes_nothing() {
    let url = migrated_database().await;
    let pooler = pooler_before(&url).await;
    let through = server::url(pooler.port, server::database_of(&url));
    let world = Arc::new(World::new(
        Arc::new(open_at(&through).await),
        Arc::new(Ids::default()),
    ));
    let scope = world.organization("org").await;
    // More tasks than the pooler has server connections, reads and writes mixed.
    let tasks: Vec<_> = (0..12)
        .map(|task| {
            let (world, scope) = (Arc::clone(&world), scope.clone());
            tokio::spawn(async move {
                for round in 0..10 {
                    let id = world.create(&scope, at(round), Some("A")).await;
                    let name = Name::parse(&format!("task {task}")).unwrap();
                    let decide: rollcall_store::Decide = Box::new(move |profile| {
                        let patch = ProfilePatch {
                            name: Some(name.clone()),
                            ..ProfilePatch::default()
                        };
                        profile.update(&patch, at(50))
                    });
                    let changed = world.change(&scope, &id, at(50), decide).await;
                    assert!(matches!(changed, Changed::Done(_)));
                    let page = listing(OrderBy::Name, Order::Descending, 7);
                    world.page(&scope, &page, at(60)).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let page = listing(OrderBy::CreatedAt, Order::Ascending, 50);
    assert_eq!(world.walk_ids(&scope, page, at(60)).await.len(), 120);
    let beside = open_at(&url).await;
    let report = beside.check(proof(), &|_| {}).await.unwrap();
    assert_eq!((report.profiles, report.problems), (120, vec![]));
}

/// How often a prepared statement was used: the server says so of each that it runs.
fn named_uses(server: &Server) -> usize {
    let log = std::fs::read_to_string(server.data().with_extension("log")).unwrap();
    let named = |line: &str| {
        let (_, name) = line.split_once("execute s")?;
        name.starts_with(|first: char| first.is_ascii_digit())
            .then_some(())
    };
    log.lines().filter_map(named).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_prepared_in_sessions_of_our_own_and_never_behind_a_pooler() {
    let server = Server::start(&["log_statement=all"]).await;
    let url = server.url("postgres");
    let pooler = pooler_before(&url).await;
    let through = server::url(pooler.port, "postgres");
    let never = format!("{url}&prepare_statements=never");
    let places = [
        ("one", &url, true),
        ("two", &through, false),
        ("three", &url, true),
        ("four", &never, false),
    ];
    for (name, url, prepares) in places {
        let before = named_uses(&server);
        let store = Arc::new(open_at(url).await);
        let world = World::new(store.clone(), Arc::new(Ids::default()));
        let scope = world.organization(name).await;
        let id = world.create(&scope, at(1), None).await;
        let usual = listing(OrderBy::CreatedAt, Order::Ascending, 20);
        assert_eq!(world.walk_ids(&scope, usual, at(2)).await, [id.as_str()]);
        assert_eq!(named_uses(&server) > before, prepares, "{url}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_statement_that_a_migration_has_changed_is_prepared_again() {
    let url = migrated_database().await;
    let world = World::new(Arc::new(open_at(&url).await), Arc::new(Ids::default()));
    let scope = world.organization("org").await;
    let id = world.create(&scope, at(1), None).await;
    let usual = || listing(OrderBy::CreatedAt, Order::Ascending, 20);
    let kept = world.walk_ids(&scope, usual(), at(2)).await;
    let change = "ALTER TABLE profiles ALTER COLUMN document TYPE VARCHAR";
    server::execute(&url, &[change]).await;
    assert_eq!(world.walk_ids(&scope, usual(), at(2)).await, kept);
    assert_eq!(kept, [id.as_str()]);
}
