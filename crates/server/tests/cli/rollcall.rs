//! Running the binary, and a running server.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;

use rollcall::cli::Outcome;
use rollcall::cli::client::{Call, Client};
use serde_json::Value;

/// A place of its own for one test: a directory, and an environment without our variables.
///
/// With `ROLLCALL_TEST_STORE=postgres` each data directory that a command would use stands for a
/// database, and the memory of `--in-memory` for one more; the tests do not know.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
    databases: Option<Mutex<BTreeMap<String, String>>>,
}

/// The directory of the embedded storage where none is named, and what stands for none at all.
const DATA_DIR: &str = "rollcall-data";
const IN_MEMORY: &str = "--in-memory";
/// What instances on one database share.
pub(crate) const SECRET_KEY: &str = "c2l4dGVlbiBieXRlcyBhcmUgbm90IDMyIGJ5dGVzISE=";

/// How a command ended.
pub(crate) struct Ended {
    command: String,
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            databases: rollcall_scratch_postgres::is_chosen().then(Mutex::default),
            ..Self::embedded()
        }
    }

    /// A place for what only the embedded engine has: its directory, memory, backups.
    pub(crate) fn embedded() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
            databases: None,
        }
    }

    pub(crate) fn is_embedded(&self) -> bool {
        self.databases.is_none()
    }

    /// The same place with a variable set for the commands to come.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What a variable was set to.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let mut variables = self.variables.iter().rev();
        variables.find_map(|(it, value)| (it == name).then_some(value.as_str()))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("rollcall"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ROLLCALL_") {
                command.env_remove(name);
            }
        }
        command
            .env_remove("COLUMNS")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        let arguments = arguments.iter().map(AsRef::as_ref).collect();
        match &self.databases {
            None => command.args(arguments),
            Some(databases) => on_database(&mut command, arguments, &mut databases.lock().unwrap()),
        };
        // The embedded storage makes one by itself; a settings file may bring one.
        if self.databases.is_some() && !self.path("rollcall.toml").exists() {
            command.env("ROLLCALL_SECRET_KEY", SECRET_KEY);
        }
        command
    }

    /// The same command, begun by a shell that did something before.
    pub(crate) fn command_after(&self, before: &str, arguments: &[&str]) -> Command {
        let command = self.command(arguments);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("{before}; exec \"$@\""), "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }

    /// Runs a command to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        Ended::new(arguments, &output)
    }

    /// Runs a command that must succeed, and answers with what it printed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(arguments);
        assert_eq!(ended.status, 0, "{}", ended.shown());
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Backs the usual storage up and restores it as the data directory `copy`: with our commands, or on PostgreSQL
    /// with its own.
    pub(crate) fn back_up_and_restore(&self, copy: &str) {
        let Some(databases) = &self.databases else {
            self.json(&["backup", "saved"]);
            self.json(&["restore", "saved", "--data-dir", copy]);
            return;
        };
        let mut databases = databases.lock().unwrap();
        let (from, to) = (databases[DATA_DIR].clone(), fresh_database());
        let saved = self.path("saved.sql");
        let tool = |name: &str| Command::new(rollcall_scratch_postgres::binaries().join(name));
        let mut dump = tool("pg_dump");
        let dump = dump.args(["--clean", "--if-exists", "--dbname", &from, "--file"]);
        assert!(dump.arg(&saved).status().unwrap().success());
        let mut restore = tool("psql");
        let restore = restore.args([
            "--quiet",
            "--set",
            "ON_ERROR_STOP=1",
            "--dbname",
            &to,
            "--file",
        ]);
        assert!(restore.arg(&saved).status().unwrap().success());
        databases.insert(copy.to_owned(), to);
    }

    /// Starts `rollcall serve`, on a free port unless told otherwise.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Serving {
        let mut all = vec!["serve"];
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        let log = self.path("serve.log");
        let mut child = self
            .command(&all)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap();
        let logged = std::fs::read_to_string(&log).unwrap();
        assert!(address.starts_with("http://"), "{line}{logged}");
        Serving {
            process: Process(Some(child)),
            base_url: address.replace("0.0.0.0", "127.0.0.1"),
            log,
        }
    }

    /// Starts `rollcall dev` on a free port.
    pub(crate) fn dev(&self, arguments: &[&str]) -> Dev {
        let all = ["dev", "--listen", "127.0.0.1:0", "--output", "json"];
        let all = [&all, arguments].concat();
        let mut child = self
            .command(&all)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(self.path("dev.log")).unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let log = || std::fs::read_to_string(self.path("dev.log")).unwrap();
        let announced = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{}", log()));
        Dev {
            process: Process(Some(child)),
            announced,
        }
    }
}

/// A production server.
pub(crate) struct Serving {
    process: Process,
    pub(crate) base_url: String,
    log: PathBuf,
}

impl Serving {
    /// Makes a call with a key.
    pub(crate) fn call(&self, key: &str, call: Call) -> Outcome<Value> {
        let client = Client::new(&self.base_url, key.to_owned().into()).unwrap();
        rollcall::cli::wait(client.call(call))
    }

    /// Waits until it has ended by itself, which must be with status 0, and answers with what it logged.
    pub(crate) fn ended(self) -> String {
        assert_eq!(self.process.wait(), 0);
        std::fs::read_to_string(self.log).unwrap()
    }

