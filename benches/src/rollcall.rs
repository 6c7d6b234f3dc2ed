//! Every command line of `rollcall` that the benchmark relies on, and nothing else.
//!
//! When an option changes its name, this is the one file to follow.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cores::Cores;
use crate::{BenchArgs, usage};

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

/// What an import or an export took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TransferUsage {
    pub(crate) elapsed: Duration,
    pub(crate) cpu: Duration,
    pub(crate) peak_resident: u64,
}

impl Binary {
    /// The binary that was named, or the one that cargo puts beside this program, made up to date first.
    pub(crate) fn find(args: &BenchArgs) -> anyhow::Result<Self> {
        let path = match &args.rollcall {
            Some(path) => path.to_owned(),
            None => build()?,
        };
        Ok(Self {
            serve_arguments: args.serve_arg.clone(),
            ..Self::at(&path)?
        })
    }

    /// The binary that was named.
    pub(crate) fn at(path: &Path) -> anyhow::Result<Self> {
        let missing = || {
            format!(
                "{}: no such binary; name it with --rollcall",
                path.display()
            )
        };
        Ok(Self {
            path: path.canonicalize().with_context(missing)?,
            serve_arguments: Vec::new(),
        })
    }

    pub(crate) fn version(&self) -> anyhow::Result<String> {
        let version = self.output(Command::new(&self.path).arg("--version"))?;
        Ok(version.trim().to_owned())
    }

    /// Makes an organization without a rate limit and returns its id.
    pub(crate) fn create_organization(
        &self,
        storage: &Storage,
        name: &str,
    ) -> anyhow::Result<String> {
        self.made(storage, &["orgs", "create", "--name", name], "id")
    }

    /// Makes a key of an organization and returns its secret.
    pub(crate) fn create_key(
        &self,
        storage: &Storage,
        organization: &str,
        kind: &str,
    ) -> anyhow::Result<String> {
        let owner = ["--kind", kind, "--organization-id", organization];
        let create = ["keys", "create", "--name", "bench"];
        self.made(storage, &[&create[..], &owner].concat(), "secret")
    }

    /// Has a gateway told that everybody passes, so that every check is answered alike.
    pub(crate) fn allow_everybody(
        &self,
        storage: &Storage,
        organization: &str,
    ) -> anyhow::Result<()> {
        let set = [
            "gateway",
            "policy",
            "set",
            "--organization-id",
            organization,
        ];
        let allow = [
            ["--banned", "allow"],
            ["--account-blocked", "allow"],
            ["--account-suspended", "allow"],
        ];
        self.made(storage, &[&set[..], allow.as_flattened()].concat(), "type")?;
        Ok(())
    }

    /// Makes an operator's key and returns its secret.
    pub(crate) fn create_operator_key(&self, storage: &Storage) -> anyhow::Result<String> {
        let create = ["keys", "create", "--name", "bench", "--kind", "operator"];
        self.made(storage, &create, "secret")
    }

    /// Makes something and returns a field of it.
    fn made(&self, storage: &Storage, arguments: &[&str], field: &str) -> anyhow::Result<String> {
        let mut command = Command::new(&self.path);
        command.args(arguments).args(["--output", "json"]);
        storage.name_to(&mut command);
        let made: Value = serde_json::from_str(&self.output(&mut command)?)?;
        let text = made[field].as_str();
        Ok(text
            .with_context(|| format!("{arguments:?}: no {field}"))?
            .to_owned())
    }

    /// Imports an NDJSON file, or exports everything to one that is not there yet, on all cores, as an
    /// operator would. `progress` is told how many bytes have been read so far.
    pub(crate) fn transfer(
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
        let command = Command::new(&self.path);
        self.start(command, &["serve"], storage, log, cores)
    }

    /// The production server, run by another program that is told of it last.
    pub(crate) fn serve_under(
        &self,
        mut program: Command,
        storage: &Storage,
        log: &Path,
        cores: Cores,
    ) -> anyhow::Result<Server> {
        program.arg(&self.path);
        self.start(program, &["serve"], storage, log, cores)
    }

    fn start(
        &self,
        mut command: Command,
        arguments: &[&str],
        storage: &Storage,
        log: &Path,
        cores: Cores,
    ) -> anyhow::Result<Server> {
        let address = free_address()?.to_string();
        command.args(arguments).args(["--listen", &address]);
        storage.name_to(&mut command);
        command.args(&self.serve_arguments);
        Server::start(command, address, log, cores)
    }

    fn output(&self, command: &mut Command) -> anyhow::Result<String> {
        let starting = || format!("starting {}", self.path.display());
        let output = command.output().with_context(starting)?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!("{command:?}: {}: {complaint}", output.status);
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

    /// Starts a program that was told to listen on `address`.
    pub(crate) fn start(
        mut command: Command,
        address: String,
        log: &Path,
        cores: Cores,
    ) -> anyhow::Result<Self> {
        log_to(&mut command, log)?;
        let child = cores.spawn_server(&mut command)?;
        Ok(Self::of(child, address, log.to_owned()))
    }

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

/// Where nobody listens yet.
pub(crate) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// Under `cargo run` the cargo that started this program builds the server too.
fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let status = Command::new(cargo)
        .args(["build", "--profile", "dist", "--package", "rollcall"])
        .arg("--manifest-path")
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
