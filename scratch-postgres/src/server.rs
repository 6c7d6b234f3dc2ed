//! A server alone, and how servers are started.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::machine::{binaries, directory, free_port, run, unprivileged};
use crate::{client, url};

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

pub(crate) fn initdb(data: &Path, extra: &[&str]) {
    let mut initdb = unprivileged(&binaries().join("initdb"));
    initdb.args(["--username=rollcall", "--encoding=UTF8", "--locale=C"]);
    if extra.is_empty() {
        initdb.arg("--auth=trust");
    }
    run(initdb.args(extra).arg("--pgdata").arg(data));
}

pub(crate) fn postgres(data: &Path, port: u16, settings: &[&str]) -> Command {
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

pub(crate) async fn wait_until_ready(port: u16) {
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

/// A server of somebody's own; it ends with this value.
#[derive(Debug)]
pub struct Server {
    place: TempDir,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// A new server, started with these settings.
    pub async fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, &[]).await
    }

    /// A new server whose cluster was made with these options of `initdb`.
    pub async fn start_with(settings: &[&str], initdb_options: &[&str]) -> Self {
        Self::start_in(&std::env::temp_dir(), settings, initdb_options).await
    }

    /// A new server that keeps its files below this directory.
    pub async fn start_in(parent: &Path, settings: &[&str], initdb_options: &[&str]) -> Self {
        let place = TempDir::with_prefix_in("rollcall-postgres-", parent).unwrap();
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
    pub async fn standby(&self) -> Self {
        let place = TempDir::with_prefix("rollcall-postgres-").unwrap();
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

    /// The directory of the cluster.
    pub fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    /// The process id of the server, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends a signal, such as `STOP`, to all of the server's processes. One that ends meanwhile needs none.
    pub fn signal(&self, name: &str) {
        let all = self
            .process_id()
            .map(|id| format!("kill -{name} {id} && {{ pkill -{name} -P {id} || true; }}"));
        run(Command::new("sh").args(["-c", &all.unwrap()]));
    }

    /// Starts the server, again if it was killed. Right after that a new one refuses to start, because the
    /// processes of the old one have not noticed yet; so it is started until it stays.
    pub async fn go_on(&mut self) {
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
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Makes a standby a primary.
    pub fn promote(&self) {
        let mut promote = unprivileged(&binaries().join("pg_ctl"));
        run(promote.arg("promote").arg("--pgdata").arg(self.data()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
