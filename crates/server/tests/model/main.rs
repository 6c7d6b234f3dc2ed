//! Random writes in random dialects, read in every dialect, beside a model small enough to be right.
//!
//! A sequence gets an organization of its own, a clock that stands where it was put, and a dozen steps:
//! creates, updates with every kind of null, deletes, programs, enforcement, time. After each one the
//! server is read, and everything it says is compared with what [`model`] says, member by member and
//! in order. A sequence that differs is shrunk to the shortest that still does.
//!
//! `ROLLCALL_MODEL_SEQUENCES` sets the number of sequences.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

mod model;
#[path = "../support/passing.rs"]
mod passing;
mod steps;
#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use model::{Model, Refused};
use steps::{Sequence, Step};
use support::client::Client;
use support::program::Program;

const SEQUENCES: u32 = 1_000;
/// On an engine that flushes each write to a disk.
const DURABLE_SEQUENCES: u32 = 100;
const SERVERS: u32 = 2;
const OPERATOR_KEY: &str = "operator-of-the-model";
const DIALECTS: [&str; 4] = ["2026-03-24", "2026-08-18", "2026-09-04", "ga"];
const STATUSES: [&str; 4] = ["unrestricted", "pending", "restricted", "banned"];

#[test]
fn random_writes_in_random_dialects_read_the_same_in_every_dialect_as_in_the_model() {
    let sequences = std::env::var("ROLLCALL_MODEL_SEQUENCES");
    let usual = if rollcall_scratch_postgres::is_chosen() {
        DURABLE_SEQUENCES
    } else {
        SEQUENCES
    };
    let sequences = sequences.map_or(usual, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for server in 0..SERVERS {
            let log = directory.path().join(format!("log-{server}"));
            scope.spawn(move || {
                let arguments = ["dev", "--auto-tenants", "--log", "warn"];
                let keys = ["--operator-key", OPERATOR_KEY];
                let program = passing::start(&[&arguments[..], &keys].concat(), &log);
                let tenants = AtomicUsize::new(0);
                let mut runner = TestRunner::new(Config {
                    cases: sequences.div_ceil(SERVERS),
                    failure_persistence: None,
                    max_shrink_iters: 2_000,
                    ..Config::default()
                });
                let outcome = runner.run(&steps::sequence(), |sequence| {
                    let tenant = tenants.fetch_add(1, Ordering::Relaxed);
                    Walk::new(&program, tenant, &sequence).run(&sequence);
                    Ok(())
                });
                let log = std::fs::read_to_string(&log).unwrap();
                assert_eq!(log, "", "the server warns");
                outcome.unwrap_or_else(|difference| panic!("{difference}"));
            });
        }
    });
}

/// One sequence, on the server and on the model.
struct Walk {
    platform: Client,
    operator: Client,
    model: Model,
    /// Chosen by the sequence, so that shrinking keeps them: which reads come after which step.
    turn: usize,
}

impl Walk {
    fn new(program: &Program, tenant: usize, sequence: &Sequence) -> Self {
        let mut walk = Self {
            platform: Client::new(program.address, &format!("test-{tenant}")),
            operator: Client::new(program.address, OPERATOR_KEY),
            model: Model::new(),
            turn: sequence.turn,
        };
        walk.set_clock();
        walk
    }

    fn run(&mut self, sequence: &Sequence) {
        for step in &sequence.steps {
            let touched = self.take(step);
            self.turn += 1;
            if let Some(id) = touched {
                self.read(&id, "ga");
                self.read(&id, DIALECTS[self.turn % 3]);
            }
            self.list(self.turn);
        }
        for id in self.model.ids() {
            self.read(&id, "ga");
        }
        if let Some(id) = self.model.ids().first() {
            for dialect in DIALECTS {
                self.read(id, dialect);
                self.look_through(id, dialect);
            }
        }
        for turn in 0..4 {
            self.list(self.turn + turn);
        }
        for status in STATUSES {
            self.filter(&[status]);
        }
        self.filter(&STATUSES[self.turn % 3..]);
    }

