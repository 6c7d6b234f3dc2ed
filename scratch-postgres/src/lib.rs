//! `PostgreSQL` servers that tests and benchmarks start themselves, from Debian's binaries.
//!
//! Most tests share one server, each with a database of its own ([`fresh_database`],
//! [`database_like`], [`emptied_database`]). It is started by the first process that needs it and outlives it, because each
//! test may be a process of its own; a small watcher ends and removes it once no process has used it
//! for some seconds. Who kills, reconfigures, replicates or measures has a [`Server`] alone, which ends
//! with its value.
//!
//! Servers never run as root: as root they are started as the user `postgres`. They keep `fsync` on,
//! because what is tested is that nothing is lost.
//!
//! What fails here fails with a panic: nothing that follows would mean anything.
#![warn(missing_docs)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that has no database cannot go on"
)]

mod machine;
mod server;
mod shared;

pub use machine::{binaries, directory, free_port, run, unprivileged};
pub use server::Server;
pub use shared::{database_like, emptied_database, fresh_database};

use std::time::{Duration, Instant};

use tokio_postgres::SimpleQueryMessage;

/// Whether the tests that know no engine shall run on `PostgreSQL`: `ROLLCALL_TEST_STORE=postgres`.
pub fn is_chosen() -> bool {
    match std::env::var("ROLLCALL_TEST_STORE").as_deref() {
        Err(_) | Ok("" | "sqlite") => false,
        Ok("postgres") => true,
        Ok(other) => panic!("ROLLCALL_TEST_STORE is {other:?}; it can be sqlite or postgres"),
    }
}

/// Waits for `work` where nothing else is asynchronous, or where the test's own runtime must not know.
pub fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let on_its_own = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(work)
    };
    let done = std::thread::scope(|scope| scope.spawn(on_its_own).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs statements one by one, each by itself.
pub async fn execute(url: &str, statements: &[&str]) {
    let client = client(url).await.unwrap();
    for statement in statements {
        client.batch_execute(statement).await.unwrap();
    }
}

/// The first column of the first row, as text; empty when there is none.
pub async fn ask(url: &str, question: &str) -> String {
    let client = client(url).await.unwrap();
    let rows = client.simple_query(question).await.unwrap();
    rows.iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .unwrap_or_default()
}

/// Waits until the answer to `question` is `wanted`.
pub async fn wait_for(url: &str, question: &str, wanted: &str) {
    let started = Instant::now();
    loop {
        let answer = ask(url, question).await;
        if answer == wanted {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{question}: {answer}, and never {wanted}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A plain connection, past everything that is tested.
pub async fn client(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The URL of a database on a port of this machine.
pub fn url(port: u16, database: &str) -> String {
    format!("postgres://rollcall@127.0.0.1:{port}/{database}?sslmode=disable")
}

/// The port in a URL of this machine.
pub fn port_of(url: &str) -> u16 {
    let (_, rest) = url.split_once("127.0.0.1:").unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// The database in a URL.
pub fn database_of(url: &str) -> &str {
    let (_, path) = url.rsplit_once('/').unwrap();
    path.split('?').next().unwrap()
}
