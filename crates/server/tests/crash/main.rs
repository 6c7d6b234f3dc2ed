//! `kill -9` under many concurrent writers, again and again on one storage that grows.
//!
//! Every writer keeps a ledger: what the server acknowledged, and the one write it had not answered when
//! it died. After the restart every acknowledged write is there, and the unanswered one is there
//! whole or not at all; the listing walks each profile once; `rollcall check` finds nothing; and at the
//! end the audit trail holds one event for each write that took place, no more and no fewer.
//!
//! With `ROLLCALL_TEST_STORE=postgres` every other kill meets PostgreSQL instead: it is started again,
//! and the server has to go on by itself. A write that is answered with an error is held against what
//! the error says: nothing happened (529), or nobody knows.
//!
//! `ROLLCALL_CRASH_ROUNDS` sets the number of rounds. [`commands`] kills every other command that writes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use place::Place;
use support::client::Client;
use support::program::Program;

const WRITERS: usize = 32;
const ROUNDS: usize = 20;
/// Where a restart of PostgreSQL takes seconds.
const DURABLE_ROUNDS: usize = 8;
/// Writers that merge keys of their own into the same profile; a profile holds at most 16 keys.
const SHARERS: usize = 16;
/// No write takes longer, whatever happens to the database: as long as it waits for a connection and
/// then for its outcome, and something for a busy machine.
const LONGEST_WRITE: Duration = Duration::from_secs(25);
/// The server dies after at most this many acknowledgements in a round.
const MOST_WRITES: usize = 600;