    /// Does one step on both and compares what they say to it; tells which profile it was about.
    fn take(&mut self, step: &Step) -> Option<String> {
        match step {
            Step::Create { dialect, body } => {
                let reply = self.public("POST", "/v1/user_profiles", dialect, Some(body));
                let expected = self.model.create(dialect, body, &reply.1);
                same(step, &reply, expected.as_ref());
                expected.ok().map(|profile| text(&profile["id"]))
            }
            Step::Update {
                dialect,
                which,
                body,
            } => {
                let id = self.model.known_id(*which)?;
                let path = format!("/v1/user_profiles/{id}");
                let reply = self.public("POST", &path, dialect, Some(body));
                same(step, &reply, self.model.update(&id, dialect, body).as_ref());
                Some(id)
            }
            Step::Delete { dialect, which } => {
                let id = self.model.known_id(*which)?;
                let reply =
                    self.public("DELETE", &format!("/v1/user_profiles/{id}"), dialect, None);
                same(step, &reply, self.model.delete(&id).as_ref());
                Some(id)
            }
            Step::SetProgram {
                which,
                name,
                standing,
            } => {
                let id = self.model.known_id(*which)?;
                let path = format!("/operator/v1/user_profiles/{id}/programs/{name}");
                let reply = self.operate("PUT", &path, Some(standing));
                let expected = self.model.set_program(&id, name, Some(standing));
                same_status(step, &reply, expected);
                Some(id)
            }
            Step::DeleteProgram { which, name } => {
                let id = self.model.known_id(*which)?;
                let path = format!("/operator/v1/user_profiles/{id}/programs/{name}");
                let reply = self.operate("DELETE", &path, None);
                same_status(step, &reply, self.model.set_program(&id, name, None));
                Some(id)
            }
            Step::Open {
                which,
                action,
                expires_in,
            } => {
                let id = self.model.known_id(*which)?;
                let mut action = action.clone();
                if let Some(micros) = expires_in {
                    action["expires_at"] = model::time(self.model.now + micros).into();
                }
                let path = format!("/operator/v1/user_profiles/{id}/enforcement_actions");
                let reply = self.operate("POST", &path, Some(&action));
                let expected = self.model.open(&id, &action, *expires_in, &reply.1);
                same_status(step, &reply, expected);
                Some(id)
            }
            Step::Resolve { which } => {
                let (id, action) = self.model.known_action(*which)?;
                let path = format!("/operator/v1/enforcement_actions/{action}/resolve");
                let reply = self.operate("POST", &path, Some(&json!({})));
                same_status(step, &reply, self.model.resolve(&id, &action));
                Some(id)
            }
            Step::Check { which, state } => {
                let (id, action) = self.model.known_action(*which)?;
                let path = format!("/operator/v1/enforcement_actions/{action}/identity_check");
                let reply = self.operate("POST", &path, Some(&json!({"state": state})));
                same_status(step, &reply, self.model.check(&id, &action, state));
                Some(id)
            }
            Step::Advance { micros } => {
                self.model.now += micros;
                self.set_clock();
                None
            }
        }
    }

    fn set_clock(&mut self) {
        let now = model::time(self.model.now);
        let reply = self.operate("POST", "/operator/v1/dev/clock", Some(&json!({"now": now})));
        assert_eq!(reply, (200, json!({"now": now})));
    }

    /// Get, as the dialect tells it.
    fn read(&mut self, id: &str, dialect: &str) {
        let reply = self.public("GET", &format!("/v1/user_profiles/{id}"), dialect, None);
        same(
            &("get", dialect),
            &reply,
            self.model.get(id, dialect).as_ref(),
        );
    }

    /// The operator's lens shows what the platform sees.
    fn look_through(&mut self, id: &str, dialect: &str) {
        let path = format!("/operator/v1/user_profiles/{id}?as={dialect}");
        let reply = self.operate("GET", &path, None);
        same(
            &("lens", dialect),
            &reply,
            self.model.get(id, dialect).as_ref(),
        );
    }

    /// The whole listing, in one of the orders and dialects, with one of the page sizes.
    fn list(&mut self, turn: usize) {
        let dialect = DIALECTS[(turn / 4 + turn) % 4];
        let (order_by, order) = (
            ["created_at", "name"][turn % 2],
            ["desc", "asc"][turn / 2 % 2],
        );
        let limit = [1, 2, 3, 100][turn / 3 % 4];
        let expected = self.model.list(order_by, order, dialect, &STATUSES);
        let query = format!("order_by={order_by}&order={order}&limit={limit}");
        let (listed, pages) = self.walk(&query, dialect);
        assert_eq!(listed, expected, "{query} in {dialect}");
        assert_eq!(
            pages,
            expected.len().div_ceil(limit).max(1),
            "{query} in {dialect}"
        );
    }

    fn filter(&mut self, statuses: &[&str]) {
        let filters = statuses.iter();
        let filters: Vec<_> = filters
            .map(|status| format!("&enforcement_status%5B%5D={status}"))
            .collect();
        let filter = filters.concat();
        let expected = self.model.list("created_at", "desc", "ga", statuses);
        let (listed, _) = self.walk(&format!("limit=2{filter}"), "ga");
        assert_eq!(listed, expected, "{statuses:?}");
    }

    /// Each profile as text, so that the order of members counts; and the number of pages.
    fn walk(&mut self, query: &str, dialect: &str) -> (Vec<String>, usize) {
        let (mut profiles, mut page, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let target = format!("/v1/user_profiles?{query}{page}");
            let answer = self.platform.ok("GET", &target, dialect, None);
            profiles.extend(
                answer["data"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(Value::to_string),
            );
            pages += 1;
            match answer["next_page"].as_str() {
                Some(next) => page = format!("&page={next}"),
                None => return (profiles, pages),
            }
        }
    }

    fn public(
        &mut self,
        method: &str,
        path: &str,
        dialect: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let reply = self.platform.send(method, path, dialect, body).unwrap();
        (reply.status, reply.json())
    }

    fn operate(&mut self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let reply = self.operator.send(method, path, "ga", body).unwrap();
        (reply.status, reply.json())
    }
}

#[track_caller]
fn same(what: &impl std::fmt::Debug, reply: &(u16, Value), expected: Result<&Value, &Refused>) {
    match expected {
        Ok(expected) => {
            assert_eq!(reply.0, 200, "{what:?}: {}", reply.1);
            assert_eq!(reply.1.to_string(), expected.to_string(), "{what:?}");
        }
        Err(refused) => assert_eq!(reply.0, refused.status(), "{what:?}: {}", reply.1),
    }
}

#[track_caller]
fn same_status(what: &impl std::fmt::Debug, reply: &(u16, Value), expected: Result<(), Refused>) {
    let expected = expected.err().map_or(200, Refused::status);
    assert_eq!(reply.0, expected, "{what:?}: {}", reply.1);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
