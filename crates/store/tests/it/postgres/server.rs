//! `PostgreSQL` servers that the tests start themselves, from Debian's binaries.
//!
//! Most tests share one server, each with a database of its own. It is started by the first test process
//! that needs it and outlives it, because each test may be a process of its own; a small watcher ends
//! and removes it once no process has used it for some seconds. Tests that kill, reconfigure or
//! replicate have servers to themselves, which end with the test.
//!
//! Servers never run as root: as root they are started as the user `postgres`.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

/// Where Debian and others keep the server's binaries, newest first.
const PLACES: [&str; 7] = [
    "/usr/lib/postgresql/18/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
    "/usr/pgsql-15/bin",
    "/opt/homebrew/bin",
    "/usr/local/bin",
];

/// The directory of the server's binaries.
pub(crate) fn binaries() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let given = std::env::var_os("ROLLCALL_TEST_POSTGRES_BIN").map(PathBuf::from);
        let known = PLACES.iter().map(PathBuf::from);
        given
            .into_iter()
            .chain(known)
            .find(|place| place.join("initdb").exists() && place.join("postgres").exists())
            .unwrap_or_else(|| {
                panic!(
                    "these tests need PostgreSQL's server binaries: apt-get install postgresql \
                     pgbouncer, or set ROLLCALL_TEST_POSTGRES_BIN to their directory"
                )
            })
    })
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A command that runs as somebody who is not root.
pub(crate) fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command.arg(program);
    command
}

