//! The storage that is crashed, with an organization and its keys.

use std::path::{Path, PathBuf};

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
    pub(crate) api_key: String,
    pub(crate) operator_key: String,
}

impl Place {
    pub(crate) fn prepare(directory: &Path) -> Self {
        let database = scratch::is_chosen().then(|| scratch::wait(Server::start(&[])));
        let storage = match &database {
            None => [
                "--data-dir".to_owned(),
                directory.join("data").display().to_string(),
            ],
            Some(server) => ["--database-url".to_owned(), server.url("postgres")],
        };
        let mut place = Self {
            storage: storage.into(),
            log: directory.join("log"),
            database,
            api_key: String::new(),
            operator_key: String::new(),
        };
        let operator = place.run(&["keys", "create", "--kind", "operator", "--name", "Operator"]);
        let organization = place.run(&["orgs", "create", "--name", "Crash"]);
        let id = organization["id"].as_str().unwrap();
        let create = ["keys", "create", "--kind", "api", "--name", "Api"];
        let api = place.run(&[&create[..], &["--organization-id", id]].concat());
        place.api_key = text(&api["secret"]);
        place.operator_key = text(&operator["secret"]);
        place
    }

    fn with_storage<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let storage = self.storage.iter().map(String::as_str);
        arguments.iter().copied().chain(storage).collect()
    }

    fn run(&self, arguments: &[&str]) -> Value {
        let arguments = self.with_storage(arguments);
        let output = rollcall(&arguments).args(["--output", "json"]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn start(&self) -> Program {
        Program::start(&self.with_storage(&["serve"]), &self.log)
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
        if let Some(server) = &self.database {
            let others = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            scratch::wait(scratch::wait_for(&server.url("postgres"), others, "0"));
        }
    }
}
