//! Every command line of `rollcall` that the benchmark relies on, and nothing else.
//!
//! When an option changes its name, this is the one file to follow.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::cores::Cores;
use crate::usage;

/// The server's binary.
#[derive(Debug, Clone)]
pub(crate) struct Binary {
    path: PathBuf,
    serve_arguments: Vec<String>,
}

/// What every node of a database is given: 32 bytes, as any.
const SECRET_KEY: &str = "YmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJlbmNoYmU=";

/// Where `rollcall` keeps what it is told.
#[derive(Debug, Clone)]
pub(crate) enum Storage {
    /// A data directory.
    Directory(PathBuf),
    /// The URL of a database.
    Database(String),
}

impl Storage {
    fn name_to(&self, command: &mut Command) {
        match self {
            Self::Directory(data) => command.arg("--data-dir").arg(data),
            Self::Database(url) => command
                .args(["--database-url", url])
                .env("ROLLCALL_SECRET_KEY", SECRET_KEY),
        };
    }
}

/// The operator key that a development server is told to take.
pub(crate) const OPERATOR_KEY: &str = "bench-operator-key";

/// What an import or an export took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TransferUsage {
    pub(crate) elapsed: Duration,
    pub(crate) cpu: Duration,
    pub(crate) peak_resident: u64,
}

#[derive(Debug, Deserialize)]
struct CreatedOrganization {
    id: String,
}

#[derive(Debug, Deserialize)]
struct CreatedKey {
    secret: String,
}