#[test]
fn every_acknowledged_write_survives_a_kill_and_none_is_half_there() {
    let rounds = std::env::var("ROLLCALL_CRASH_ROUNDS");
    let usual = if rollcall_scratch_postgres::is_chosen() {
        DURABLE_ROUNDS
    } else {
        ROUNDS
    };
    let rounds = rounds.map_or(usual, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut place = Place::prepare(directory.path());
    let mut ledger = Ledger::default();
    let mut program = place.start();
    ledger.share(&mut place.client(&program));
    for round in 0..rounds {
        if place.has_a_database() && round % 2 == 1 {
            let acknowledged =
                ledger.write_while_the_database_is_killed(&mut place, &program, round);
            ledger.verify(&mut place.client(&program));
            place.check();
            eprintln!("{}", ledger.summary(round, acknowledged));
            continue;
        }
        let acknowledged = ledger.write_until_killed(&place, program, round);
        // The next to open the crashed storage is the server or the check, in turn.
        if round % 4 < 2 {
            place.check();
            program = place.start();
            ledger.verify(&mut place.client(&program));
        } else {
            let restarted = place.start();
            ledger.verify(&mut place.client(&restarted));
            drop(restarted);
            place.check();
            program = place.start();
        }
        eprintln!("{}", ledger.summary(round, acknowledged));
    }
    ledger.verify_audit_trail(&mut Client::new(program.address, &place.operator_key));
}

/// What the server said, over all rounds.
#[derive(Default)]
struct Ledger {
    /// The last state that was acknowledged or, for an unanswered write, found.
    profiles: BTreeMap<String, Value>,
    deleted: BTreeSet<String>,
    /// Profiles into which many writers merge at once.
    shared: Vec<String>,
    /// What each writer is known to have left in the shared profile under its own key.
    shared_values: Vec<Option<String>>,
    /// The writes, and who wrote them, of which it is not known yet whether they took place.
    unanswered: Vec<(usize, Write)>,
    /// Those of which the server said that they did not.
    refused: Vec<(usize, Write)>,
    updates: usize,
    took_place_unanswered: usize,
}

/// One write, as sent.
#[derive(Clone, Debug)]
enum Write {
    Create(Value),
    Update(String, Value),
    Delete(String),
    /// Into the shared profile, under the writer's own key.
    Merge(String),
}

/// What one writer did in a round.
struct Log {
    writer: usize,
    acknowledged: Vec<(Write, Value)>,
    unanswered: Option<Write>,
    refused: Option<Write>,
}

impl Ledger {
    fn share(&mut self, client: &mut Client) {
        for _ in 0..WRITERS.div_ceil(SHARERS) {
            let profile = client.ok("POST", "/v1/user_profiles", "ga", Some(&json!({})));
            self.shared.push(text(&profile["id"]));
        }
        self.shared_values = vec![None; WRITERS];
    }

    /// Lets the writers write until the server is killed under them; tells how many writes it had
    /// acknowledged.
    fn write_until_killed(&mut self, place: &Place, program: Program, round: usize) -> usize {
        let (address, never) = (program.address, AtomicBool::new(false));
        let writing = self.writing(place, address, round, &never, || drop(program));
        place.wait_until_alone();
        writing
    }

    /// Lets the writers write while PostgreSQL is killed and started again, until each has met the kill
    /// or is told to stop.
    fn write_while_the_database_is_killed(
        &mut self,
        place: &mut Place,
        program: &Program,
        round: usize,
    ) -> usize {
        let (address, stop) = (program.address, AtomicBool::new(false));
        let mut database = place.database.take();
        let acknowledged = self.writing(place, address, round, &stop, || {
            if let Some(database) = &mut database {
                database.kill();
                rollcall_scratch_postgres::wait(database.go_on());
            }
            stop.store(true, Ordering::Relaxed);
        });
        place.database = database;
        acknowledged
    }

    /// Lets the writers write, has `disaster` come over them, and enters what they tell.
    fn writing(
        &mut self,
        place: &Place,
        address: SocketAddr,
        round: usize,
        stop: &AtomicBool,
        disaster: impl FnOnce(),
    ) -> usize {
        let mut own: Vec<Vec<String>> = vec![Vec::new(); WRITERS];
        for (at, id) in self.profiles.keys().enumerate() {
            own[at % WRITERS].push(id.clone());
        }
        let (acknowledge, acknowledged) = mpsc::channel();
        let shared = &self.shared;
        let logs: Vec<Log> = std::thread::scope(|scope| {
            let writers: Vec<_> = own
                .into_iter()
                .enumerate()
                .map(|(number, own)| {
                    let writer = Writer {
                        number,
                        round,
                        shared: &shared[number / SHARERS],
                        own,
                        acknowledge: acknowledge.clone(),
                        stop,
                    };
                    scope.spawn(move || writer.run(address, &place.api_key))
                })
                .collect();
            drop(acknowledge);
            let enough = 1 + random(MOST_WRITES);
            assert_eq!(acknowledged.iter().take(enough).count(), enough);
            // Acknowledgements come in groups; the kill shall meet every moment between two.
            std::thread::sleep(Duration::from_micros(random(4_000) as u64));
            disaster();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect()
        });
        let count = logs.iter().map(|log| log.acknowledged.len()).sum();
        for log in logs {
            self.enter(log);
        }
        count
    }

    /// Where the ledger stands after a round.
    fn summary(&self, round: usize, acknowledged: usize) -> String {
        format!(
            "round {}: {acknowledged} writes acknowledged, {} profiles, {} unanswered writes took place so far",
            round + 1,
            self.profiles.len(),
            self.took_place_unanswered,
        )
    }

    fn enter(&mut self, log: Log) {
        for (write, answer) in log.acknowledged {
            match write {
                Write::Create(_) => {
                    self.profiles.insert(text(&answer["id"]), answer);
                }
                Write::Update(id, _) => {
                    self.updates += 1;
                    self.profiles.insert(id, answer);
                }
                Write::Delete(id) => self.delete(id),
                Write::Merge(value) => {
                    self.updates += 1;
                    self.shared_values[log.writer] = Some(value);
                }
            }
        }
        self.unanswered
            .extend(log.unanswered.map(|write| (log.writer, write)));
        self.refused
            .extend(log.refused.map(|write| (log.writer, write)));
    }
}

impl Ledger {
    /// Compares what the restarted server holds with what was acknowledged, and enters what became of
    /// the unanswered writes.
    fn verify(&mut self, client: &mut Client) {
        let mut found = BTreeMap::new();
        let listed = walk(client);
        for pair in listed.windows(2) {
            let key = |profile: &Value| (text(&profile["created_at"]), text(&profile["id"]));
            assert!(
                in_micros(&key(&pair[0])) < in_micros(&key(&pair[1])),
                "{pair:?}"
            );
        }
        for profile in listed {
            assert!(found.insert(text(&profile["id"]), profile).is_none());
        }
        let mut shared = Vec::new();
        for id in &self.shared {
            shared.push(found.remove(id).unwrap());
        }
        for (writer, write) in std::mem::take(&mut self.unanswered) {
            let took_place = self.settle(writer, write, &found, &shared);
            self.took_place_unanswered += usize::from(took_place);
        }
        for (writer, write) in std::mem::take(&mut self.refused) {
            let shown = format!("{write:?}");
            let took_place = self.settle(writer, write, &found, &shared);
            assert!(!took_place, "refused, and took place: {shown}");
        }
        for (writer, value) in self.shared_values.iter().enumerate() {
            let merged = &shared[writer / SHARERS]["metadata"][key_of(writer)];
            assert_eq!(
                merged.as_str(),
                value.as_deref(),
                "the key of writer {writer}"
            );
        }
        for id in &self.deleted {
            assert!(!found.contains_key(id), "{id} was deleted");
        }
        for (id, profile) in &self.profiles {
            assert_eq!(found.remove(id).as_ref(), Some(profile), "{id}");
        }
        assert!(found.is_empty(), "nobody wrote these: {found:?}");
    }

    /// Enters what became of a write that was not acknowledged; tells whether it took place.
    fn settle(
        &mut self,
        writer: usize,
        write: Write,
        found: &BTreeMap<String, Value>,
        shared: &[Value],
    ) -> bool {
        match write {
            Write::Create(body) => {
                let mut made = found
                    .values()
                    .filter(|profile| profile["name"] == body["name"]);
                let Some(profile) = made.next() else {
                    return false;
                };
                assert!(made.next().is_none(), "created twice: {body}");
                assert_whole(profile, &body);
                assert_eq!(profile["created_at"], profile["updated_at"]);
                self.profiles.insert(text(&profile["id"]), profile.clone());
                true
            }
            Write::Update(id, body) => {
                let (before, after) = (&self.profiles[&id], &found[&id]);
                let changed = before != after;
                if changed {
                    assert_whole(after, &body);
                    assert_eq!(before["created_at"], after["created_at"]);
                    let time = |profile: &Value| (text(&profile["updated_at"]), String::new());
                    assert!(in_micros(&time(before)) < in_micros(&time(after)));
                    self.updates += 1;
                    self.profiles.insert(id, after.clone());
                }
                changed
            }
            Write::Delete(id) => {
                let gone = !found.contains_key(&id);
                if gone {
                    self.delete(id);
                }
                gone
            }
            Write::Merge(value) => {
                let key = key_of(writer);
                let merged = shared[writer / SHARERS]["metadata"][&key] == value.as_str();
                if merged {
                    self.updates += 1;
                    self.shared_values[writer] = Some(value);
                }
                merged
            }
        }
    }

    /// Every write that took place has its event, in the same transaction.
    fn verify_audit_trail(&self, operator: &mut Client) {
        let mut counts = BTreeMap::<String, usize>::new();
        let mut page = String::new();
        loop {
            let target = format!("/operator/v1/audit_events?limit=100{page}");
            let answer = operator.ok("GET", &target, "ga", None);
            for event in answer["data"].as_array().unwrap() {
                *counts.entry(text(&event["action"])).or_default() += 1;
            }
            match answer["next_page"].as_str() {
                Some(next) => page = format!("&page={next}"),
                None => break,
            }
        }
        let created = self.profiles.len() + self.deleted.len() + self.shared.len();
        let count = |action: &str| counts.get(action).copied().unwrap_or_default();
        assert_eq!(count("user_profile.created"), created, "{counts:?}");
        assert_eq!(count("user_profile.updated"), self.updates, "{counts:?}");
        assert_eq!(
            count("user_profile.deleted"),
            self.deleted.len(),
            "{counts:?}"
        );
    }

    fn delete(&mut self, id: String) {
        self.profiles.remove(&id);
        self.deleted.insert(id);
    }
}

/// What was sent in one request is there in full: the parts of a body are only ever written together.
fn assert_whole(profile: &Value, body: &Value) {
    for member in ["name", "metadata"] {
        assert_eq!(profile[member], body[member], "{profile}");
    }
    let reference = &profile["external_user_details"]["reference_id"];
    assert_eq!(
        reference, &body["external_user_details"]["reference_id"],
        "{profile}"
    );
}

struct Writer<'a> {
    number: usize,
    round: usize,
    shared: &'a str,
    /// The profiles that nobody else writes to.
    own: Vec<String>,
    acknowledge: Sender<()>,
    stop: &'a AtomicBool,
}