/// Runs a command to its end; what it says is shown when it fails.
pub(crate) fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// An empty directory that the server's user owns.
pub(crate) fn directory(path: &Path) {
    std::fs::create_dir_all(path).unwrap();
    if is_root() {
        run(Command::new("chown").arg("postgres:").arg(path));
    }
    run(Command::new("chmod").arg("700").arg(path));
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What servers are started with beside what a test adds.
const SETTINGS: [&str; 7] = [
    "fsync=on",
    "listen_addresses=127.0.0.1",
    "max_connections=200",
    "shared_buffers=64MB",
    "max_wal_size=256MB",
    "log_min_messages=warning",
    "timezone=UTC",
];

fn initdb(data: &Path, extra: &[&str]) {
    let mut initdb = unprivileged(&binaries().join("initdb"));
    initdb.args(["--username=rollcall", "--encoding=UTF8", "--locale=C"]);
    if extra.is_empty() {
        initdb.arg("--auth=trust");
    }
    run(initdb.args(extra).arg("--pgdata").arg(data));
}

fn postgres(data: &Path, port: u16, settings: &[&str]) -> Command {
    let mut postgres = unprivileged(&binaries().join("postgres"));
    postgres.arg("-D").arg(data).arg("-p").arg(port.to_string());
    for setting in SETTINGS.iter().chain(settings) {
        postgres.args(["-c", setting]);
    }
    postgres.arg("-c");
    postgres.arg(format!("unix_socket_directories={}", data.display()));
    let log = File::options()
        .create(true)
        .append(true)
        .open(data.with_extension("log"))
        .unwrap();
    postgres.stdin(Stdio::null());
    postgres.stdout(log.try_clone().unwrap()).stderr(log);
    postgres
}

/// Runs statements one by one, each by itself.
pub(crate) async fn execute(url: &str, statements: &[&str]) {
    let client = client(url).await.unwrap();
    for statement in statements {
        client.batch_execute(statement).await.unwrap();
    }
}

/// The first column of the first row, as text.
pub(crate) async fn ask(url: &str, question: &str) -> String {
    let client = client(url).await.unwrap();
    let rows = client.simple_query(question).await.unwrap();
    rows.iter()
        .find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .unwrap_or_default()
}

/// A plain connection, past everything that is tested.
pub(crate) async fn client(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn wait_until_ready(port: u16) {
    let url = url(port, "postgres");
    let started = Instant::now();
    while let Err(error) = client(&url).await {
        if is_asking(&error) {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "the server does not come up: {error:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a server is there and asks for a password.
fn is_asking(error: &tokio_postgres::Error) -> bool {
    let code = error.code().map(tokio_postgres::error::SqlState::code);
    code.is_some_and(|code| code.starts_with("28")) || error.to_string().contains("config")
}

/// The URL of a database on a port of this machine.
pub(crate) fn url(port: u16, database: &str) -> String {
    format!("postgres://rollcall@127.0.0.1:{port}/{database}?sslmode=disable")
}

/// The URL of a new, empty database on the shared server.
pub(crate) async fn fresh_database() -> String {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let port = shared().await;
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("test_{}_{number}", std::process::id());
    let create = format!("CREATE DATABASE {name}");
    execute(&url(port, "postgres"), &[&create]).await;
    url(port, &name)
}

/// The URL of a new database on the shared server that has the schema already.
pub(crate) async fn migrated_database() -> String {
    let port = shared().await;
    let template = template(port).await;
    let url = fresh_database().await;
    let name = database_of(&url);
    let drop = format!("DROP DATABASE {name}");
    let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
    execute(&self::url(port, "postgres"), &[&drop, &create]).await;
    url
}

pub(crate) fn port_of(url: &str) -> u16 {
    let (_, rest) = url.split_once("127.0.0.1:").unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

pub(crate) fn database_of(url: &str) -> &str {
    let (_, path) = url.rsplit_once('/').unwrap();
    path.split('?').next().unwrap()
}

/// A database with the schema, made by whichever process comes first.
async fn template(port: u16) -> &'static str {
    static NAME: OnceCell<String> = OnceCell::const_new();
    NAME.get_or_init(|| async move {
        // Named for this build, whose schema it has.
        let build = std::env::current_exe().and_then(std::fs::metadata).unwrap();
        let name = format!("template_{}", build.mtime());
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
            let store = super::open_at(&url(port, &name)).await;
            rollcall_store::Check::close(&store).await;
            drop(store);
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

fn lock_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rollcall-postgres.{name}"))
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

/// A server of a test's own; it ends with this value.
pub(crate) struct Server {
    place: tempfile::TempDir,
    pub(crate) port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// A new server, started with these settings.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, &[]).await
    }

    /// A new server whose cluster was made with these options of `initdb`.
    pub(crate) async fn start_with(settings: &[&str], initdb_options: &[&str]) -> Self {
        let place = tempfile::TempDir::with_prefix("rollcall-postgres-").unwrap();
        directory(place.path());
        initdb(&place.path().join("data"), initdb_options);
        let mut server = Self {
            place,
            port: free_port(),
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            child: None,
        };
        server.go_on().await;
        server
    }

    /// A standby that follows this server.
    pub(crate) async fn standby(&self) -> Self {
        let place = tempfile::TempDir::with_prefix("rollcall-postgres-").unwrap();
        directory(place.path());
        let mut copy = unprivileged(&binaries().join("pg_basebackup"));
        copy.args([
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
        ]);
        copy.args(["--host=127.0.0.1", "--username=rollcall"]);
        copy.arg(format!("--port={}", self.port));
        run(copy.arg("--pgdata").arg(place.path().join("data")));
        let mut standby = Self {
            place,
            port: free_port(),
            settings: self.settings.clone(),
            child: None,
        };
        standby.go_on().await;
        standby
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    pub(crate) fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    /// Starts the server, again if it was killed. Right after that a new one refuses to start, because the
    /// processes of the old one have not noticed yet; so it is started until it stays.
    pub(crate) async fn go_on(&mut self) {
        let started = Instant::now();
        loop {
            let settings: Vec<_> = self.settings.iter().map(String::as_str).collect();
            let mut child = postgres(&self.data(), self.port, &settings)
                .spawn()
                .unwrap();
            let url = self.url("postgres");
            while child.try_wait().unwrap().is_none() {
                let ready = match client(&url).await {
                    Ok(_) => true,
                    Err(error) => is_asking(&error),
                };
                if ready {
                    self.child = Some(child);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let waited = started.elapsed();
            assert!(waited < Duration::from_mins(1), "the server does not start");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends the server as a power cut would, but for what the operating system still holds.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Makes a standby a primary.
    pub(crate) fn promote(&self) {
        let mut promote = unprivileged(&binaries().join("pg_ctl"));
        run(promote.arg("promote").arg("--pgdata").arg(self.data()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