impl Binary {
    /// The binary at `path`, or the one that cargo puts beside this program, made up to date first.
    pub(crate) fn find(path: Option<&Path>, serve_arguments: &[String]) -> anyhow::Result<Self> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => build()?,
        };
        let path = path.canonicalize().with_context(|| {
            format!(
                "{}: no such binary; name it with --rollcall",
                path.display()
            )
        })?;
        Ok(Self {
            path,
            serve_arguments: serve_arguments.to_vec(),
        })
    }

    pub(crate) fn version(&self) -> anyhow::Result<String> {
        Ok(self.answer(&["--version"], None)?.trim().to_owned())
    }

    /// Makes an organization without a rate limit and returns its id.
    pub(crate) fn create_organization(
        &self,
        storage: &Storage,
        name: &str,
    ) -> anyhow::Result<String> {
        let created = self.answer(
            &["orgs", "create", "--name", name, "--output", "json"],
            Some(storage),
        )?;
        let organization: CreatedOrganization =
            serde_json::from_str(&created).context("reading the answer of orgs create")?;
        Ok(organization.id)
    }

    /// Makes a key of an organization and returns its secret.
    pub(crate) fn create_key(
        &self,
        storage: &Storage,
        organization: &str,
    ) -> anyhow::Result<String> {
        self.key(
            storage,
            &["--kind", "api", "--organization-id", organization],
        )
    }

    /// Makes an operator's key and returns its secret.
    pub(crate) fn create_operator_key(&self, storage: &Storage) -> anyhow::Result<String> {
        self.key(storage, &["--kind", "operator"])
    }

    fn key(&self, storage: &Storage, owner: &[&str]) -> anyhow::Result<String> {
        let mut arguments = vec!["keys", "create", "--name", "bench", "--output", "json"];
        arguments.extend_from_slice(owner);
        let created = self.answer(&arguments, Some(storage))?;
        let key: CreatedKey =
            serde_json::from_str(&created).context("reading the answer of keys create")?;
        Ok(key.secret)
    }

    /// Imports an NDJSON file on all cores, as an operator would. `progress` is told how many
    /// bytes the importer has read so far.
    pub(crate) fn import(
        &self,
        storage: &Storage,
        records: &Path,
        log: &Path,
        progress: impl Fn(u64),
    ) -> anyhow::Result<TransferUsage> {
        self.transfer("import", storage, records, log, progress)
    }

    /// Exports everything to an NDJSON file that is not there yet, on all cores.
    pub(crate) fn export(
        &self,
        storage: &Storage,
        records: &Path,
        log: &Path,
    ) -> anyhow::Result<TransferUsage> {
        self.transfer("export", storage, records, log, |_| ())
    }

    fn transfer(
        &self,
        verb: &str,
        storage: &Storage,
        records: &Path,
        log: &Path,
        progress: impl Fn(u64),
    ) -> anyhow::Result<TransferUsage> {
        let mut command = Command::new(&self.path);
        command.arg(verb).arg(records);
        storage.name_to(&mut command);
        log_to(&mut command, log)?;
        let started = Instant::now();
        let starting = || format!("starting rollcall {verb}");
        let mut child = command.spawn().with_context(starting)?;
        let pid = child.id();
        let mut peak_resident = 0;
        // An ended process keeps its CPU time until it is waited for, but not its memory.
        while let Some(memory) = usage::memory(pid) {
            peak_resident = memory.peak_resident;
            progress(usage::bytes_read(pid).unwrap_or(0));
            std::thread::sleep(Duration::from_millis(20));
        }
        let elapsed = started.elapsed();
        let cpu = usage::cpu_time(pid)?;
        let status = child.wait()?;
        if !status.success() {
            bail!("rollcall {verb} ended with {status}: {}", end_of(log));
        }
        Ok(TransferUsage {
            elapsed,
            cpu,
            peak_resident,
        })
    }

    /// Starts the production server. It is not necessarily listening yet.
    pub(crate) fn serve(
        &self,
        storage: &Storage,
        log: &Path,
        cores: Cores,
    ) -> anyhow::Result<Server> {
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(&self.path);
        command.args(["serve", "--listen", &address]);
        storage.name_to(&mut command);
        command.args(&self.serve_arguments);
        log_to(&mut command, log)?;
        Ok(Server {
            child: cores.spawn_server(&mut command)?,
            address,
            log: log.to_owned(),
        })
    }

    /// Starts a development server, which delivers webhooks to this machine. It is not necessarily
    /// listening yet.
    pub(crate) fn dev(
        &self,
        storage: &Storage,
        log: &Path,
        cores: Cores,
    ) -> anyhow::Result<Server> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(&self.path);
        command.args(["dev", "--listen", &address]);
        command.args(["--operator-key", OPERATOR_KEY]);
        storage.name_to(&mut command);
        command.args(&self.serve_arguments);
        log_to(&mut command, log)?;
        Ok(Server {
            child: cores.spawn_server(&mut command)?,
            address,
            log: log.to_owned(),
        })
    }

    fn answer(&self, arguments: &[&str], storage: Option<&Storage>) -> anyhow::Result<String> {
        let mut command = Command::new(&self.path);
        command.args(arguments);
        if let Some(storage) = storage {
            storage.name_to(&mut command);
        }
        let output = command
            .output()
            .with_context(|| format!("starting {}", self.path.display()))?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!(
                "rollcall {}: {}: {complaint}",
                arguments.join(" "),
                output.status
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// A server that is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Server {
    const DRAIN: Duration = Duration::from_secs(20);

    /// Takes over a process that listens on `address`.
    pub(crate) fn of(child: Child, address: String, log: PathBuf) -> Self {
        Self {
            child,
            address,
            log,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error with the end of the log once the process has ended by itself.
    pub(crate) fn check_running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the server ended with {status}: {}", end_of(&self.log)),
        }
    }

    /// Ends it as an operator would, and waits.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process id is positive")?, Signal::TERM)?;
        let asked = Instant::now();
        while asked.elapsed() < Self::DRAIN {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!(
            "the server did not end within {} s of SIGTERM",
            Self::DRAIN.as_secs()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stop().is_err() {
            // Already gone, or killed by `stop` itself: nothing is left to do.
            let _ = self.child.kill();
        }
    }
}

/// Under `cargo run` the cargo that started this program builds the server too.
fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let status = Command::new(cargo)
        .args([
            "build",
            "--profile",
            "dist",
            "--package",
            "rollcall",
            "--manifest-path",
        ])
        .arg(manifest)
        .status()
        .context("starting cargo to build the server; --rollcall names a binary instead")?;
    if !status.success() {
        bail!("building the server: cargo ended with {status}");
    }
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .context("this program lies in a target directory")?;
    Ok(target.join("dist/rollcall"))
}

fn log_to(command: &mut Command, log: &Path) -> anyhow::Result<()> {
    let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    Ok(())
}

fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()?
        .port())
}
