//! A database with an organization and its keys, and nodes on it.

use std::time::{Duration, Instant};

use rollcall_scratch_postgres as scratch;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::client::Client;
use crate::support::program::{Program, rollcall};

pub(crate) const PROFILES: &str = "/v1/user_profiles";

/// Where nodes are started, and what they share.
pub(crate) struct Cluster {
    directory: TempDir,
    pub(crate) url: String,
    pub(crate) organization: String,
    pub(crate) key_id: String,
    pub(crate) key: String,
    pub(crate) operator_key: String,
}

/// A running node.
pub(crate) struct Node {
    pub(crate) program: Program,
    log: std::path::PathBuf,
}

impl Cluster {
    /// Nodes on a database of their own on the shared server.
    pub(crate) fn new() -> Self {
        Self::on(scratch::wait(scratch::emptied_database(migrate)))
    }

    /// Nodes on this database.
    pub(crate) fn on(url: String) -> Self {
        let mut cluster = Self {
            directory: tempfile::tempdir().unwrap(),
            url,
            organization: String::new(),
            key_id: String::new(),
            key: String::new(),
            operator_key: String::new(),
        };
        let keys = ["keys", "create", "--name", "Key", "--kind"];
        let operator = cluster.run(&[&keys[..], &["operator"]].concat());
        let organization = cluster.run(&["orgs", "create", "--name", "Shared"]);
        cluster.organization = text(&organization["id"]);
        let of = ["api", "--organization-id", &cluster.organization];
        let key = cluster.run(&[&keys[..], &of].concat());
        cluster.operator_key = text(&operator["secret"]);
        cluster.key_id = text(&key["id"]);
        cluster.key = text(&key["secret"]);
        cluster
    }

    /// Runs a command on the database; answers with what it prints.
    pub(crate) fn run(&self, arguments: &[&str]) -> Value {
        let storage = ["--database-url", &self.url, "--output", "json"];
        let output = rollcall(arguments).args(storage).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Starts a node for production.
    pub(crate) fn serve(&self, name: &str, more: &[&str]) -> Node {
        self.start(name, &[&["serve"], more].concat())
    }

    /// Writes a file beside the logs; answers with its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    pub(crate) fn start(&self, name: &str, arguments: &[&str]) -> Node {
        let log = self.directory.path().join(format!("{name}.log"));
        let storage = ["--database-url", &self.url];
        Node {
            program: Program::start(&[arguments, &storage].concat(), &log),
            log,
        }
    }

    pub(crate) fn platform(&self, node: &Node) -> Client {
        Client::new(node.program.address, &self.key)
    }

    pub(crate) fn operator(&self, node: &Node) -> Client {
        node.client(&self.operator_key)
    }
}

impl Node {
    /// Whoever holds this key.
    pub(crate) fn client(&self, key: &str) -> Client {
        Client::new(self.program.address, key)
    }

    /// A gateway with this key.
    pub(crate) fn gateway(&self, key: &str) -> Client {
        let headers = format!("x-rollcall-gateway-key: {key}\r\n");
        Client::sending(self.program.address, headers)
    }

    /// Asks the node to end, and waits until it has drained.
    pub(crate) fn end(mut self) {
        let id = self.program.child.id().to_string();
        scratch::run(std::process::Command::new("kill").args(["-TERM", &id]));
        assert!(self.program.child.wait().unwrap().success());
    }

    /// Waits until the node's log says this.
    pub(crate) fn wait_until_it_says(&self, words: &str) {
        let log = || std::fs::read_to_string(&self.log).unwrap();
        eventually(words, || log().contains(words));
    }
}

async fn migrate(url: String) {
    scratch::run(&mut rollcall(&["migrate", "--database-url", &url]));
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
