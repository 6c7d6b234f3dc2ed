//! The storage that is crashed, with an organization and its keys.

use std::path::{Path, PathBuf};
use std::process::Command;

use rollcall_scratch_postgres::{self as scratch, Server};
use serde_json::Value;

use crate::support::client::Client;
use crate::support::program::{Program, rollcall};
use crate::text;

/// A data directory, or a PostgreSQL that nobody else uses.
pub(crate) struct Place {
    storage: Vec<String>,
    log: PathBuf,
    pub(crate) database: Option<Server>,
    /// Settings that every command gets.
    pub(crate) variables: Vec<(&'static str, String)>,
    pub(crate) api_key: String,
    pub(crate) operator_key: String,
}

impl Place {
    pub(crate) fn prepare(directory: &Path) -> Self {
        let database = scratch::is_chosen().then(|| scratch::wait(Server::start(&[])));
        let mut place = match &database {
            None => Self::embedded(directory),
            Some(server) => Self::on_database(directory, server.url("postgres")),
        };
        place.database = database;
        let operator = place.run(&["keys", "create", "--kind", "operator", "--name", "Operator"]);
        let organization = place.run(&["orgs", "create", "--name", "Crash"]);
        let id = organization["id"].as_str().unwrap();
        let create = ["keys", "create", "--kind", "api", "--name", "Api"];
        let api = place.run(&[&create[..], &["--organization-id", id]].concat());
        place.api_key = text(&api["secret"]);
        place.operator_key = text(&operator["secret"]);
        place
    }

    /// A data directory in `directory`, which is not made yet.
    pub(crate) fn embedded(directory: &Path) -> Self {
        let data_dir = directory.join("data").display().to_string();
        Self::with(directory, ["--data-dir".to_owned(), data_dir])
    }

    /// A database that somebody else looks after.
    pub(crate) fn on_database(directory: &Path, url: String) -> Self {
        Self::with(directory, ["--database-url".to_owned(), url])
    }

    fn with(directory: &Path, storage: [String; 2]) -> Self {
        Self {
            storage: storage.into(),
            log: directory.join("log"),
            database: None,
            variables: Vec::new(),
            api_key: String::new(),
            operator_key: String::new(),
        }
    }

    /// Where its log is, and whatever else goes with it.
    pub(crate) fn directory(&self) -> &Path {
        self.log.parent().unwrap()
    }

    /// The URL of the database, if it is one.
    fn url(&self) -> Option<&str> {
        let is_database = self.storage[0] == "--database-url";
        is_database.then_some(self.storage[1].as_str())
    }

    /// Whether a command would find a storage there. A database always is one.
    pub(crate) fn exists(&self) -> bool {
        let file = Path::new(&self.storage[1]).join("rollcall.db");
        self.url().is_some() || std::fs::metadata(file).is_ok_and(|file| file.len() > 0)
    }

    /// A command that works on the storage.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.plain(&self.with_storage(arguments))
    }

    fn plain(&self, arguments: &[&str]) -> Command {
        let mut command = rollcall(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.directory());
        command
    }

    fn with_storage<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let storage = self.storage.iter().map(String::as_str);
        arguments.iter().copied().chain(storage).collect()
    }

    /// Runs a command on the storage, which has to succeed, and answers with what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Value {
        json(self.command(arguments))
    }

    /// The same of a command on something else.
    pub(crate) fn run_elsewhere(&self, arguments: &[&str]) -> Value {
        json(self.plain(arguments))
    }

    /// Every profile, as records.
    pub(crate) fn export(&self) -> Vec<u8> {
        let output = self.command(&["export", "-"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    pub(crate) fn start(&self) -> Program {
        Program::launch(self.command(&["serve"]), &self.log)
    }

    /// Fills the storage as a development server with these arguments does.
    pub(crate) fn develop(&self, arguments: &[&str]) {
        let arguments = [&["dev"], arguments].concat();
        drop(Program::start(&self.with_storage(&arguments), &self.log));
        self.wait_until_alone();
    }

    pub(crate) fn client(&self, program: &Program) -> Client {
        Client::new(program.address, &self.api_key)
    }

    /// Fails when the check finds anything.
    pub(crate) fn check(&self) {
        self.run(&["check"]);
    }

    pub(crate) fn has_a_database(&self) -> bool {
        self.database.is_some()
    }

    /// Waits until the database has done what a killed server had sent, or has forgotten it.
    pub(crate) fn wait_until_alone(&self) {
        if let Some(url) = self.url() {
            let others = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            scratch::wait(scratch::wait_for(url, others, "0"));
        }
    }
}

fn json(mut command: Command) -> Value {
    let output = command.args(["--output", "json"]).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}