impl Writer<'_> {
    fn run(mut self, address: SocketAddr, key: &str) -> Log {
        let mut client = Client::new(address, key);
        let mut log = Log {
            writer: self.number,
            acknowledged: Vec::new(),
            unanswered: None,
            refused: None,
        };
        for step in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let begun = Instant::now();
            let write = self.choose(step);
            let sent = match &write {
                Write::Create(body) => client.send("POST", "/v1/user_profiles", "ga", Some(body)),
                Write::Update(id, body) => client.send("POST", &path(id), "ga", Some(body)),
                Write::Delete(id) => client.send("DELETE", &path(id), "ga", None),
                Write::Merge(value) => {
                    let body = json!({"metadata": {key_of(self.number): value}});
                    client.send("POST", &path(self.shared), "ga", Some(&body))
                }
            };
            let Ok(reply) = sent else {
                log.unanswered = Some(write);
                break;
            };
            assert!(begun.elapsed() < LONGEST_WRITE, "{write:?} took too long");
            match reply.status {
                200 => {}
                529 => {
                    log.refused = Some(write);
                    break;
                }
                500 if reply.text().contains("api_error") => {
                    log.unanswered = Some(write);
                    break;
                }
                status => panic!("{write:?}: {status} {}", reply.text()),
            }
            let answer = reply.json();
            match &write {
                Write::Create(body) => {
                    assert_whole(&answer, body);
                    self.own.push(text(&answer["id"]));
                }
                Write::Update(_, body) => assert_whole(&answer, body),
                Write::Merge(value) => {
                    assert_eq!(answer["metadata"][key_of(self.number)], value.as_str());
                }
                Write::Delete(_) => {}
            }
            log.acknowledged.push((write, answer));
            // Nobody listens any more once the server is being killed.
            let _ = self.acknowledge.send(());
        }
        log
    }

    fn choose(&mut self, step: usize) -> Write {
        let unique = format!("{}-{}-{step}", self.round, self.number);
        let body = json!({
            "name": unique,
            "metadata": {"one": unique, "two": unique},
            "external_user_details": {"reference_id": unique},
        });
        match random(10) {
            0..4 if !self.own.is_empty() => {
                let id = self.own[random(self.own.len())].clone();
                Write::Update(id, body)
            }
            4 if !self.own.is_empty() => {
                Write::Delete(self.own.swap_remove(random(self.own.len())))
            }
            5 | 6 => Write::Merge(unique),
            _ => Write::Create(body),
        }
    }
}

/// Every profile, page by page.
fn walk(client: &mut Client) -> Vec<Value> {
    let (mut profiles, mut page) = (Vec::new(), String::new());
    loop {
        let target = format!("/v1/user_profiles?limit=100&order=asc{page}");
        let answer = client.ok("GET", &target, "ga", None);
        profiles.extend(answer["data"].as_array().unwrap().iter().cloned());
        match answer["next_page"].as_str() {
            Some(next) => page = format!("&page={next}"),
            None => return profiles,
        }
    }
}

fn path(id: &str) -> String {
    format!("/v1/user_profiles/{id}")
}

fn key_of(writer: usize) -> String {
    format!("writer_{writer}")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Whole seconds are written without a fraction, which text would sort after one.
fn in_micros((time, id): &(String, String)) -> (String, String) {
    let time = time.trim_end_matches('Z');
    let whole = if time.contains('.') { "" } else { ".000000" };
    (format!("{time}{whole}"), id.clone())
}

/// The kill is at a different moment each time anyway, so nothing is gained by a seed.
fn random(below: usize) -> usize {
    let random = RandomState::new().hash_one(());
    usize::try_from(random % below as u64).unwrap()
}
