//! The schema is brought up to date by one node at a time, and any of them may be killed while it does.

use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rollcall_scratch_postgres as scratch;

use crate::cluster::eventually;
use crate::support::program::rollcall;

const INDEXING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
    AND query LIKE '%CREATE INDEX%' AND state = 'active' AND pid <> pg_backend_pid()";

const LAST: &str = "SELECT max(number) FROM rollcall_migrations";

/// A database whose last migrations are missing, and cannot go on until [`Behind::release`].
struct Behind {
    url: String,
    /// The number of the last migration.
    last: String,
    /// Ends what holds the table, when dropped.
    held: Option<mpsc::Sender<()>>,
}

impl Behind {
    fn new() -> Self {
        let url = scratch::wait(scratch::fresh_database());
        scratch::run(&mut rollcall(&["migrate", "--database-url", &url]));
        let last = scratch::wait(scratch::ask(&url, LAST));
        let undo = [
            "DELETE FROM rollcall_migrations WHERE number >= 5",
            "DROP INDEX enrollment_urls_by_profile",
            "DELETE FROM rollcall_leases",
        ];
        scratch::wait(scratch::execute(&url, &undo));
        let (held, released) = mpsc::channel::<()>();
        let (tell, holds) = mpsc::channel();
        let lock = "BEGIN; LOCK TABLE enrollment_urls IN ACCESS EXCLUSIVE MODE";
        let at = url.clone();
        std::thread::spawn(move || {
            scratch::wait(async move {
                let client = scratch::client(&at).await.unwrap();
                client.batch_execute(lock).await.unwrap();
                tell.send(()).unwrap();
                // Nothing is ever sent: this waits for the other end to be dropped.
                let _ = released.recv();
            });
        });
        holds.recv().unwrap();
        Self {
            url,
            last,
            held: Some(held),
        }
    }

    /// A node that begins to migrate.
    fn migrate(&self) -> Child {
        migrate(&self.url)
    }

    fn ask(&self, question: &str) -> String {
        scratch::wait(scratch::ask(&self.url, question))
    }

    fn release(&mut self) {
        self.held = None;
    }
}

fn migrate(url: &str) -> Child {
    let mut command = rollcall(&["migrate", "--database-url", url]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn succeeds(node: Child) {
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_node_killed_while_it_migrates_keeps_no_other_from_starting() {
    let mut database = Behind::new();
    let mut killed = database.migrate();
    eventually("the migration is under way", || {
        database.ask(INDEXING) == "1"
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    let began = Instant::now();
    let next = database.migrate();
    // What the dead node has begun is still under way when the next one gets its turn.
    eventually("the next node has its turn", || {
        database.ask("SELECT fence FROM rollcall_leases WHERE name = 'migrations'") == "2"
    });
    database.release();
    succeeds(next);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(database.ask(LAST), database.last);
    scratch::run(&mut rollcall(&["check", "--database-url", &database.url]));
}

#[test]
fn a_migration_that_outlasts_its_lease_is_not_begun_by_another_node() {
    let mut database = Behind::new();
    let one = database.migrate();
    eventually("the migration is under way", || {
        database.ask(INDEXING) == "1"
    });
    let ends = "SELECT expires_at FROM rollcall_leases WHERE name = 'migrations'";
    let first: i64 = database.ask(ends).parse().unwrap();
    let two = database.migrate();
    eventually("the lease is kept beyond its first end", || {
        database.ask(ends).parse::<i64>().unwrap() > first + 6_000_000
    });
    assert_eq!(database.ask(INDEXING), "1", "one node alone migrates");
    database.release();
    succeeds(one);
    succeeds(two);
}

#[test]
fn nodes_killed_at_any_moment_of_making_the_schema_leave_it_to_the_next() {
    for delay in [15, 40, 80] {
        let url = scratch::wait(scratch::fresh_database());
        for kill in 0..2 {
            let mut node = migrate(&url);
            std::thread::sleep(Duration::from_millis(delay + 20 * kill));
            // It may have come to its end.
            let _ = node.kill();
            node.wait().unwrap();
        }
        succeeds(migrate(&url));
        scratch::run(&mut rollcall(&["check", "--database-url", &url]));
    }
}
