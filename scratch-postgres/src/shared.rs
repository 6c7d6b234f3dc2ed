//! The server that all tests of a build share, and databases on it.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::machine::{directory, free_port};
use crate::server::{initdb, postgres, wait_until_ready};
use crate::{ask, client, execute, url};

/// The URL of a new, empty database on the shared server.
pub async fn fresh_database() -> String {
    let port = shared().await;
    let name = new_name();
    let create = format!("CREATE DATABASE {name}");
    execute(&url(port, "postgres"), &[&create]).await;
    url(port, &name)
}

/// The URL of a new database on the shared server that is like the one which `prepare` makes of an
/// empty one: a schema is migrated once for a build, and copied for each test.
pub async fn database_like<F: Future<Output = ()>>(prepare: impl FnOnce(String) -> F) -> String {
    let port = shared().await;
    let template = template(port, prepare).await;
    let name = new_name();
    execute(&url(port, "postgres"), &[&copy(&name, template)]).await;
    url(port, &name)
}

/// The URL of a database like that of [`database_like`], which has nothing in it but may have been used.
///
/// Copying a database takes the time of many tests. So a few are kept: a process has one of them to
/// itself for as long as it lives, and empties it before. Only for tests that leave the schema alone.
pub async fn emptied_database<F: Future<Output = ()>>(prepare: impl FnOnce(String) -> F) -> String {
    /// Those of this process.
    static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let port = shared().await;
    let template = template(port, prepare).await;
    let (number, lock) = (0..)
        .find_map(|number| {
            let file = lock_file(&format!("database-{number}"));
            file.try_lock().is_ok().then_some((number, file))
        })
        .unwrap();
    TAKEN.lock().unwrap().push(lock);
    let name = format!("{template}_{number}");
    let postgres = url(port, "postgres");
    let exists = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
    if ask(&postgres, &exists).await.is_empty() {
        execute(&postgres, &[&copy(&name, template)]).await;
    } else {
        empty(&url(port, &name)).await;
    }
    url(port, &name)
}

fn copy(name: &str, template: &str) -> String {
    // Through the log: copying the files waits for two checkpoints.
    format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
}

/// Removes every row but the list of migrations, once whoever was killed before has let go.
async fn empty(database: &str) {
    let others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    ask(database, others).await;
    let tables = "SELECT coalesce(string_agg(format('DELETE FROM %I', tablename), '; '), '') \
        FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'rollcall_migrations'";
    let delete = ask(database, tables).await;
    execute(database, &[&delete]).await;
}

fn new_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("test_{}_{number}", std::process::id())
}

/// A database with the schema, made by whichever process comes first.
async fn template<F: Future<Output = ()>>(
    port: u16,
    prepare: impl FnOnce(String) -> F,
) -> &'static str {
    static NAME: OnceCell<String> = OnceCell::const_new();
    NAME.get_or_init(|| async move {
        // Named for this build, whose schema it has.
        let build = std::env::current_exe().and_then(std::fs::metadata).unwrap();
        let name = format!("template_{}_{}", build.ino(), build.mtime());
        let _lock = lock("template");
        let postgres = url(port, "postgres");
        let question = format!("SELECT 1 FROM pg_database WHERE datname = '{name}_done'");
        if ask(&postgres, &question).await.is_empty() {
            execute(
                &postgres,
                &[
                    &format!("DROP DATABASE IF EXISTS {name}"),
                    &format!("CREATE DATABASE {name}"),
                ],
            )
            .await;
            prepare(url(port, &name)).await;
            // Connections end a moment after they are closed, and a template must have none.
            let rename = format!("ALTER DATABASE {name} RENAME TO {name}_done");
            let client = client(&postgres).await.unwrap();
            while client.batch_execute(&rename).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        format!("{name}_done")
    })
    .await
}

/// A lock that all test processes of this build share.
fn lock(name: &str) -> File {
    let file = lock_file(name);
    file.lock().unwrap();
    file
}

/// Beside the program: whatever was built together shares a server.
fn lock_path(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let beside = program.parent().unwrap_or(Path::new("/tmp"));
    beside.join(format!("rollcall-postgres.{name}"))
}

fn lock_file(name: &str) -> File {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock_path(name))
        .unwrap()
}

/// The port of the server that all tests share.
async fn shared() -> u16 {
    static PORT: OnceCell<u16> = OnceCell::const_new();
    *PORT.get_or_init(start_or_find).await
}

async fn start_or_find() -> u16 {
    // Held for as long as the process lives: the watcher leaves the server alone meanwhile.
    static USING: OnceLock<File> = OnceLock::new();
    let _starting = lock("start");
    let using = lock_file("users");
    using.lock_shared().unwrap();
    USING.get_or_init(|| using);
    let port_file = lock_path("port");
    if let Some(port) = std::fs::read_to_string(&port_file)
        .ok()
        .and_then(|port| port.trim().parse().ok())
        && client(&url(port, "postgres")).await.is_ok()
    {
        return port;
    }
    let unique = format!("rollcall-postgres-{}", std::process::id());
    let place = std::env::temp_dir().join(unique);
    directory(&place);
    let (data, port) = (place.join("data"), free_port());
    initdb(&data, &[]);
    leave_running(&postgres(&data, port, &[]));
    leave_running(&watcher(&place, &data, &port_file));
    wait_until_ready(port).await;
    std::fs::write(&port_file, port.to_string()).unwrap();
    port
}

/// Starts a command in a session of its own, so that what ends a test does not end it.
fn leave_running(command: &Command) {
    let mut detached = Command::new("setsid");
    detached.arg("--fork");
    detached.arg(command.get_program()).args(command.get_args());
    detached.current_dir("/");
    detached
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    assert!(detached.status().unwrap().success());
}

/// Ends and removes the shared server once nobody has used it for five seconds.
fn watcher(place: &Path, data: &Path, port_file: &Path) -> Command {
    let script = r#"
        idle=0
        while sleep 1; do
          if flock -n -x "$1" true; then idle=$((idle + 1)); else idle=0; fi
          if [ "$idle" -ge 5 ]; then
            exec 9>"$2"; flock -x 9
            if flock -n -x "$1" true; then
              kill -QUIT "$(head -n 1 "$4/postmaster.pid")"
              rm -f "$5"; sleep 1; rm -rf "$3"
              exit
            fi
            flock -u 9; idle=0
          fi
        done"#;
    let mut sh = Command::new("sh");
    sh.args(["-c", script, "watcher"]);
    sh.arg(lock_path("users")).arg(lock_path("start"));
    sh.arg(place).arg(data).arg(port_file);
    sh
}