    /// Stops it, which must end with status 0, and answers with what it logged.
    pub(crate) fn stop(self) -> String {
        assert_eq!(self.process.end_by("TERM"), 0);
        std::fs::read_to_string(self.log).unwrap()
    }
}

/// The same command with a database where its data directory would be.
fn on_database<'c>(
    command: &'c mut Command,
    mut arguments: Vec<&OsStr>,
    databases: &mut BTreeMap<String, String>,
) -> &'c mut Command {
    let mut directory = DATA_DIR.to_owned();
    if let Some(at) = arguments
        .iter()
        .position(|it| it.to_str() == Some(IN_MEMORY))
    {
        directory = arguments.remove(at).to_string_lossy().into_owned();
    }
    if let Some(at) = arguments
        .iter()
        .position(|it| it.to_str() == Some("--data-dir"))
    {
        directory = arguments[at + 1].to_string_lossy().into_owned();
        // The keys of `rollcall dev` stay in the directory.
        if arguments.first().is_none_or(|it| *it != "dev") {
            arguments.drain(at..at + 2);
        }
    }
    let url = databases.entry(directory).or_insert_with(fresh_database);
    command.env("ROLLCALL_DATABASE_URL", url.as_str());
    command.args(arguments)
}

fn fresh_database() -> String {
    let migrate = async |url: String| {
        let mut migrate = Command::new(assert_cmd::cargo::cargo_bin!("rollcall"));
        migrate.args(["migrate", "--database-url", &url]);
        rollcall_scratch_postgres::run(&mut migrate);
    };
    rollcall_scratch_postgres::wait(rollcall_scratch_postgres::emptied_database(migrate))
}

impl Ended {
    pub(crate) fn new<S: AsRef<OsStr>>(arguments: &[S], output: &Output) -> Self {
        let words = arguments.iter().map(|word| word.as_ref().to_string_lossy());
        Self {
            command: words.collect::<Vec<_>>().join(" "),
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Command, status, standard output and standard error as one text.
    pub(crate) fn shown(&self) -> String {
        let mut shown = format!("$ rollcall {}\nstatus: {}\n", self.command, self.status);
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                shown.push_str(&format!("{name}:\n{text}"));
            }
        }
        shown
    }
}

/// Compares what a command did with an inline snapshot, everything that differs from run to run
/// replaced.
macro_rules! assert_ended {
    ($ended:expr, @$expected:literal) => {
        insta::with_settings!({ filters => crate::rollcall::FILTERS.to_vec() }, {
            insta::assert_snapshot!($ended.shown(), @$expected);
        });
    };
}
pub(crate) use assert_ended;

pub(crate) const FILTERS: &[(&str, &str)] = &[
    (r"/[\w./-]*/\.tmp\w+", "[dir]"),
    (
        r"(uprof|wrkspc|apikey|enac|req|aud|whep|whd)_01[1-9A-HJ-NP-Za-km-z]{22}",
        "${1}_[id]",
    ),
    (r"whe_[0-9a-f]{32}", "whe_[id]"),
    (
        r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[organization]",
    ),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", "[time]"),
    (r"(sk-rollcall-\w+-)[\w-]{49}", "${1}[secret]"),
    (r"(sealed with the key )[0-9a-f]{16}", "${1}[key]"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
    (r#"(schema\w*":|knows 1 to )\d+"#, "${1}[schema]"),
];

/// A process that is killed when the test ends, however it ends.
pub(crate) struct Process(Option<Child>);

impl Process {
    pub(crate) fn new(child: Child) -> Self {
        Self(Some(child))
    }

    /// The status that the process ends with.
    pub(crate) fn wait(mut self) -> i32 {
        let mut child = self.0.take().unwrap();
        child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Sends a signal and answers with the status the process ends with.
    pub(crate) fn end_by(mut self, signal: &str) -> i32 {
        let mut child = self.0.take().unwrap();
        let kill = format!("kill -{signal} {}", child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success());
        child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A development server.
pub(crate) struct Dev {
    process: Process,
    announced: Value,
}

impl Dev {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.announced[name].as_str().unwrap()
    }

    /// What commands need to reach it, as options.
    pub(crate) fn platform(&self) -> [&str; 4] {
        [
            "--base-url",
            self.get("base_url"),
            "--api-key",
            self.get("api_key"),
        ]
    }

    /// What operator commands need to reach it, as options.
    pub(crate) fn operator(&self) -> [&str; 4] {
        [
            "--url",
            self.get("base_url"),
            "--operator-key",
            self.get("operator_key"),
        ]
    }

    /// Sends one request as the operator.
    pub(crate) fn call(&self, call: Call) -> Value {
        self.call_with("operator_key", call)
    }

    /// Sends one request with the key that is announced under this name.
    pub(crate) fn call_with(&self, key: &str, call: Call) -> Value {
        let key = self.get(key).to_owned().into();
        let client = Client::new(self.get("base_url"), key).unwrap();
        rollcall::cli::wait(client.call(call)).unwrap()
    }

    /// Stops it, which must end with status 0.
    pub(crate) fn stop(self) {
        assert_eq!(self.process.end_by("TERM"), 0);
    }
}

/// The path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
